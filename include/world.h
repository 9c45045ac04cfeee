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
    int copies, copy;         /* where several processes were started that each have size 1: how many, and which this is; else 0 */
    struct world_state *state;
};

/* Collective. Starts MPI (funneled: only the main thread calls it) and finds the nodes. */
int world_open(struct world *world, int *argc, char ***argv, struct error *why);

/* Not collective. -1 where several processes were started that each believe they are the only rank: for commands that would write
 * the same files. Only the first of them has a sentence, on behalf of all. */
int world_refuse_copies(const struct world *world, struct error *why);

/* Collective. Ends MPI. `code` is the job's exit code, the same on all ranks; the result is this process's. With Open MPI 5
 * only rank 0 has the code, the others have 0, and rank 0 returns last: mpirun then prints nothing of its own. 1, with a sentence,
 * where MPI could not be ended. Not for a failure of some ranks only: a rank that finalizes strands its peers. */
int world_close(struct world *world, int code);

/* Not collective. Prints rank, host and the sentence to standard error and ends the whole job.
 * An empty sentence is not printed: another rank prints one. */
void world_abort(const struct world *world, const char *sentence) __attribute__((noreturn));

/* Collective. `status`: 0 or -1 (with why) of this rank. Returns 0 if all ranks have 0; else -1 on all ranks, with the sentence of
 * the lowest rank that failed in `why`. */
int world_agree(const struct world *world, int status, struct error *why);

/* Collective. Rank 0's bytes to all. */
int world_broadcast(const struct world *world, void *data, size_t bytes, struct error *why);

/* Collective. Sums over all ranks, exact, in place. */
int world_sum(const struct world *world, int64_t *values, int count, struct error *why);

/* Collective. Every rank's `bytes` of data, in rank order, to rank 0's `all` (size * bytes; NULL elsewhere). */
int world_gather(const struct world *world, const void *data, size_t bytes, void *all, struct error *why);

/* Collective. Waits for all ranks of the job, or of this node. */
int world_barrier(const struct world *world, bool node_only, struct error *why);

/* One block of memory that all ranks of a node see. Where the node has one rank, or its ranks cannot share memory (each may be in
 * a container), `shared` is false and `data` is NULL on all of them: each rank may then put memory of its own there. */
struct shared_memory {
    void *data; /* freed by world_unshare, also if it is this rank's own */
    bool shared;
    size_t bytes;
};
/* Collective over the node. The memory is zeroed but for its first sizeof(long) bytes. */
void world_share(const struct world *world, size_t bytes, struct shared_memory *memory);
/* Not collective. */
void world_unshare(struct shared_memory *memory);

#endif
