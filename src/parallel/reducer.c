/* Gradient sums of all slices of all ranks.
 *
 * REDUCE_FASTEST sends buckets from the parcel's end to its beginning as the backward pass
 * completes them. REDUCE_TREE keeps the fixed binary tree: inside a rank like a binary counter
 * (two neighbours of the same height become one), then over ranks: each rank collects its segment
 * of everybody's parcel, adds the segments in the tree's order and hands the result round. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mpi_check.h"
#include "parallel.h"

enum { HEIGHTS_MAX = 32 };

struct partial {
    float *parcel;
    int height; /* it is the sum of 2^height slices */
};

struct reducer_state {
    size_t length; /* floats of a parcel, padded so that all ranks' segments are equal */
    size_t segment;
    struct partial stack[HEIGHTS_MAX]; /* sums of neighbouring slices, falling heights; [depth] is written now */
    int depth, stack_size;
    float *segments; /* (ranks, segment): REDUCE_TREE with several ranks */
    size_t sent;     /* [sent, end) of the parcel is on its way */
    MPI_Request *requests;
    int request_count, request_max;
};

static size_t parcel_end(const struct reducer *reducer)
{
    return reducer->parameters + PARCEL_SLOTS;
}

static int stack_height(int slices)
{
    int height = 1;
    while (slices >>= 1)
        height++;
    return height;
}

static int check_request(const struct reducer *r, struct error *why)
{
    if (r->slices < 1)
        return error_set(why, "a rank needs at least one slice, not %d", r->slices);
    if (r->kind == REDUCE_FASTEST && r->slices != 1)
        return error_set(why, "the fastest reduction takes one slice a rank, not %d", r->slices);
    if (r->world->size > 1 && (r->slices & (r->slices - 1)))
        return error_set(why, "%d slices a rank do not fit the tree over %d ranks: take a power of two a rank",
                         r->slices, r->world->size);
    return 0;
}

static int take_memory(struct reducer *reducer, struct error *why)
{
    struct reducer_state *s = reducer->state;
    size_t ranks = (size_t)reducer->world->size;
    s->segment = (parcel_end(reducer) + ranks - 1) / ranks;
    s->length = s->segment * ranks;
    s->stack_size = stack_height(reducer->slices);
    for (int i = 0; i < s->stack_size; i++)
        if (!(s->stack[i].parcel = memory_new(s->length, sizeof(float), "the gradients", why)))
            return -1;
    if (ranks > 1 && reducer->kind == REDUCE_TREE &&
        !(s->segments = memory_new(s->length, sizeof(float), "the gradients of all ranks", why)))
        return -1;
    s->request_max = (int)(s->length / reducer->bucket) + 2;
    s->requests = memory_new((size_t)s->request_max, sizeof *s->requests, "the messages", why);
    return s->requests ? 0 : -1;
}

int reducer_init(struct reducer *reducer, const struct world *world, enum reduce_kind kind, size_t parameters,
                 int slices, size_t bucket_bytes, struct error *why)
{
    memset(reducer, 0, sizeof *reducer);
    reducer->world = world;
    reducer->kind = kind;
    reducer->parameters = parameters;
    reducer->slices = slices;
    reducer->bucket = bucket_bytes / sizeof(float) ? bucket_bytes / sizeof(float) : 1;
    if (check_request(reducer, why))
        return -1;
    reducer->state = memory_new(1, sizeof *reducer->state, "the reducer", why);
    return reducer->state ? take_memory(reducer, why) : -1;
}

void reducer_free(struct reducer *reducer)
{
    struct reducer_state *s = reducer->state;
    if (!s)
        return;
    for (int i = 0; i < s->stack_size; i++)
        free(s->stack[i].parcel);
    free(s->segments);
    free(s->requests);
    free(s);
    reducer->state = NULL;
}

float *reducer_begin(struct reducer *reducer, int slice)
{
    struct reducer_state *s = reducer->state;
    if (slice == 0) {
        s->depth = 0;
        s->request_count = 0;
        s->sent = parcel_end(reducer);
    }
    s->stack[s->depth].height = 0;
    float *parcel = s->stack[s->depth].parcel;
    memset(parcel + reducer->parameters, 0, PARCEL_SLOTS * sizeof *parcel);
    return parcel;
}

