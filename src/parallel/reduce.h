/* For src/parallel only: what the reducer's routes share. A route is a way of parcels from rank to rank; each has a file. */
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
    size_t length;  /* floats of a parcel, padded: all ranks' segments are equal, and begin with a cache line */
    size_t segment; /* floats that each rank adds for all */
    int held, group; /* leaves of this rank; neighbouring slices that each leaf is the sum of */
    float *own;      /* (held, length): this rank's leaves */
    float *sums;     /* (length): of all ranks */
    const float **leaves; /* those that reduce_leaves adds */
    float *partials;      /* (stack_size - 1, length): what a leaf is added from */
    struct partial stack[STACK_MAX]; /* sums of neighbouring slices, of falling heights; [depth] is being written */
    int depth, stack_size;
    void *work; /* the route's own memory: its open takes it */
};

/* The route's part of the reducer's functions of the same names. All but finish may be NULL. */
struct route {
    int (*open)(struct reducer *reducer, struct error *why); /* not collective */
    void (*begin)(struct reducer *reducer);
    int (*ready)(struct reducer *reducer, size_t offset, struct error *why);
    int (*finish)(struct reducer *reducer, struct error *why); /* leaves → sums */
};
extern const struct route reduce_shared, reduce_tree, reduce_buckets;

/* Floats of a parcel, without the padding. */
static inline size_t parcel_end(const struct reducer *reducer)
{
    return reducer->gradients + PARCEL_SLOTS;
}

/* Collective over the node. Puts all ranks' leaves, and their sums after them, where all ranks see them. False on all ranks of
 * the node where that cannot be done. */
bool reduce_share_leaves(struct reducer *reducer, struct reducer_state *state);

/* ---- tree_sum.c: arithmetic ---- */

/* sum += addend. */
void tree_add(float *restrict sum, const float *restrict addend, size_t count);
/* sum (count): of the leaves, each `count` floats, in the fixed tree: the largest power of two of leaves on the left. sum may be
 * leaves[0]. */
void tree_sum(float *sum, const float *const *leaves, int leaf_count, size_t count);
/* sums (count): of the parcels at `first`, which lie `stride` floats apart, in the fixed tree. It may be the first of them. */
void reduce_leaves(struct reducer_state *state, float *sums, const float *first, int leaves, size_t stride, size_t count);

#endif
