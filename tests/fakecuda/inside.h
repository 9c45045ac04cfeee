/* What the files of the fake libcudart.so.13 share. NVIDIA's declarations and fake.h's are visible outside of it, what stands
 * below is not. */
#ifndef FAKECUDA_INSIDE_H
#define FAKECUDA_INSIDE_H

#include "fake.h"

#include <stdlib.h>

enum { DEVICES_MAX = 16 };

/* ---- calls.c ---- */

/* Begins a function of the runtime: what it has to return at once, cudaSuccess where it may go on. failure: its status where
 * FAKECUDA_FAIL names it. */
cudaError_t call_begin(const char *name, cudaError_t failure);
/* The same for a function that is unsafe while a stream is captured: it fails then, and the capture with it. */
cudaError_t call_begin_unsafe(const char *name, cudaError_t failure);
/* Ends one: what cudaGetLastError will tell. Returns the status. */
cudaError_t call_end(cudaError_t status);
/* A run of that work begins: counts it; true where it is to fail. */
bool call_run(const char *what);
/* Whether work has failed: nothing runs from then on. */
bool call_broken(void);

void *need(void *memory); /* what malloc gave, or the end */
size_t random_below(size_t n);
double random_fraction(void); /* in [0, 1) */

/* ---- objects.c: what must be given back ---- */

int objects_left(void); /* names them on standard error; how many */
/* Begins a function that destroys one: cudaSuccess where it was there. wrong: the status where it was not. */
cudaError_t object_destroy(const char *call, const char *kind, const void *object, cudaError_t wrong);

/* ---- devices.c ---- */

struct device_settings {
    int count;                /* visible; 0: none, -1: no driver */
    int physical[DEVICES_MAX]; /* their numbers on the node */
    size_t memory;
    int instances; /* of a GPU */
    int node;
};
const struct device_settings *devices(void);
int device_current(void);

/* ---- memory.c ---- */

/* Device memory of one device can be touched, of the others not; until memory_close. */
void memory_open(int device);
void memory_close(void);
/* Stops where something was written around an allocation. what: the work that ran last. */
void memory_check(const char *what);
int memory_left(void); /* as objects_left */

/* ---- queue.c: work that was enqueued and its order ---- */

struct work {
    const char *what;
    void (*run)(const void *state);
    const void *state; /* copied where it is kept */
    size_t bytes;
    const void *reads; /* pinned memory that it reads: must not change until then; or NULL */
    void *writes;      /* that it writes: full of NaN until then; or NULL */
    size_t host_bytes;
};

struct node;
/* Pieces of work; a set keeps them alive. */
struct set {
    struct node **at;
    int count, room;
};
void set_add(struct set *set, struct node *node);
void set_join(struct set *set, const struct set *other);
void set_clear(struct set *set);
/* Drops what is done; the time when the last of it was, or `time` where that is later. */
double set_prune(struct set *set, double time);

/* Enqueues work behind all of `before`. The node belongs to the queue: put it into a set at once. */
struct node *queue_add(int device, const struct work *work, const struct set *before);
/* Does them, what they need, and perhaps some more. */
void queue_run(const struct set *wanted);
void queue_run_device(int device); /* -1: of all devices */
/* What runs now, or NULL. */
const char *queue_running(void);
/* Whether queued work reads or writes this pinned memory; its name, or NULL. */
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
    bool blocking; /* waits for the legacy stream, and it for this one */
    bool legacy;
    struct set last; /* what the next work comes behind */
    double time;     /* when all that was done and pruned was done */
    struct capture *capture;
    struct indices captured; /* what the next captured work comes behind */
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

/* The stream behind a handle, NULL where it is none (or one of another device). */
struct CUstream_st *stream_find(cudaStream_t handle);
struct CUstream_st *stream_list(void);
/* What new work on it comes behind, beside its own: blocking and legacy streams. */
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
/* The stream or the event is captured. */
cudaError_t capture_wait(struct CUstream_st *stream, cudaEvent_t event);
/* Whether the next work on a captured stream comes behind one piece of work only, which runs that. */
bool capture_is_behind(const struct CUstream_st *stream, void (*run)(const void *state));
void capture_invalidate(struct capture *capture);
/* Whether an unsafe call must fail; the captures are invalid then. */
bool capture_forbids(void);
/* Whether a blocking stream of the device is captured: the legacy stream cannot be used; the captures are invalid then. */
bool capture_forbids_legacy(int device);

#endif
