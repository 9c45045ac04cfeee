#include <stdlib.h>

#include "event.h"

static bool buffer_reserve(struct message_buffer *buffer, size_t bytes)
{
    size_t room = buffer->room > 0 ? buffer->room : 4096;
    while (room < buffer->size + bytes)
        room *= 2;
    if (room == buffer->room)
        return true;
    uint8_t *data = realloc(buffer->data, room);
    if (!data)
        return false;
    buffer->data = data;
    buffer->room = room;
    return true;
}

void message_buffer_add(struct message_buffer *buffer, const ProtobufCMessage *message)
{
    if (buffer_reserve(buffer, protobuf_c_message_get_packed_size(message)))
        buffer->size += protobuf_c_message_pack(message, buffer->data + buffer->size);
    else
        buffer->no_memory = true;
}
