/* Files of Perfetto's trace format: slices of time on the tracks of a process. ui.perfetto.dev and trace_processor open them; files
 * put together (cat) are one trace. A program that was built without protobuf-c cannot open such a file. */
#ifndef TRACE_FILE_H
#define TRACE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* A file that is being written, in whole packets. */
struct trace_file {
    int descriptor; /* owned */
    char name[4096];
    int process;    /* 0, 1, ...: identifies the process in the trace, since process numbers of two nodes may be equal */
    unsigned char *buffer;
    size_t used;
};

/* Takes an open file, also after a failure. label: the name of the process; NULL: the file only gets packets of others. */
int trace_file_open(struct trace_file *file, int descriptor, const char *name, int process, const char *label, struct error *why);
/* Flushes and closes the file. A zeroed file may be closed too. */
int trace_file_close(struct trace_file *file, struct error *why);

/* Names a track, 0, 1, ...: tools show the tracks of a process in this order. */
int trace_file_track(struct trace_file *file, int track, const char *name, struct error *why);
/* Adds a slice to a track. Slices of one track do not overlap. begin, end: seconds. */
int trace_file_slice(struct trace_file *file, int track, const char *category, const char *name, double begin, double end,
                     struct error *why);
/* Writes what has been added. */
int trace_file_flush(struct trace_file *file, struct error *why);

/* Corrects a file's times to another clock, by how fast that clock gains on the file's: time t becomes t + drift * (t - since). */
struct trace_drift {
    double since, drift; /* seconds; seconds a second */
};
/* Appends the packets of the file `from`, with their times corrected. An incomplete packet at its end is left out. */
int trace_file_append(struct trace_file *file, const char *from, const struct trace_drift *clock, struct error *why);

#endif
