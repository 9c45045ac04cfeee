/* Recording. One lock protects the file and its buffer: threads other than the main one add about a slice a batch. */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "writing.h"

struct trace_state {
    struct trace_request request;
    pthread_mutex_t lock;
    struct trace_file file;
    double offset;
    atomic_bool on;
    bool failed; /* with the sentence in `why` */
    struct error why;
};

void trace_part_name(const char *file, int rank, char *name, size_t size)
{
    snprintf(name, size, "%s.rank%d", file, rank);
}

/* ---- tracks ---- */

int trace_loader_track(const struct trace *trace, int i)
{
    (void)trace;
    return TRACE_LOADER + i;
}

int trace_message_track(const struct trace *trace, int i)
{
    return TRACE_LOADER + (trace && trace->state ? trace->state->request.loaders : 0) + i;
}

static int name_numbered(struct trace_file *file, int first, int count, const char *what, struct error *why)
{
    char name[32];
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s %d", what, i);
        if (trace_file_track(file, first + i, name, why))
            return -1;
    }
    return 0;
}

static int name_tracks(struct trace_file *file, const struct trace_request *request, struct error *why)
{
    static const char *const names[TRACE_LOADER] = {[TRACE_STEPS] = "steps", [TRACE_MAIN] = "main", [TRACE_SAVER] = "saver",
                                                    [TRACE_DEVICE] = "device", [TRACE_BESIDE] = "device, beside"};
    for (int i = 0; i < TRACE_LOADER; i++) {
        bool device = i == TRACE_DEVICE || i == TRACE_BESIDE;
        if ((!device || request->device) && trace_file_track(file, i, names[i], why))
            return -1;
    }
    return name_numbered(file, TRACE_LOADER, request->loaders, "loader", why) ||
           name_numbered(file, TRACE_LOADER + request->loaders, request->messages, "message", why) ? -1 : 0;
}

/* ---- opening and closing ---- */

static int open_part(struct trace_state *s, struct error *why)
{
    const struct trace_request *r = &s->request;
    char name[4096], label[128];
    trace_part_name(r->file, r->rank, name, sizeof name);
    snprintf(label, sizeof label, "rank %d on %s, process %d", r->rank, r->host, (int)getpid());
    int descriptor = writing_open(name, O_WRONLY | O_CREAT, 0666, why);
    if (descriptor < 0)
        return -1;
    if (ftruncate(descriptor, 0)) {
        close(descriptor);
        return error_set(why, "%s: cannot be emptied: %s", name, strerror(errno));
    }
    if (!trace_file_open(&s->file, descriptor, name, r->rank, label, why) && !name_tracks(&s->file, r, why) &&
        !trace_file_flush(&s->file, why))
        return 0;
    unlink(name);
    return -1;
}

int trace_open(struct trace *trace, const struct trace_request *request, struct error *why)
{
    struct trace_state *s = memory_new(1, sizeof *s, "the trace", why);
    if (!s)
        return -1;
    s->request = *request;
    trace->state = s;
    pthread_mutex_init(&s->lock, NULL);
    if (!open_part(s, why))
        return 0;
    trace_free(trace);
    return -1;
}

/* Other threads may still add slices, which have no effect from now on; they hold no pointer to the file. */
int trace_close(struct trace *trace, struct error *why)
{
    struct trace_state *s = trace->state;
    if (!s)
        return 0;
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->on, false);
    bool failed = trace_file_close(&s->file, s->failed ? &(struct error){""} : &s->why) || s->failed;
    pthread_mutex_unlock(&s->lock);
    if (failed)
        *why = s->why;
    return failed ? -1 : 0;
}

void trace_free(struct trace *trace)
{
    struct error ignored;
    trace_close(trace, &ignored);
    if (!trace->state)
        return;
    pthread_mutex_destroy(&trace->state->lock);
    free(trace->state);
    trace->state = NULL;
}

/* ---- recording ---- */

void trace_start(struct trace *trace, double offset)
{
    pthread_mutex_lock(&trace->state->lock);
    trace->state->offset = offset;
    atomic_store(&trace->state->on, true);
    pthread_mutex_unlock(&trace->state->lock);
}

bool trace_is_on(const struct trace *trace)
{
    return trace && trace->state && atomic_load_explicit(&trace->state->on, memory_order_relaxed);
}

/* Ends recording after a failure. */
static void take_status(struct trace_state *s, int status)
{
    if (!status)
        return;
    s->failed = true;
    atomic_store(&s->on, false);
}

static void slice_name(const struct trace_slice *slice, char *name, size_t size)
{
    if (slice->name)
        snprintf(name, size, "%s %s", slice->category, slice->name);
    else if (slice->number >= 0)
        snprintf(name, size, "%s %" PRId64, slice->category, slice->number);
    else
        snprintf(name, size, "%s", slice->category);
}

void trace_slice(struct trace *trace, int track, const struct trace_slice *slice)
{
    char name[96];
    if (!trace_is_on(trace))
        return;
    struct trace_state *s = trace->state;
    slice_name(slice, name, sizeof name);
    pthread_mutex_lock(&s->lock);
    if (trace_is_on(trace)) /* still */
        take_status(s, trace_file_slice(&s->file, track, slice->category, name, slice->begin + s->offset, slice->end + s->offset,
                                        &s->why));
    pthread_mutex_unlock(&s->lock);
}

void trace_flush(struct trace *trace)
{
    if (!trace_is_on(trace))
        return;
    pthread_mutex_lock(&trace->state->lock);
    take_status(trace->state, trace_file_flush(&trace->state->file, &trace->state->why));
    pthread_mutex_unlock(&trace->state->lock);
}
