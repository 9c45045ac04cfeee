/* The one sum a step over all ranks: gradients, loss and counts. Comments begin with who must call. */
#ifndef REDUCER_H
#define REDUCER_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "parcel.h"
#include "phases.h"
#include "world.h"

/* How the gradients of all ranks meet; a run chooses in src/train/exchange.c.
 * The fixed tree is a binary tree over all slices (neighbours first: inside a rank, then ranks at distance 1, 2, 4, ...). It gives
 * the same bits on every number of ranks, and takes 1, 2, 4, 8, ... slices a rank; one rank alone takes any number. */
enum exchange {
    EXCHANGE_NONE,       /* one rank: its slices are added in the fixed tree */
    EXCHANGE_SHARED,     /* the fixed tree, in memory that the ranks of one node share */
    EXCHANGE_TREE,       /* the fixed tree, by MPI */
    EXCHANGE_BUCKETS,    /* by MPI, in buckets beside the backward pass; MPI chooses the order; one slice a rank */
    EXCHANGE_MPI_DEVICE, /* by MPI, in the devices' memory; MPI chooses the order; one slice a rank */
    EXCHANGE_NCCL,       /* by NCCL, in the devices' memory; NCCL chooses the order; one slice a rank */
    EXCHANGE_KINDS
};

/* Whether gradients meet in host memory, by the functions below. */
static inline bool exchange_is_on_host(enum exchange exchange)
{
    return exchange == EXCHANGE_SHARED || exchange == EXCHANGE_TREE || exchange == EXCHANGE_BUCKETS;
}

/* The fastest exchange in host memory; fixed_tree: of those that give the same bits on every number of ranks. */
enum exchange exchange_fastest(const struct world *world, bool fixed_tree);

struct reducer {
    const struct world *world;
    enum exchange exchange; /* as asked for, but for SHARED: TREE where ranks cannot share memory, NONE where there is one rank */
    size_t parameters;      /* floats before the tail */
    int slices;             /* of this rank, a step */
    size_t bucket;          /* floats that start a message */
    double wait_seconds;    /* spent in reducer_finish since the owner last set it to 0 */
    struct phases *phases;  /* where the reducer marks that it waits; set by the owner; NULL: nowhere */
    struct shared_memory leaves; /* what is added at the end; a rank's own where not shared */
    struct reducer_state *state; /* NULL where gradients meet in the devices' memory */
};

/* Collective over the node. bucket_bytes: how many bytes of complete gradient start a message. */
int reducer_init(struct reducer *reducer, const struct world *world, enum exchange exchange, size_t parameters, int slices,
                 size_t bucket_bytes, struct error *why);
/* Not collective. */
void reducer_free(struct reducer *reducer);

/* Not collective. Where slice `slice` (0, 1, ..., in order) of this step is to be written: parameters floats of gradient sums,
 * then the tail. Its memory is left as it is: a device may still read there. */
float *reducer_begin(struct reducer *reducer, int slice);

/* Collective. All of the current parcel from `offset` to its end is complete (the backward pass works from the end to the
 * beginning). Starts messages, and lets those on their way make progress. */
int reducer_ready(struct reducer *reducer, size_t offset, struct error *why);

/* Not collective. The current slice is complete: adds what the tree adds inside this rank. */
int reducer_end(struct reducer *reducer, struct error *why);

/* Collective. The sums over all ranks, bit-identical on each: parameters floats, then the tail. Owned by the reducer; valid until
 * the next reducer_begin. */
int reducer_finish(struct reducer *reducer, const float **parcel, struct error *why);

/* Not collective; between reducer_finish and the next reducer_begin. Whether all numbers of this rank's own part of the sums
 * are finite in [offset, offset + count). */
bool reducer_finite(const struct reducer *reducer, size_t offset, size_t count);

/* Not collective. The memory that slices are written to and sums are read from, for a caller that has to pin it: block 0, 1, ...;
 * NULL after the last. */
void *reducer_memory(const struct reducer *reducer, int block, size_t *bytes);

/* Collective; EXCHANGE_MPI_DEVICE only. The sums over all ranks of a parcel in a device's memory, in place. */
int reducer_sum(const struct reducer *reducer, float *parcel, struct error *why);

/* Not collective. Whether MPI says that it can read and write a device's memory. */
bool mpi_knows_devices(void);

#endif
