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
enum { PARITY_DIFFERS = 1 };
int parity_check(const struct world *world, uint64_t hash, uint64_t step, struct error *why);

/* FNV-1a over 64-bit words, of count floats: what parity compares. */
uint64_t parity_hash(const float *values, size_t count);

#endif
