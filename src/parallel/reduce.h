/* For src/parallel only: the reducer's routes. A route is a way to exchange parcels between ranks; each has its own file. */
#ifndef REDUCE_H
#define REDUCE_H

#include "reducer.h"

enum { STACK_MAX = 32 };

/* A sum of 2^height neighbouring slices. */
struct partial {
    float *parcel;
    int height;
};

struct reducer_state {
    const struct route *route;
    size_t length;  /* floats of a parcel, padded so that all segments are equal and begin on a cache line */
    size_t segment; /* floats of a parcel that each rank adds up on behalf of all */
    int held, group; /* leaves of this rank; neighbouring slices per leaf */
    float *own;      /* (held, length): this rank's leaves */
    float *sums;     /* (length): over all ranks */
    const float **leaves; /* those that reduce_leaves is adding */
    float *partials;      /* (stack_size - 1, length): partial sums of a leaf */
    struct partial stack[STACK_MAX]; /* sums of neighbouring slices, of decreasing heights; slice [depth] is being written */
    int depth, stack_size;
    void *work; /* memory allocated by the route's open */
};

/* A route's part of the reducer functions of the same names; open is part of reducer_init. All but finish may be NULL. */
struct route {
    int (*open)(struct reducer *reducer, struct error *why); /* not collective */
    void (*begin)(struct reducer *reducer);
    int (*ready)(struct reducer *reducer, size_t offset, struct error *why);
    int (*finish)(struct reducer *reducer, struct error *why); /* leaves → sums over all ranks */
};
extern const struct route reduce_shared, reduce_tree, reduce_buckets;

/* Floats of a parcel, without the padding. */
static inline size_t parcel_end(const struct reducer *reducer)
{
    return reducer->gradients + PARCEL_SLOTS;
}

/* Collective over the node. Puts the leaves of all ranks, and their sums, in shared memory. False on all ranks of the node if that
 * is impossible. */
bool reduce_share_leaves(struct reducer *reducer, struct reducer_state *state);

/* ---- tree_sum.c: arithmetic ---- */

/* sum += addend. */
void tree_add(float *restrict sum, const float *restrict addend, size_t count);
/* sum (count): the sum of the leaves, `count` floats each, in the fixed tree: its left part is the largest power of two below
 * leaf_count. sum may be leaves[0]. */
void tree_sum(float *sum, const float *const *leaves, int leaf_count, size_t count);
/* sums (count): the sum, in the fixed tree, of `leaves` parcels at `first`, `stride` floats apart. sums may be `first`. */
void reduce_leaves(struct reducer_state *state, float *sums, const float *first, int leaves, size_t stride, size_t count);

#endif
