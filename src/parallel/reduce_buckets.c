/* The route by MPI in buckets: sums parts of the parcel, from its end to its beginning, as the backward pass completes them. */
#include "clock.h"
#include "mpi_check.h"
#include "reduce.h"

struct message {
    MPI_Request request; /* MPI_REQUEST_NULL once its end has been noticed */
    double begun;        /* clock_seconds */
};

struct buckets {
    size_t sent; /* [sent, end) of the parcel has been given to MPI */
    int count;   /* number of messages */
    struct message messages[];
};

static int buckets_open(struct reducer *reducer, struct error *why)
{
    struct reducer_state *s = reducer->state;
    size_t most = s->length / reducer->bucket + 2;
    s->work = memory_new(1, sizeof(struct buckets) + most * sizeof(struct message), "the messages", why);
    return s->work ? 0 : -1;
}

static void buckets_begin(struct reducer *reducer)
{
    struct buckets *b = reducer->state->work;
    b->sent = parcel_end(reducer);
    b->count = 0;
}

/* Starts the message [offset, sent). */
static int buckets_send(struct reducer *reducer, size_t offset, struct error *why)
{
    const struct reducer_state *s = reducer->state;
    struct buckets *b = s->work;
    int length = (int)(b->sent - offset);
    b->messages[b->count].begun = clock_seconds();
    int status = mpi_check(MPI_Iallreduce(s->own + offset, s->sums + offset, length, MPI_FLOAT, MPI_SUM, reducer->world->state->all,
                                          &b->messages[b->count].request), "MPI_Iallreduce", why);
    b->count += !status;
    b->sent = offset;
    return status;
}

/* Adds a message that has ended to the timeline. MPI does not say when it ended; this is when that was noticed. */
static void trace_message(struct reducer *reducer, int i)
{
    const struct buckets *b = reducer->state->work;
    struct trace *trace = phases_trace(reducer->phases);
    struct trace_slice slice = {.category = "allreduce", .number = i, .begin = b->messages[i].begun};
    if (!trace_is_on(trace))
        return;
    slice.end = clock_seconds();
    trace_slice(trace, trace_message_track(trace, i), &slice);
}

/* Lets a message make progress. */
static int test_message(struct reducer *reducer, int i, struct error *why)
{
    struct message *message = &((struct buckets *)reducer->state->work)->messages[i];
    int done = 0;
    if (message->request == MPI_REQUEST_NULL)
        return 0;
    if (mpi_check(MPI_Test(&message->request, &done, MPI_STATUS_IGNORE), "MPI_Test", why))
        return -1;
    if (done)
        trace_message(reducer, i);
    return 0;
}

static int buckets_ready(struct reducer *reducer, size_t offset, struct error *why)
{
    struct buckets *b = reducer->state->work;
    if (b->sent - offset >= reducer->bucket && buckets_send(reducer, offset, why))
        return -1;
    for (int i = 0; i < b->count; i++)
        if (test_message(reducer, i, why))
            return -1;
    return 0;
}

static int buckets_finish(struct reducer *reducer, struct error *why)
{
    struct buckets *b = reducer->state->work;
    if (b->sent > 0 && buckets_send(reducer, 0, why))
        return -1;
    for (int i = 0; i < b->count; i++) {
        phase_enter(reducer->phases, PHASE_REDUCE, i);
        if (b->messages[i].request == MPI_REQUEST_NULL)
            continue;
        if (mpi_check(MPI_Wait(&b->messages[i].request, MPI_STATUS_IGNORE), "MPI_Wait", why))
            return -1;
        trace_message(reducer, i);
    }
    return 0;
}

const struct route reduce_buckets = {
    .open = buckets_open, .begin = buckets_begin, .ready = buckets_ready, .finish = buckets_finish,
};
