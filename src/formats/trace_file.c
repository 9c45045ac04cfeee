/* Perfetto's trace files, by protobuf-c. Every packet carries its absolute time and the number of its track, so that it can be read
 * without those before it. */
#include "trace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace.pb-c.h"
#include "writing.h"

enum { BUFFER = 64 << 10, PACKET_MAX = 1 << 10 /* names are shorter */ };
enum { PACKET_TAG = 1 << 3 | 2 }; /* begins each packet of a Trace: field 1, with a length */
enum { PROCESS_TRACKS = 1 << 16 }; /* most tracks of a process */

/* The number of a process's track; -1: the process itself. */
static uint64_t track_number(const struct trace_file *file, int track)
{
    return (uint64_t)(file->process + 1) * PROCESS_TRACKS + (uint64_t)(track + 1);
}

static int write_failed(const struct trace_file *file, struct error *why)
{
    return error_set(why, "%s: cannot be written: %s", file->name, strerror(errno));
}

int trace_file_flush(struct trace_file *file, struct error *why)
{
    size_t used = file->used;
    file->used = 0;
    return used && writing_all(file->descriptor, file->buffer, used) ? write_failed(file, why) : 0;
}

static int trace_file_add(struct trace_file *file, TracePacket *packet, struct error *why)
{
    TracePacket *packets[] = {packet};
    Trace trace = TRACE__INIT;
    trace.n_packet = 1;
    trace.packet = packets;
    size_t bytes = trace__get_packed_size(&trace);
    if (bytes > PACKET_MAX)
        return error_set(why, "%s: a packet of %zu bytes is too long", file->name, bytes);
    if (file->used + bytes > BUFFER && trace_file_flush(file, why))
        return -1;
    file->used += trace__pack(&trace, file->buffer + file->used);
    return 0;
}

static int trace_file_describe(struct trace_file *file, TrackDescriptor *track, struct error *why)
{
    TracePacket packet = TRACE_PACKET__INIT;
    packet.has_trusted_packet_sequence_id = true;
    packet.trusted_packet_sequence_id = (uint32_t)file->process + 1;
    packet.track_descriptor = track;
    return trace_file_add(file, &packet, why);
}

static int describe_process(struct trace_file *file, const char *label, struct error *why)
{
    TrackDescriptor track = TRACK_DESCRIPTOR__INIT;
    ProcessDescriptor process = PROCESS_DESCRIPTOR__INIT;
    process.has_pid = track.has_uuid = track.has_child_ordering = true;
    process.pid = file->process + 1;
    process.process_name = (char *)label;
    track.uuid = track_number(file, -1);
    track.process = &process;
    track.child_ordering = TRACK_DESCRIPTOR__CHILD_TRACKS_ORDERING__EXPLICIT;
    return trace_file_describe(file, &track, why);
}

int trace_file_open(struct trace_file *file, int descriptor, const char *name, int process, const char *label, struct error *why)
{
    *file = (struct trace_file){.descriptor = descriptor, .process = process};
    strncpy(file->name, name, sizeof file->name - 1);
    file->buffer = memory_new(1, BUFFER, "the trace's buffer", why);
    if (file->buffer && (!label || !describe_process(file, label, why)))
        return 0;
    free(file->buffer);
    close(descriptor);
    *file = (struct trace_file){0};
    return -1;
}

int trace_file_close(struct trace_file *file, struct error *why)
{
    if (!file->buffer)
        return 0;
    int status = trace_file_flush(file, why);
    if (close(file->descriptor) && !status)
        status = write_failed(file, why);
    free(file->buffer);
    *file = (struct trace_file){0};
    return status;
}

