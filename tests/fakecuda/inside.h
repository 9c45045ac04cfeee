/* Shared by the files of the fake libcudart.so.13. NVIDIA's and fake.h's declarations are visible outside of it, those below are
 * not. */
#ifndef FAKECUDA_INSIDE_H
#define FAKECUDA_INSIDE_H

#include "fake.h"

#include <stdlib.h>

enum { DEVICES_MAX = 16 };

/* ---- calls.c ---- */

/* Begins a function of the runtime: returns the status that it must return at once, or cudaSuccess if it may go on. failure: its
 * status if FAKECUDA_FAIL names it. */
cudaError_t call_begin(const char *name, cudaError_t failure);
/* The same for a function that is unsafe while a stream is captured: it then fails and invalidates the capture. */
cudaError_t call_begin_unsafe(const char *name, cudaError_t failure);
/* Ends a function: sets what cudaGetLastError will return. Returns the status. */
cudaError_t call_end(cudaError_t status);
/* A run of that work begins: counts it, and returns whether it must fail. */
bool call_run(const char *what);
/* Whether work has failed; from then on nothing runs. */
bool call_broken(void);

void *need(void *memory); /* returns memory, or stops the process if it is NULL */
size_t random_below(size_t n);
double random_fraction(void); /* in [0, 1) */

/* ---- objects.c: what must be given back ---- */

int objects_left(void); /* names them on standard error, and returns how many */
/* Begins a function that destroys an object: cudaSuccess if it exists. wrong: the status if it does not. */
cudaError_t object_destroy(const char *call, const char *kind, const void *object, cudaError_t wrong);

/* ---- devices.c ---- */

struct device_settings {
    int count;                /* visible; 0: none, -1: no driver */
    int physical[DEVICES_MAX]; /* their numbers on the node */
    size_t memory;
    int instances; /* per GPU */
    int node;
};
const struct device_settings *devices(void);
int device_current(void);

/* ---- memory.c ---- */

/* Opens the memory of one device, and closes that of the others, until memory_close. */
void memory_open(int device);
void memory_close(void);
/* Stops if something was written around an allocation. what: the work that ran last. */
void memory_check(const char *what);
int memory_left(void); /* as objects_left */

/* ---- queue.c: work that was enqueued and its order ---- */

struct work {
    const char *what;
    void (*run)(const void *state);
    const void *state; /* copied where it is kept */
    size_t bytes;
    const void *reads; /* pinned memory that it reads, which must not change until then; or NULL */
    void *writes;      /* pinned memory that it writes, full of NaN until then; or NULL */
    size_t host_bytes;
};

struct node;
/* A set of pieces of work, which it keeps alive. */
struct set {
    struct node **at;
    int count, room;
};
void set_add(struct set *set, struct node *node);
void set_join(struct set *set, const struct set *other);
void set_clear(struct set *set);
/* Drops what is done; returns when the last of it was done, or `time` if that is later. */
double set_prune(struct set *set, double time);

/* Enqueues work after all of `before`. The queue owns the node: put it into a set at once. */
struct node *queue_add(int device, const struct work *work, const struct set *before);
/* Runs the wanted work, what it depends on, and perhaps some more. */
void queue_run(const struct set *wanted);
void queue_run_device(int device); /* -1: of all devices */
/* The name of the work that runs now, or NULL. */
const char *queue_running(void);
/* The name of queued work that reads or writes this pinned memory, or NULL. */
const char *queue_uses(const void *host, size_t bytes);

/* ---- streams.c ---- */

struct indices {
    int *at;
    int count, room;
};
void indices_add(struct indices *set, int index);
void indices_join(struct indices *set, const struct indices *other);

struct capture;
struct CUstream_st {
    int device;
    bool blocking; /* it and the legacy stream wait for each other */
    bool legacy;
    struct set last; /* what the next work depends on */
    double time;     /* when the work that was done and pruned was done */
    struct capture *capture;
    struct indices captured; /* what the next captured work depends on */
    struct CUstream_st *next;
};
struct CUevent_st {
    unsigned flags;
    int device;
    bool recorded;
    struct set work;
    double time;
    unsigned long capture; /* the serial number of the capture that recorded it last, or 0 */
    struct indices captured;
};

/* The stream of a handle; NULL if it is invalid or another device's. */
struct CUstream_st *stream_find(cudaStream_t handle);
struct CUstream_st *stream_list(void);
/* What new work on the stream depends on: the stream's own work, and that of blocking and legacy streams. */
void stream_before(struct CUstream_st *stream, struct set *before);
void stream_after(struct CUstream_st *stream, const struct set *last);
cudaError_t stream_add(struct CUstream_st *stream, const struct work *work);
void stream_wait(struct CUstream_st *stream);

/* ---- capture.c, graph.c ---- */

struct recorded {
    struct work work; /* state: its own copy */
    int device;
    struct indices before;
};
struct external {
    cudaEvent_t event;
    struct indices before;
};
struct CUgraph_st {
    int references;
    struct recorded *at;
    int count, room;
    struct external *events;
    int event_count, event_room;
};
void graph_record(struct CUgraph_st *graph, int device, const struct work *work, const struct indices *before);
void graph_record_event(struct CUgraph_st *graph, cudaEvent_t event, const struct indices *before);
/* Whether every node comes before one of `last`, or is one. */
bool graph_is_joined(const struct CUgraph_st *graph, const struct indices *last);
void graph_release(struct CUgraph_st *graph);

cudaError_t capture_add(struct CUstream_st *stream, const struct work *work);
cudaError_t capture_record(struct CUstream_st *stream, cudaEvent_t event, bool external);
/* For a stream or an event that is captured. */
cudaError_t capture_wait(struct CUstream_st *stream, cudaEvent_t event);
/* Whether the next work on a captured stream depends on exactly one piece of work, which runs that function. */
bool capture_is_behind(const struct CUstream_st *stream, void (*run)(const void *state));
void capture_invalidate(struct capture *capture);
/* Whether an unsafe call must fail; it then invalidates the captures. */
bool capture_forbids(void);
/* Whether a blocking stream of the device is captured, so that the legacy stream cannot be used; the captures are then
 * invalidated. */
bool capture_forbids_legacy(int device);

#endif
