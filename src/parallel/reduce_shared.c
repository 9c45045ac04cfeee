/* The route through memory that the ranks of a node share: each rank adds up its segment of all ranks' leaves, in the fixed tree,
 * and all ranks read the sums. */
#include <string.h>

#include "reduce.h"

/* The leaves of all ranks are stored one after the other, in rank order, then the sums. */
bool reduce_share_leaves(struct reducer *reducer, struct reducer_state *state)
{
    const struct world *world = reducer->world;
    size_t own = (size_t)state->held * state->length, all = (size_t)world->size * own;
    if (world->nodes > 1)
        return false;
    world_share(world, (all + state->length) * sizeof(float), &reducer->leaves);
    if (!reducer->leaves.shared)
        return false;
    state->own = (float *)reducer->leaves.data + (size_t)world->rank * own;
    state->sums = (float *)reducer->leaves.data + all;
    memset(state->own, 0, own * sizeof(float)); /* the system places memory near the core that first writes to it */
    return true;
}

/* After the first barrier all leaves are complete. After the second the sums are, and the leaves may be overwritten. */
static int shared_finish(struct reducer *reducer, struct error *why)
{
    struct reducer_state *s = reducer->state;
    const struct world *world = reducer->world;
    size_t at = (size_t)world->rank * s->segment;
    if (world_barrier(world, true, why))
        return -1;
    reduce_leaves(s, s->sums + at, (const float *)reducer->leaves.data + at, s->held * world->size, s->length, s->segment);
    return world_barrier(world, true, why);
}

const struct route reduce_shared = {.finish = shared_finish};