int trace_file_track(struct trace_file *file, int track, const char *name, struct error *why)
{
    TrackDescriptor descriptor = TRACK_DESCRIPTOR__INIT;
    descriptor.has_uuid = descriptor.has_parent_uuid = descriptor.has_sibling_order_rank = true;
    descriptor.uuid = track_number(file, track);
    descriptor.parent_uuid = track_number(file, -1);
    descriptor.sibling_order_rank = track;
    descriptor.name = (char *)name;
    return trace_file_describe(file, &descriptor, why);
}

static int trace_file_event(struct trace_file *file, TrackEvent *event, double time, struct error *why)
{
    TracePacket packet = TRACE_PACKET__INIT;
    packet.has_timestamp = packet.has_trusted_packet_sequence_id = true;
    packet.timestamp = (uint64_t)llround(1e9 * time);
    packet.trusted_packet_sequence_id = (uint32_t)file->process + 1;
    packet.track_event = event;
    return trace_file_add(file, &packet, why);
}

int trace_file_slice(struct trace_file *file, int track, const char *category, const char *name, double begin, double end,
                     struct error *why)
{
    char *categories[] = {(char *)category};
    TrackEvent event = TRACK_EVENT__INIT;
    event.has_type = event.has_track_uuid = true;
    event.track_uuid = track_number(file, track);
    TrackEvent last = event;
    event.type = TRACK_EVENT__TYPE__TYPE_SLICE_BEGIN;
    event.n_categories = 1;
    event.categories = categories;
    event.name = (char *)name;
    last.type = TRACK_EVENT__TYPE__TYPE_SLICE_END;
    return trace_file_event(file, &event, begin, why) || trace_file_event(file, &last, end, why) ? -1 : 0;
}

/* ---- appending ---- */

/* Reads a packet's tag and length. Returns their bytes; 0 if the packet is not complete in `left` bytes. */
static size_t packet_frame(const unsigned char *at, size_t left, size_t *length)
{
    size_t used = 1;
    *length = 0;
    if (left < 2 || *at != PACKET_TAG)
        return 0;
    for (int shift = 0; used < left && shift < 32; shift += 7) {
        unsigned char byte = at[used++];
        *length |= (size_t)(byte & 127) << shift;
        if (!(byte & 128))
            return *length <= left - used ? used : 0;
    }
    return 0;
}

static int append_packet(struct trace_file *file, const unsigned char *from, size_t length, const struct trace_drift *clock,
                         struct error *why)
{
    TracePacket *packet = trace_packet__unpack(NULL, length, from);
    if (!packet)
        return error_set(why, "%s: a packet of another program, or too little memory", file->name);
    if (packet->has_timestamp) {
        double time = 1e-9 * (double)packet->timestamp;
        packet->timestamp += (uint64_t)llround(1e9 * (clock->drift * (time - clock->since)));
    }
    int status = trace_file_add(file, packet, why);
    trace_packet__free_unpacked(packet, NULL);
    return status;
}

static int append_packets(struct trace_file *file, const unsigned char *from, size_t size, const struct trace_drift *clock,
                          struct error *why)
{
    size_t at = 0, length, frame;
    while ((frame = packet_frame(from + at, size - at, &length))) {
        if (append_packet(file, from + at + frame, length, clock, why))
            return -1;
        at += frame + length;
    }
    return 0;
}

int trace_file_append(struct trace_file *file, const char *from, const struct trace_drift *clock, struct error *why)
{
    int descriptor = open(from, O_RDONLY | O_CLOEXEC), status = -1;
    struct stat found = {0};
    void *map = MAP_FAILED;
    if (descriptor >= 0 && !fstat(descriptor, &found) && found.st_size)
        map = mmap(NULL, (size_t)found.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (map == MAP_FAILED)
        error_set(why, "%s: cannot be read: %s", from, descriptor >= 0 && !found.st_size ? "it is empty" : strerror(errno));
    else {
        status = append_packets(file, map, (size_t)found.st_size, clock, why);
        munmap(map, (size_t)found.st_size);
    }
    if (descriptor >= 0)
        close(descriptor);
    return status;
}
