/* Shared by the sources of event files. */
#ifndef EVENT_H
#define EVENT_H

#include "events.h"
#include "events.pb-c.h"

/* Appends a serialized message. Serialized messages in a row are one message with the elements of all their repeated fields. */
void message_buffer_add(struct message_buffer *buffer, const ProtobufCMessage *message);

double seconds_since_1970(void);

/* Adds a value with its tag and its content. */
void event_add_value(struct event *event, Tf__Summary__Value *value);
/* Adds a tensor that one of TensorBoard's plugins shows; content: what the plugin keeps in its metadata. */
void event_add_tensor(struct event *event, const char *tag, const char *plugin_name, ProtobufCBinaryData content,
                      Tf__Tensor *tensor);

/* A copy of the text in which bytes that are not valid UTF-8 are '?', because protobuf's readers refuse them. Each line begins with
 * the indentation. The caller frees it. NULL: no memory. */
char *text_as_utf8(const char *text, const char *indentation);

/* Appends a record that contains this event. */
int event_file_append_message(struct event_file *file, Tf__Event *message, struct error *why);

#endif
