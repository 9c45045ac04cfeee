/* The ranks of a job: who runs where, agreement on errors, small messages, memory that a node's ranks share.
 * Comments begin with who must call. */
#ifndef WORLD_H
#define WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct world {
    int rank, size;           /* in the job */
    int node, nodes;          /* numbered by their lowest rank */
    int node_rank, node_size; /* among the ranks that share this node's memory */
    char host[64];
    char library[96];         /* "Open MPI 4.1.4" */
    int copies, copy;         /* if several processes were started that each have size 1: how many, and this one's number; else 0 */
    struct world_state *state;
};

/* Collective. Starts MPI (funneled: only the main thread calls it) and finds the nodes. */
int world_open(struct world *world, int *argc, char ***argv, struct error *why);

/* Not collective. -1 if several processes were started that each believe they are the only rank: for commands that would write
 * the same files. Only the first of them gets a sentence; the others' are empty. */
int world_refuse_copies(const struct world *world, struct error *why);

/* Collective. Ends MPI. `code` is the job's exit code, the same on all ranks; the result is this process's. With Open MPI 5
 * only rank 0 has the code, the others have 0, and rank 0 returns last: mpirun then adds no message. 1, with a sentence, if MPI
 * could not be finalized. Do not call it after a failure of some ranks only: the others would wait for ever. */
int world_close(struct world *world, int code);

/* Not collective. Prints rank, host and the sentence to standard error and ends the whole job.
 * An empty sentence is not printed: another rank prints one. */
void world_abort(const struct world *world, const char *sentence) __attribute__((noreturn));

/* Collective. `status`: 0 or -1 (with why) of this rank. Returns 0 if all ranks have 0; else -1 on all ranks, with the sentence of
 * the lowest rank that failed in `why`. */
int world_agree(const struct world *world, int status, struct error *why);

/* Collective. Sends rank 0's bytes to all. */
int world_broadcast(const struct world *world, void *data, size_t bytes, struct error *why);

/* Collective. Replaces each value by its exact sum over all ranks. */
int world_sum(const struct world *world, int64_t *values, int count, struct error *why);

/* Collective. Collects every rank's `bytes` of data, in rank order, in rank 0's `all` (size * bytes; NULL elsewhere). */
int world_gather(const struct world *world, const void *data, size_t bytes, void *all, struct error *why);

/* Collective. *offset: seconds to add to this rank's clock_seconds to get rank 0's; the error is about half of a message's
 * round trip at most. */
int world_clock_offset(const struct world *world, double *offset, struct error *why);

/* Collective. Waits for all ranks of the job, or of this node. */
int world_barrier(const struct world *world, bool node_only, struct error *why);

/* One block of memory that all ranks of a node see. If the node has one rank, or its ranks cannot share memory (each may be in a
 * container), `shared` is false and `data` is NULL on all of them. Each rank may then set `data` to private memory. */
struct shared_memory {
    void *data; /* released by world_unshare, also if private */
    bool shared;
    size_t bytes;
};
/* Collective over the node. The memory is zeroed except for its first sizeof(long) bytes. */
void world_share(const struct world *world, size_t bytes, struct shared_memory *memory);
/* Not collective. */
void world_unshare(struct shared_memory *memory);

#endif