/* Starts the message [offset, sent). */
static int send_bucket(struct reducer *reducer, size_t offset, struct error *why)
{
    struct reducer_state *s = reducer->state;
    float *bucket = s->stack[0].parcel + offset;
    int status = mpi_check(MPI_Iallreduce(MPI_IN_PLACE, bucket, (int)(s->sent - offset), MPI_FLOAT, MPI_SUM,
                                          MPI_COMM_WORLD, &s->requests[s->request_count]),
                           "MPI_Iallreduce", why);
    s->request_count += !status;
    s->sent = offset;
    return status;
}

int reducer_ready(struct reducer *reducer, size_t offset, struct error *why)
{
    struct reducer_state *s = reducer->state;
    if (reducer->kind != REDUCE_FASTEST || reducer->world->size == 1)
        return 0;
    if (s->sent - offset >= reducer->bucket && send_bucket(reducer, offset, why))
        return -1;
    int done; /* asking is what makes messages progress */
    return mpi_check(MPI_Testall(s->request_count, s->requests, &done, MPI_STATUSES_IGNORE), "MPI_Testall", why);
}

__attribute__((target_clones("avx512f", "avx2", "default")))
static void add_into(float *restrict sum, const float *restrict addend, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += addend[i];
}

int reducer_end(struct reducer *reducer, struct error *why)
{
    struct reducer_state *s = reducer->state;
    if (s->depth >= s->stack_size)
        return error_set(why, "a rank ended more slices than its %d", reducer->slices);
    s->depth++;
    while (s->depth > 1 && s->stack[s->depth - 2].height == s->stack[s->depth - 1].height) {
        add_into(s->stack[s->depth - 2].parcel, s->stack[s->depth - 1].parcel, parcel_end(reducer));
        s->stack[s->depth - 2].height++;
        s->depth--;
    }
    return 0;
}

/* What is left of a number of slices that is no power of two (one rank only). */
static void fold_rest(struct reducer *reducer)
{
    struct reducer_state *s = reducer->state;
    for (; s->depth > 1; s->depth--)
        add_into(s->stack[s->depth - 2].parcel, s->stack[s->depth - 1].parcel, parcel_end(reducer));
}

static int finish_tree(struct reducer *reducer, struct error *why)
{
    struct reducer_state *s = reducer->state;
    int segment = (int)s->segment, ranks = reducer->world->size;
    float *parcel = s->stack[0].parcel;
    if (mpi_check(MPI_Alltoall(parcel, segment, MPI_FLOAT, s->segments, segment, MPI_FLOAT, MPI_COMM_WORLD),
                  "MPI_Alltoall", why))
        return -1;
    for (int distance = 1; distance < ranks; distance *= 2)
        for (int rank = 0; rank + distance < ranks; rank += 2 * distance)
            add_into(s->segments + rank * s->segment, s->segments + (rank + distance) * s->segment, s->segment);
    return mpi_check(MPI_Allgather(s->segments, segment, MPI_FLOAT, parcel, segment, MPI_FLOAT, MPI_COMM_WORLD),
                     "MPI_Allgather", why);
}

static int finish_buckets(struct reducer *reducer, struct error *why)
{
    struct reducer_state *s = reducer->state;
    if (s->sent > 0 && send_bucket(reducer, 0, why))
        return -1;
    return mpi_check(MPI_Waitall(s->request_count, s->requests, MPI_STATUSES_IGNORE), "MPI_Waitall", why);
}

int reducer_finish(struct reducer *reducer, const float **parcel, struct error *why)
{
    double before = clock_seconds();
    int status = 0;
    fold_rest(reducer);
    if (reducer->world->size > 1)
        status = reducer->kind == REDUCE_TREE ? finish_tree(reducer, why) : finish_buckets(reducer, why);
    reducer->wait_seconds += clock_seconds() - before;
    *parcel = reducer->state->stack[0].parcel;
    return status;
}
