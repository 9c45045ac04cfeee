/* The fixed tree in memory that the ranks of a node share: each rank adds its segment of all ranks' leaves in one pass, and all
 * read the sums. */
#include <string.h>

#include "reduce.h"

/* The leaves of all ranks lie in one row, in the order of the ranks; the sums follow. */
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
    memset(state->own, 0, own * sizeof(float)); /* memory is placed near the core that touches it first */
    return true;
}

/* The first barrier: all leaves are complete. The second: all have been read, and may be written for the next step. */
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
