/* Gradient sums of all slices of all ranks, in one fixed binary tree: neighbours first.
 *
 * Inside a rank, slices meet like a binary counter (two neighbours of the same height become one) until HELD_MAX parcels
 * are left: the leaves. Ranks of one node have their leaves in memory that all of them see: each rank adds its segment of
 * all leaves in one pass, and the sums are everybody's. Where memory is not shared, each rank is brought its segment of
 * every parcel and hands the sums round. Only REDUCE_FASTEST across nodes leaves the tree: it sends buckets from the
 * parcel's end to its beginning as the backward pass completes them, in whatever order MPI adds.
 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "finite.h"
#include "mpi_check.h"
#include "parallel.h"

enum { HELD_MAX = 4, HEIGHTS_MAX = 32, BLOCK = 1024, LINE = 16 }; /* BLOCK, LINE: floats */

struct partial {
    float *parcel;
    int height; /* it is the sum of 2^height slices */
};

struct reducer_state {
    size_t length; /* floats of a parcel, padded so that all ranks' segments are equal and begin with a cache line */
    size_t segment;
    int held, group; /* leaves of this rank; neighbouring slices that each is the sum of */
    float *own;      /* (held, length): this rank's leaves */
    float *sums;     /* (length): of all ranks */
    const float **leaves; /* those that sum_tree adds */
    float *partials; /* (stack_size - 1, length): what a leaf is added from */
    struct partial stack[HEIGHTS_MAX]; /* sums of neighbouring slices, falling heights; [depth] is written now */
    int depth, stack_size;
    float *segments; /* (ranks, segment): where memory is not shared and MPI does not add */
    size_t sent;     /* [sent, end) of the parcel is on its way */
    MPI_Request *requests;
    int request_count, request_max;
};

static size_t parcel_end(const struct reducer *reducer)
{
    return reducer->parameters + PARCEL_SLOTS;
}

/* Whether MPI adds as it likes. Not on one node: whether its ranks can share memory is no matter of bits. */
static bool sends_buckets(const struct reducer *reducer)
{
    return reducer->kind == REDUCE_FASTEST && reducer->world->nodes > 1 && reducer->world->size > 1;
}

static bool is_power_of_two(int number)
{
    return (number & (number - 1)) == 0;
}

static int check_request(const struct reducer *r, struct error *why)
{
    if (r->slices < 1)
        return error_set(why, "a rank needs at least one slice, not %d", r->slices);
    if (r->kind == REDUCE_FASTEST && r->slices != 1)
        return error_set(why, "the fastest reduction takes one slice a rank, not %d", r->slices);
    if (r->world->size > 1 && !is_power_of_two(r->slices))
        return error_set(why, "%d slices a rank do not fit the tree over %d ranks: take a power of two a rank",
                         r->slices, r->world->size);
    return 0;
}

static void lay_out(const struct reducer *reducer, struct reducer_state *s)
{
    size_t ranks = (size_t)reducer->world->size;
    s->segment = (parcel_end(reducer) + ranks - 1) / ranks;
    s->segment = (s->segment + LINE - 1) / LINE * LINE;
    s->length = s->segment * ranks;
    s->held = !is_power_of_two(reducer->slices) ? 1 : reducer->slices < HELD_MAX ? reducer->slices : HELD_MAX;
    s->group = reducer->slices / s->held;
    for (int rest = s->group; rest; rest /= 2)
        s->stack_size++;
}

/* Those of all ranks and their sums behind them, where all are on one node. Before anything that may fail on one rank. */
static void share_leaves(struct reducer *reducer, struct reducer_state *s)
{
    const struct world *world = reducer->world;
    size_t own = (size_t)s->held * s->length, all = (size_t)world->size * own;
    if (world->size == 1 || world->nodes > 1)
        return;
    world_share(world, (all + s->length) * sizeof(float), &reducer->leaves);
    if (!reducer->leaves.shared)
        return;
    s->own = (float *)reducer->leaves.data + (size_t)world->rank * own;
    s->sums = (float *)reducer->leaves.data + all;
    memset(s->own, 0, own * sizeof(float)); /* who touches memory first has it near */
}

