/* Sums gradients over all slices of all ranks.
 *
 * Within a rank, slices are added as in a binary counter: two neighbouring sums of the same height become one, until at most
 * HELD_MAX parcels are left, the leaves. A route (reduce.h) then adds the leaves of all ranks. */
#include <stdlib.h>

#include "clock.h"
#include "finite.h"
#include "reduce.h"

enum { HELD_MAX = 4, LINE = 16 }; /* LINE: floats */

static bool is_power_of_two(int number)
{
    return (number & (number - 1)) == 0;
}

enum exchange exchange_fastest(const struct world *world, bool fixed_tree)
{
    if (world->nodes == 1)
        return EXCHANGE_SHARED;
    return fixed_tree ? EXCHANGE_TREE : EXCHANGE_BUCKETS;
}

/* ---- set-up ---- */

static int check_slices(const struct reducer *r, struct error *why)
{
    if (r->slices < 1)
        return error_set(why, "a rank needs at least one slice, not %d", r->slices);
    if (r->exchange >= EXCHANGE_BUCKETS && r->slices != 1)
        return error_set(why, "only the fixed tree takes more than one slice a rank: %d", r->slices);
    if (r->exchange == EXCHANGE_NONE && r->world->size > 1)
        return error_set(why, "the gradients of %d ranks have to meet", r->world->size);
    if (r->world->size > 1 && !is_power_of_two(r->slices))
        return error_set(why, "%d slices a rank do not fit the tree over %d ranks: take a power of two a rank",
                         r->slices, r->world->size);
    return 0;
}

static void lay_out_segments(const struct reducer *reducer, struct reducer_state *s)
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

/* The route of a single rank: the sum replaces its first leaf. */
static int alone_finish(struct reducer *reducer, struct error *why)
{
    struct reducer_state *s = reducer->state;
    (void)why;
    if (s->held > 1)
        reduce_leaves(s, s->sums, s->own, s->held, s->length, parcel_end(reducer));
    return 0;
}
static const struct route reduce_alone = {.finish = alone_finish};

/* Collective over the node. Changes the exchange if ranks cannot share memory. */
static void choose_route(struct reducer *reducer, struct reducer_state *s)
{
    static const struct route *const routes[EXCHANGE_KINDS] = {
        [EXCHANGE_NONE] = &reduce_alone,
        [EXCHANGE_SHARED] = &reduce_shared,
        [EXCHANGE_TREE] = &reduce_tree,
        [EXCHANGE_BUCKETS] = &reduce_buckets,
    };
    if (reducer->exchange == EXCHANGE_SHARED && reducer->world->size == 1)
        reducer->exchange = EXCHANGE_NONE;
    if (reducer->exchange == EXCHANGE_SHARED && !reduce_share_leaves(reducer, s))
        reducer->exchange = EXCHANGE_TREE;
    s->route = routes[reducer->exchange];
}

/* Allocates the parcels of the stack, except the first, which is a leaf. */
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

/* Allocates private leaves, with several ranks also the sums; a single rank's sums replace its first leaf. */
static int take_leaves(struct reducer *reducer, struct reducer_state *s, struct error *why)
{
    bool apart = reducer->exchange != EXCHANGE_NONE;
    size_t parcels = (size_t)s->held + apart;
    reducer->leaves.bytes = parcels * s->length * sizeof(float);
    s->own = reducer->leaves.data = memory_new(parcels * s->length, sizeof(float), "the gradients", why);
    if (!s->own)
        return -1;
    s->sums = apart ? s->own + (size_t)s->held * s->length : s->own;
    return 0;
}

static int take_buffers(struct reducer *reducer, struct error *why)
{
    struct reducer_state *s = reducer->state;
    if (!reducer->leaves.shared && take_leaves(reducer, s, why))
        return -1;
    if (take_partials(s, why))
        return -1;
    s->leaves = memory_new((size_t)(reducer->world->size * s->held), sizeof *s->leaves, "the leaves", why);
    if (!s->leaves)
        return -1;
    return s->route->open ? s->route->open(reducer, why) : 0;
}

/* The shared memory is allocated first: that is collective, so nothing before it may fail on one rank alone. */
int reducer_init(struct reducer *reducer, const struct world *world, enum exchange exchange, size_t gradients, int slices,
                 size_t bucket_bytes, struct error *why)
{
    struct reducer_state state = {0};
    size_t bucket = bucket_bytes / sizeof(float);
    *reducer = (struct reducer){.world = world, .exchange = exchange, .gradients = gradients, .slices = slices,
                                .bucket = bucket ? bucket : 1};
    if (check_slices(reducer, why))
        return -1;
    if (exchange == EXCHANGE_MPI_DEVICE || exchange == EXCHANGE_NCCL)
        return 0;
    lay_out_segments(reducer, &state);
    choose_route(reducer, &state);
    reducer->state = memory_new(1, sizeof *reducer->state, "the reducer", why);
    if (!reducer->state)
        return -1;
    *reducer->state = state;
    return take_buffers(reducer, why);
}

void reducer_free(struct reducer *reducer)
{
    struct reducer_state *s = reducer->state;
    world_unshare(&reducer->leaves);
    if (!s)
        return;
    free(s->partials);
    free(s->leaves);
    free(s->work);
    free(s);
    reducer->state = NULL;
}

/* ---- a step ---- */

float *reducer_begin(struct reducer *reducer, int slice)
{
    struct reducer_state *s = reducer->state;
    if (slice == 0 && s->route->begin)
        s->route->begin(reducer);
    if (slice % s->group == 0) {
        s->depth = 0;
        s->stack[0].parcel = s->own + (size_t)(slice / s->group) * s->length;
    }
    s->stack[s->depth].height = 0;
    return s->stack[s->depth].parcel;
}

int reducer_ready(struct reducer *reducer, size_t offset, struct error *why)
{
    const struct route *route = reducer->state->route;
    return route->ready ? route->ready(reducer, offset, why) : 0;
}

/* Replaces the last two partial sums by their sum. */
static void merge_last(struct reducer *reducer)
{
    struct reducer_state *s = reducer->state;
    struct partial *left = &s->stack[s->depth - 2];
    tree_add(left->parcel, left[1].parcel, parcel_end(reducer));
    left->height++;
    s->depth--;
}

int reducer_end(struct reducer *reducer, struct error *why)
{
    struct reducer_state *s = reducer->state;
    if (s->depth >= s->stack_size)
        return error_set(why, "a rank ended more slices than its %d", reducer->slices);
    s->depth++;
    while (s->depth > 1 && s->stack[s->depth - 2].height == s->stack[s->depth - 1].height)
        merge_last(reducer);
    return 0;
}

int reducer_finish(struct reducer *reducer, const float **parcel, struct error *why)
{
    struct reducer_state *s = reducer->state;
    double before = clock_seconds();
    struct phase interrupted = phase_enter(reducer->phases, PHASE_REDUCE, PHASE_WHOLE);
    while (s->depth > 1) /* only for one rank whose number of slices is no power of two */
        merge_last(reducer);
    int status = s->route->finish(reducer, why);
    phase_enter(reducer->phases, interrupted.kind, interrupted.part);
    reducer->wait_seconds += clock_seconds() - before;
    *parcel = s->sums;
    return status;
}

/* ---- its memory ---- */

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
