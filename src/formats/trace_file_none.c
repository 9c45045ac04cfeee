/* Instead of trace_file.c in a program that was built without protobuf-c: no file can be opened, so nothing else is called. */
#include <unistd.h>

#include "trace_file.h"

int trace_file_open(struct trace_file *file, int descriptor, const char *name, int process, const char *label, struct error *why)
{
    (void)process;
    (void)label;
    *file = (struct trace_file){0};
    close(descriptor);
    return error_set(why, "%s: this program was built without protobuf-c, and cannot write traces", name);
}

int trace_file_close(struct trace_file *file, struct error *why)
{
    (void)file;
    (void)why;
    return 0;
}

int trace_file_track(struct trace_file *file, int track, const char *name, struct error *why)
{
    (void)file;
    (void)track;
    return error_set(why, "%s: no trace is open", name);
}

int trace_file_slice(struct trace_file *file, int track, const char *category, const char *name, double begin, double end,
                     struct error *why)
{
    (void)category;
    (void)begin;
    (void)end;
    return trace_file_track(file, track, name, why);
}

int trace_file_flush(struct trace_file *file, struct error *why)
{
    return trace_file_track(file, 0, "flush", why);
}

int trace_file_append(struct trace_file *file, const char *from, const struct trace_drift *clock, struct error *why)
{
    (void)clock;
    return trace_file_track(file, 0, from, why);
}
