/* Ranks: who runs where, agreement on errors, and the one mean over all ranks a step.
 * mpi.h is included in src/parallel only. Comments begin with who must call. */
#ifndef PARALLEL_H
#define PARALLEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* ---- world: the ranks, their nodes ---- */

struct world {
    int rank, size;           /* in the job */
    int node, nodes;          /* numbered by their lowest rank */
    int node_rank, node_size; /* among the ranks that share this node's memory */
    char host[64];
    char library[96];         /* "Open MPI 4.1.4" */
    int copies, copy;         /* that were started together although size is 1, and which of them this is; else 0 */
    struct world_state *state;
};

/* Collective. Starts MPI (funneled: only the main thread calls it) and finds the nodes. */
int world_open(struct world *world, int *argc, char ***argv, struct error *why);

/* Not collective. -1 where this is one of several copies that each believe to be the only rank: for commands whose copies
 * would write the same files. Only the first copy has a sentence, which it says for all. */
int world_refuse_copies(const struct world *world, struct error *why);

/* Collective. Ends MPI. `code` is the job's exit code, the same on all ranks; the result is this process's. With Open MPI 5
 * rank 0 alone has the code, the others 0, and it returns last: its mpirun then adds no page of its own. 1, with a sentence, where
 * MPI could not be ended. Never where only some ranks have failed: a rank that finalizes strands its peers. */
int world_close(struct world *world, int code);

/* Not collective. Prints rank, host and the sentence to standard error and ends the whole job.
 * An empty sentence is not printed: another rank says it. */
void world_abort(const struct world *world, const char *sentence) __attribute__((noreturn));

/* Collective. `status` is this rank's 0 or -1 (with why). 0 where all ranks have 0; else -1 on
 * every rank, each with the sentence of the lowest rank that failed in `why`. */
int world_agree(const struct world *world, int status, struct error *why);

/* Collective. Rank 0's bytes to all. */
int world_broadcast(const struct world *world, void *data, size_t bytes, struct error *why);

/* Collective. Sums over all ranks, exact, in place. */
int world_sum(const struct world *world, int64_t *values, int count, struct error *why);

/* Collective. Every rank's `bytes` of data, in rank order, to rank 0's `all` (size * bytes; NULL elsewhere). */
int world_gather(const struct world *world, const void *data, size_t bytes, void *all, struct error *why);

/* Collective. Waits for all ranks (all of them, or those of this node). */
int world_barrier(const struct world *world, bool node_only, struct error *why);

/* Collective over the node. One block of memory that all ranks of the node see, zeroed but for its first bytes. Where the
 * node has one rank, or its ranks cannot share (each in a container of its own), shared is false and data NULL on all of
 * them: each rank then takes memory of its own. */
struct shared_memory {
    void *data; /* where not shared: freed by world_unshare */
    bool shared;
    size_t bytes;
};
void world_share(const struct world *world, size_t bytes, struct shared_memory *memory);
/* Not collective. */
void world_unshare(struct shared_memory *memory);

/* Collective. 0 where `hash` is the same on all ranks; PARITY_DIFFERS on all of them where it is not, with a sentence that
 * names the ranks which most others differ from, or, where there is no majority, all of them with their hashes; -1 where
 * this rank could not find out. */
int parity_check(const struct world *world, uint64_t hash, uint64_t step, struct error *why);

/* FNV-1a over 64-bit words, of count floats: what parity compares. */
uint64_t parity_hash(const float *values, size_t count);

/* ---- stall: a rank that does not get on ends the job instead of hanging it ---- */

/* What a rank does. */
enum stall_phase {
    STALL_START,   /* sets up */
    STALL_LOAD,    /* takes a batch from the loader */
    STALL_COMPUTE, /* forward and backward; on a device all of a step */
    STALL_REDUCE,  /* waits for the gradients of all ranks (the reducer says so itself) */
    STALL_UPDATE,
    STALL_REPORT,  /* log, metrics, progress */
    STALL_SAVE,    /* snapshot, or waits for the last one to be written */
    STALL_PARITY,  /* waits for the hashes of all ranks */
    STALL_END,     /* waits for rank 0's last checkpoint */
    STALL_PHASES
};

/* Each rank says what it does in memory that its node's ranks share: a store. A thread of each watches its own rank; the
 * first to see it in one phase for too long names, for its node, the ranks that the others wait for, and ends the job. So
 * a rank whose process is stopped, threads and all, is named by those that wait for it. Seconds in which a watch itself was
 * stopped do not count: a suspended job goes on. A rank that is dead is named after 0.5 s, and the job is ended after
 * 3 s, where its launcher has not done so by then. */
struct stall {
    const struct world *world;
    struct shared_memory memory;
    struct stall_slot *slot; /* this rank's; NULL: nothing is watched */
    struct stall_state *state;
};

/* Collective over the node. seconds: that a phase may take; 0: nothing is watched. On -1 the watch is off. */
int stall_open(struct stall *stall, const struct world *world, double seconds, struct error *why);
/* Not collective; also of a zeroed one. */
void stall_close(struct stall *stall);

/* Not collective. The phase that begins; the one before is returned. stall NULL, or nothing watched: no effect. */
enum stall_phase stall_enter(struct stall *stall, enum stall_phase phase);
/* The step that begins, the same on all ranks. slow: one that may take ten times as long, as the first. */
void stall_step(struct stall *stall, uint64_t step, bool slow);

/* What a watch sees of a rank on its node. */
struct stall_view {
    int rank;
    long process;
    char run_state; /* the system's letter: 'T' stopped, 'D' in a system call that cannot be interrupted; 0: no such process; '?' */
    enum stall_phase phase;
    uint64_t step;
};
/* The sentence about the `count` ranks of this node: which have died, or, where nothing has moved for `seconds`, which the others
 * wait for. */
void stall_sentence(struct error *why, const struct world *world, const struct stall_view *views, int count, double seconds);

/* ---- reducer: gradient sums of all ranks ---- */

/* The parcel: the flat gradient sums, then this tail, in one message. Sums plus a count are exact
 * for any split, and what one rank noticed (a fault, a signal) reaches all at the same step. */
enum parcel_slot {
    PARCEL_LOSS,    /* sum of cross-entropies */
    PARCEL_CORRECT, /* images classified right */
    PARCEL_COUNT,   /* images */
    PARCEL_FAULT,   /* > 0: a rank met a NaN or infinity */
    PARCEL_STOP,    /* > 0: a rank was asked to stop */
    PARCEL_SLOTS
};

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
    struct stall *stall; /* told when the reducer waits; the owner sets it, or leaves it NULL */
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