/* Of the stack, whose first is a leaf. */
static int take_partials(struct reducer_state *s, struct error *why)
{
    size_t count = (size_t)s->stack_size - 1;
    if (count == 0)
        return 0;
    s->partials = memory_new(count * s->length, sizeof(float), "the gradients", why);
    if (!s->partials)
        return -1;
    for (size_t i = 0; i < count; i++)
        s->stack[i + 1].parcel = s->partials + i * s->length;
    return 0;
}

/* This rank's alone. One rank's first leaf becomes the sums; others keep their own part beside them. */
static int take_leaves(struct reducer *reducer, struct reducer_state *s, struct error *why)
{
    bool apart = reducer->world->size > 1;
    size_t parcels = (size_t)s->held + apart;
    reducer->leaves.bytes = parcels * s->length * sizeof(float);
    s->own = reducer->leaves.data = memory_new(parcels * s->length, sizeof(float), "the gradients", why);
    if (!s->own)
        return -1;
    s->sums = apart ? s->own + (size_t)s->held * s->length : s->own;
    return 0;
}

static int take_memory(struct reducer *reducer, struct error *why)
{
    struct reducer_state *s = reducer->state;
    size_t ranks = (size_t)reducer->world->size;
    if (!reducer->leaves.shared && take_leaves(reducer, s, why))
        return -1;
    if (take_partials(s, why))
        return -1;
    if (ranks > 1 && !reducer->leaves.shared && !sends_buckets(reducer) &&
        !(s->segments = memory_new(s->length, sizeof(float), "the gradients of all ranks", why)))
        return -1;
    s->request_max = (int)(s->length / reducer->bucket) + 2;
    s->requests = memory_new((size_t)s->request_max, sizeof *s->requests, "the messages", why);
    s->leaves = memory_new(ranks * (size_t)s->held, sizeof *s->leaves, "the leaves", why);
    return s->requests && s->leaves ? 0 : -1;
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
    struct reducer_state state = {0};
    lay_out(reducer, &state);
    share_leaves(reducer, &state);
    reducer->state = memory_new(1, sizeof *reducer->state, "the reducer", why);
    if (!reducer->state)
        return -1;
    *reducer->state = state;
    return take_memory(reducer, why);
}

void reducer_free(struct reducer *reducer)
{
    struct reducer_state *s = reducer->state;
    world_unshare(&reducer->leaves);
    if (!s)
        return;
    free(s->partials);
    free(s->leaves);
    free(s->segments);
    free(s->requests);
    free(s);
    reducer->state = NULL;
}

float *reducer_begin(struct reducer *reducer, int slice)
{
    struct reducer_state *s = reducer->state;
    if (slice == 0) {
        s->request_count = 0;
        s->sent = parcel_end(reducer);
    }
    if (slice % s->group == 0) {
        s->depth = 0;
        s->stack[0].parcel = s->own + (size_t)(slice / s->group) * s->length;
    }
    s->stack[s->depth].height = 0;
    return s->stack[s->depth].parcel;
}

/* Starts the message [offset, sent). */
static int send_bucket(struct reducer *reducer, size_t offset, struct error *why)
{
    struct reducer_state *s = reducer->state;
    int status = mpi_check(MPI_Iallreduce(s->own + offset, s->sums + offset, (int)(s->sent - offset), MPI_FLOAT, MPI_SUM,
                                          reducer->world->state->all, &s->requests[s->request_count]),
                           "MPI_Iallreduce", why);
    s->request_count += !status;
    s->sent = offset;
    return status;
}

