/* The one sum over all ranks a step.
 * Comments begin with who must call. */
#ifndef REDUCER_H
#define REDUCER_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "parcel.h"
#include "phases.h"
#include "world.h"

/* How the slice sums of all ranks meet.
 * REDUCE_FASTEST: one slice a rank. On one node the tree, which in shared memory is fastest; across nodes
 * MPI_Iallreduce in buckets, beside the backward pass.
 * REDUCE_TREE: the fixed binary tree over all slices (neighbours first: inside a rank, then ranks
 * at distance 1, 2, 4, ...): the same bits for every number of ranks. A rank's slices must be a
 * power of two where there are several ranks. */
enum reduce_kind { REDUCE_FASTEST, REDUCE_TREE };

struct reducer {
    const struct world *world;
    enum reduce_kind kind;
    size_t parameters; /* floats before the tail */
    int slices;        /* of this rank, a step */
    size_t bucket;     /* floats that start a message */
    double wait_seconds; /* spent in reducer_finish since the owner last set it to 0 */
    struct phases *phases; /* where the reducer marks that it waits; set by the owner; NULL: nowhere */
    struct shared_memory leaves; /* what is added at the end; a rank's own where not shared */
    struct reducer_state *state;
};

/* Collective over the node. bucket_bytes: how much ready gradient starts a message across nodes. */
int reducer_init(struct reducer *reducer, const struct world *world, enum reduce_kind kind, size_t parameters,
                 int slices, size_t bucket_bytes, struct error *why);
/* Not collective. */
void reducer_free(struct reducer *reducer);

/* Where slice `slice` (0, 1, ..., in order) of this step is to be written: parameters floats of
 * gradient sums and the tail behind them. Its memory is left as it is: a device may still read there. */
float *reducer_begin(struct reducer *reducer, int slice);

/* All of the current parcel from `offset` to its end is complete (the backward pass works from
 * the end to the beginning). Starts messages; lets those under way progress. */
int reducer_ready(struct reducer *reducer, size_t offset, struct error *why);

/* The current slice is complete: adds what the tree adds inside this rank. */
int reducer_end(struct reducer *reducer, struct error *why);

/* Collective. The sums over all ranks, bit-identical on each: parameters floats and the tail,
 * owned by the reducer, until the next reducer_begin. */
int reducer_finish(struct reducer *reducer, const float **parcel, struct error *why);

/* Not collective; between reducer_finish and the next reducer_begin. Whether all numbers of this rank's own part of the sums
 * are finite in [offset, offset + count). */
bool reducer_finite(const struct reducer *reducer, size_t offset, size_t count);

/* Not collective. The memory that slices are written to and sums are read from, for whoever has to pin it: block 0, 1, ...;
 * NULL behind the last. */
void *reducer_memory(const struct reducer *reducer, int block, size_t *bytes);

/* Collective. The sums over all ranks of a parcel in memory of MPI's choice, a device's where MPI can (mpi_knows_devices), in
 * place and in whatever order MPI adds. */
int reducer_sum(const struct reducer *reducer, float *parcel, struct error *why);

/* Not collective. Whether MPI says that it can read and write a device's memory. */
bool mpi_knows_devices(void);

#endif
