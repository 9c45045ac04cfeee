/* The one sum a step over all ranks: gradients, loss and counts. Comments begin with who must call. */
#ifndef REDUCER_H
#define REDUCER_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "parcel.h"
#include "phases.h"
#include "world.h"

/* How the gradients of all ranks are summed; a run chooses in src/train/exchange.c.
 * The fixed tree is a binary tree over all slices (neighbours first: inside a rank, then ranks at distance 1, 2, 4, ...). It gives
 * the same bits on every number of ranks, and takes 1, 2, 4, 8, ... slices per rank; a single rank takes any number. */
enum exchange {
    EXCHANGE_NONE,       /* one rank: its slices are added in the fixed tree */
    EXCHANGE_SHARED,     /* the fixed tree, in memory that the ranks of one node share */
    EXCHANGE_TREE,       /* the fixed tree, by MPI */
    EXCHANGE_BUCKETS,    /* by MPI, in buckets during the backward pass; MPI chooses the order; one slice a rank */
    EXCHANGE_MPI_DEVICE, /* by MPI, in the devices' memory; MPI chooses the order; one slice a rank */
    EXCHANGE_NCCL,       /* by NCCL, in the devices' memory; NCCL chooses the order; one slice a rank */
    EXCHANGE_KINDS
};

/* Whether gradients are summed in host memory, by the functions below. */
static inline bool exchange_is_on_host(enum exchange exchange)
{
    return exchange == EXCHANGE_SHARED || exchange == EXCHANGE_TREE || exchange == EXCHANGE_BUCKETS;
}

/* The fastest exchange in host memory; fixed_tree: that gives the same bits on every number of ranks. */
enum exchange exchange_fastest(const struct world *world, bool fixed_tree);

struct reducer {
    const struct world *world;
    enum exchange exchange; /* as asked for, but SHARED becomes TREE if ranks cannot share memory, NONE if there is one rank */
    size_t gradients;       /* floats before the tail */
    int slices;             /* of this rank, per step */
    size_t bucket;          /* floats that start a message */
    double wait_seconds;    /* spent in reducer_finish since the owner last set it to 0 */
    struct phases *phases;  /* where it marks PHASE_REDUCE; set by the owner; may be NULL */
    struct shared_memory leaves; /* parcels that reducer_finish adds; private memory if not shared */
    struct reducer_state *state; /* NULL if gradients are summed in the devices' memory */
};

/* Collective over the node. bucket_bytes: how many bytes of complete gradient start a message. */
int reducer_init(struct reducer *reducer, const struct world *world, enum exchange exchange, size_t gradients, int slices,
                 size_t bucket_bytes, struct error *why);
/* Not collective. */
void reducer_free(struct reducer *reducer);

/* Not collective. Returns where to write slice `slice` (0, 1, ..., in order) of this step: `gradients` floats of sums, then
 * the tail. The memory is not cleared: a device may still read it. */
float *reducer_begin(struct reducer *reducer, int slice);

/* Collective. Call when the current parcel is complete from `offset` to its end (the backward pass works from the end to the
 * beginning). Starts messages, and lets those under way make progress. */
int reducer_ready(struct reducer *reducer, size_t offset, struct error *why);

/* Not collective. Call when the current slice is complete: adds what the tree adds within this rank. */
int reducer_end(struct reducer *reducer, struct error *why);

/* Collective. Computes the sums over all ranks, bit-identical on each: `gradients` floats, then the tail. Owned by the reducer;
 * valid until the next reducer_begin. */
int reducer_finish(struct reducer *reducer, const float **parcel, struct error *why);

/* Not collective; between reducer_finish and the next reducer_begin. Whether this rank's own contribution to the sums is finite
 * in [offset, offset + count). */
bool reducer_finite(const struct reducer *reducer, size_t offset, size_t count);

/* Not collective. The memory that slices are written to and sums are read from, for a caller that pins it: block 0, 1, ...;
 * NULL after the last. */
void *reducer_memory(const struct reducer *reducer, int block, size_t *bytes);

/* Collective; EXCHANGE_MPI_DEVICE only. Sums a parcel in a device's memory over all ranks, in place. */
int reducer_sum(const struct reducer *reducer, float *parcel, struct error *why);

/* Not collective. Whether MPI reports that it can read and write a device's memory. */
bool mpi_knows_devices(void);

#endif
