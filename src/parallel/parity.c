#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mpi_check.h"
#include "parity.h"

uint64_t parity_hash(const float *values, size_t count)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i + 2 <= count; i += 2) {
        uint64_t word;
        memcpy(&word, values + i, sizeof word);
        hash = (hash ^ word) * 1099511628211u;
    }
    if (count % 2) {
        uint32_t word;
        memcpy(&word, values + count - 1, sizeof word);
        hash = (hash ^ word) * 1099511628211u;
    }
    return hash;
}

/* The hash that more than half of the ranks have; false if there is none. Boyer and Moore's vote: pairs of different hashes cancel,
 * and only the one left over can have a majority. */
static bool find_majority(const uint64_t *hashes, int size, uint64_t *majority)
{
    int votes = 0, count = 0;
    for (int i = 0; i < size; i++) {
        if (votes == 0)
            *majority = hashes[i];
        votes += hashes[i] == *majority ? 1 : -1;
    }
    for (int i = 0; i < size; i++)
        count += hashes[i] == *majority;
    return 2 * count > size;
}

/* Adds "rank 1 (hash ...), rank 3 (hash ...)": the first NAMED ranks whose hash is not *usual, or any ranks if usual is NULL. */
static void add_ranks(struct error *why, const uint64_t *hashes, int size, const uint64_t *usual)
{
    enum { NAMED = 8 };
    int listed = 0;
    for (int rank = 0; rank < size; rank++) {
        if (usual && hashes[rank] == *usual)
            continue;
        if (listed++ < NAMED)
            error_add(why, "%srank %d (hash %016" PRIx64 ")", listed > 1 ? ", " : "", rank, hashes[rank]);
    }
    if (listed > NAMED)
        error_add(why, " and %d more", listed - NAMED);
}

static void name_ranks(struct error *why, const uint64_t *hashes, int size, uint64_t step)
{
    uint64_t majority = 0;
    bool found = find_majority(hashes, size, &majority);
    error_set(why, "step %" PRIu64 ": the parameters of ", step);
    add_ranks(why, hashes, size, found ? &majority : NULL);
    if (found)
        error_add(why, " differ from those of most ranks (hash %016" PRIx64 ")", majority);
    else
        error_add(why, " differ, and none has a majority that would be right");
    error_add(why, ": the replicas have drifted apart; suspect memory or a library of that node, and resume from the last "
              "checkpoint");
}

/* If all hashes agree, it takes one small message and allocates no memory. */
int parity_check(const struct world *world, uint64_t hash, uint64_t step, struct error *why)
{
    uint64_t mine[2] = {hash, ~hash}, least[2]; /* the smallest hash, and the complement of the largest */
    if (mpi_check(MPI_Allreduce(mine, least, 2, MPI_UINT64_T, MPI_MIN, world->state->all), "MPI_Allreduce", why))
        return -1;
    if (least[0] == ~least[1])
        return 0;
    uint64_t *all = memory_new((size_t)world->size, sizeof *all, "the hashes of all ranks", why);
    int status = world_agree(world, all ? 0 : -1, why);
    if (!status)
        status = mpi_check(MPI_Allgather(&hash, 1, MPI_UINT64_T, all, 1, MPI_UINT64_T, world->state->all), "MPI_Allgather", why);
    if (!status)
        name_ranks(why, all, world->size, step);
    free(all);
    return status ? status : PARITY_DIFFERS;
}
