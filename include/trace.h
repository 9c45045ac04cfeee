/* The timeline of a rank: what its threads and its device did, as slices of time on tracks. Any thread may add slices.
 *
 * Slices are encoded into a buffer, and written to FILE.rankN in whole packets at the end of each step. The file can be opened at
 * any time, also after the process was killed. */
#ifndef TRACE_H
#define TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "trace_file.h"

/* A zeroed trace is closed: trace_slice then has no effect. */
struct trace {
    struct trace_state *state;
};

/* The tracks of a rank; after the last come those of the loader's threads, then those of the messages under way. */
enum trace_track {
    TRACE_STEPS,  /* a slice a step, or a block of steps */
    TRACE_MAIN,   /* the phases of the main thread */
    TRACE_SAVER,  /* checkpoints */
    TRACE_DEVICE, /* the work of the device's stream, by its own clock; then the stream for work beside it */
    TRACE_BESIDE,
    TRACE_LOADER,
};

struct trace_request {
    const char *file; /* FILE; the rank's own is FILE.rankN */
    const char *host;
    int rank;
    bool device;  /* whether there are tracks for a device */
    int loaders;  /* the loader's threads */
    int messages; /* number of messages that the ranks exchange in a step while they compute */
};

/* Creates FILE.rankN, or empties an earlier run's. */
int trace_open(struct trace *trace, const struct trace_request *request, struct error *why);
/* Ends recording, writes what is left and closes the file. Other threads may still call trace_slice, without effect. A closed trace
 * may be closed again. -1: the file is not complete. */
int trace_close(struct trace *trace, struct error *why);
/* After all threads that record have ended. A zeroed trace may be freed too. */
void trace_free(struct trace *trace);

/* Starts recording. offset: seconds that are added to this process's clock_seconds. */
void trace_start(struct trace *trace, double offset);
bool trace_is_on(const struct trace *trace);

/* The tracks of the loader's i-th thread, and of the i-th message of a step. */
int trace_loader_track(const struct trace *trace, int i);
int trace_message_track(const struct trace *trace, int i);

struct trace_slice {
    const char *category; /* what was done: "forward" */
    const char *name;     /* with what: "conv1"; NULL: see number */
    int64_t number;       /* of what was done, such as the step; < 0: none */
    double begin, end;    /* clock_seconds */
};
/* Adds a slice named "category name" or "category number" to the track. The texts are copied. trace may be NULL. A failure to write
 * ends recording; trace_close returns it. */
void trace_slice(struct trace *trace, int track, const struct trace_slice *slice);
/* Writes the slices added so far. */
void trace_flush(struct trace *trace);

/* The name of a rank's file. */
void trace_part_name(const char *file, int rank, char *name, size_t size);
/* Puts the parts of `ranks` ranks together in FILE and removes them. FILE is replaced when it is complete. drifts: (ranks), by
 * which the times of each are corrected. -1: the parts stay. */
int trace_merge(const char *file, int ranks, const struct trace_drift *drifts, struct error *why);

#endif
