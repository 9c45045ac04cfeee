/* The route by MPI in buckets: sums parts of the parcel, from its end to its beginning, as the backward pass completes them. */
#include "mpi_check.h"
#include "reduce.h"

struct buckets {
    size_t sent; /* [sent, end) of the parcel has been given to MPI */
    int count;   /* number of messages */
    MPI_Request requests[];
};

static int buckets_open(struct reducer *reducer, struct error *why)
{
    struct reducer_state *s = reducer->state;
    size_t most = s->length / reducer->bucket + 2;
    s->work = memory_new(1, sizeof(struct buckets) + most * sizeof(MPI_Request), "the messages", why);
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
    int status = mpi_check(MPI_Iallreduce(s->own + offset, s->sums + offset, length, MPI_FLOAT, MPI_SUM, reducer->world->state->all,
                                          &b->requests[b->count]), "MPI_Iallreduce", why);
    b->count += !status;
    b->sent = offset;
    return status;
}

static int buckets_ready(struct reducer *reducer, size_t offset, struct error *why)
{
    struct buckets *b = reducer->state->work;
    int done; /* unused: the call only lets messages make progress */
    if (b->sent - offset >= reducer->bucket && buckets_send(reducer, offset, why))
        return -1;
    return mpi_check(MPI_Testall(b->count, b->requests, &done, MPI_STATUSES_IGNORE), "MPI_Testall", why);
}

static int buckets_finish(struct reducer *reducer, struct error *why)
{
    struct buckets *b = reducer->state->work;
    if (b->sent > 0 && buckets_send(reducer, 0, why))
        return -1;
    for (int i = 0; i < b->count; i++) {
        phase_enter(reducer->phases, PHASE_REDUCE, i);
        if (mpi_check(MPI_Wait(&b->requests[i], MPI_STATUS_IGNORE), "MPI_Wait", why))
            return -1;
    }
    return 0;
}

const struct route reduce_buckets = {
    .open = buckets_open, .begin = buckets_begin, .ready = buckets_ready, .finish = buckets_finish,
};