int reducer_ready(struct reducer *reducer, size_t offset, struct error *why)
{
    struct reducer_state *s = reducer->state;
    if (!sends_buckets(reducer))
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

/* [at, at + size) of the leaves' sum; size is at most BLOCK. On the left is the largest power of two of leaves. */
static void sum_block(float *sum, const float *const *leaves, int count, size_t at, size_t size)
{
    float right[BLOCK];
    int left = 1;
    if (count == 1) {
        if (sum != leaves[0] + at)
            memcpy(sum, leaves[0] + at, size * sizeof *sum);
        return;
    }
    while (2 * left < count)
        left *= 2;
    sum_block(sum, leaves, left, at, size);
    if (count - left == 1) {
        add_into(sum, leaves[left] + at, size);
        return;
    }
    sum_block(right, leaves + left, count - left, at, size);
    add_into(sum, right, size);
}

/* sums (count): of `leaves` parcels that lie `stride` floats apart; it may be the first of them. */
static void sum_tree(struct reducer_state *s, float *sums, const float *first, int leaves, size_t stride, size_t count)
{
    for (int i = 0; i < leaves; i++)
        s->leaves[i] = first + (size_t)i * stride;
    for (size_t at = 0; at < count; at += BLOCK)
        sum_block(sums + at, s->leaves, leaves, at, count - at < BLOCK ? count - at : BLOCK);
}

/* All ranks' leaves lie in one row. Nobody reads them before they are complete, and nobody writes to them, for the next
 * step, before they are read. */
static int finish_shared(struct reducer *reducer, struct error *why)
{
    struct reducer_state *s = reducer->state;
    const struct world *world = reducer->world;
    size_t at = (size_t)world->rank * s->segment;
    if (world_barrier(world, true, why))
        return -1;
    sum_tree(s, s->sums + at, (const float *)reducer->leaves.data + at, s->held * world->size, s->length, s->segment);
    return world_barrier(world, true, why);
}

static int finish_tree(struct reducer *reducer, struct error *why)
{
    struct reducer_state *s = reducer->state;
    int segment = (int)s->segment;
    if (mpi_check(MPI_Alltoall(s->own, segment, MPI_FLOAT, s->segments, segment, MPI_FLOAT, reducer->world->state->all),
                  "MPI_Alltoall", why))
        return -1;
    sum_tree(s, s->segments, s->segments, reducer->world->size, s->segment, s->segment);
    return mpi_check(MPI_Allgather(s->segments, segment, MPI_FLOAT, s->sums, segment, MPI_FLOAT, reducer->world->state->all),
                     "MPI_Allgather", why);
}

static int finish_buckets(struct reducer *reducer, struct error *why)
{
    struct reducer_state *s = reducer->state;
    if (s->sent > 0 && send_bucket(reducer, 0, why))
        return -1;
    return mpi_check(MPI_Waitall(s->request_count, s->requests, MPI_STATUSES_IGNORE), "MPI_Waitall", why);
}

static int finish(struct reducer *reducer, struct error *why)
{
    struct reducer_state *s = reducer->state;
    fold_rest(reducer);
    if (reducer->leaves.shared)
        return finish_shared(reducer, why);
    if (s->held > 1)
        sum_tree(s, s->own, s->own, s->held, s->length, parcel_end(reducer));
    if (reducer->world->size == 1)
        return 0;
    return sends_buckets(reducer) ? finish_buckets(reducer, why) : finish_tree(reducer, why);
}

int reducer_finish(struct reducer *reducer, const float **parcel, struct error *why)
{
    double before = clock_seconds();
    struct phase interrupted = phase_enter(reducer->phases, PHASE_REDUCE, PHASE_WHOLE);
    int status = finish(reducer, why);
    phase_enter(reducer->phases, interrupted.kind, interrupted.part);
    reducer->wait_seconds += clock_seconds() - before;
    *parcel = reducer->state->sums;
    return status;
}

bool reducer_finite(const struct reducer *reducer, size_t offset, size_t count)
{
    const struct reducer_state *s = reducer->state;
    for (int leaf = 0; leaf < s->held; leaf++)
        if (!floats_finite(s->own + (size_t)leaf * s->length + offset, count))
            return false;
    return true;
}

void *reducer_memory(const struct reducer *reducer, int block, size_t *bytes)
{
    const struct reducer_state *s = reducer->state;
    size_t parcel = s->length * sizeof(float);
    if (block == 0) {
        *bytes = reducer->leaves.bytes;
        return reducer->leaves.data;
    }
    *bytes = (size_t)(s->stack_size - 1) * parcel;
    return block == 1 ? s->partials : NULL;
}

int reducer_sum(const struct reducer *reducer, float *parcel, struct error *why)
{
    struct phase interrupted = phase_enter(reducer->phases, PHASE_REDUCE, PHASE_WHOLE);
    int length = (int)parcel_end(reducer), status;
    status = mpi_check(MPI_Allreduce(MPI_IN_PLACE, parcel, length, MPI_FLOAT, MPI_SUM, reducer->world->state->all),
                       "MPI_Allreduce in a device's memory", why);
    phase_enter(reducer->phases, interrupted.kind, interrupted.part);
    return status;
}
