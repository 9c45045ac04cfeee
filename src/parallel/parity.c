#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mpi_check.h"
#include "parallel.h"

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

int parity_check(const struct world *world, uint64_t hash, uint64_t step, struct error *why)
{
    uint64_t *all = memory_new((size_t)world->size, sizeof *all, "the hashes of all ranks", why);
    if (!all)
        return -1;
    int status = mpi_check(MPI_Allgather(&hash, 1, MPI_UINT64_T, all, 1, MPI_UINT64_T, MPI_COMM_WORLD),
                           "MPI_Allgather", why);
    for (int rank = 1; !status && rank < world->size; rank++)
        if (all[rank] != all[0])
            status = error_set(why,
                               "step %" PRIu64 ": the parameters of rank %d (hash %016" PRIx64
                               ") differ from those of rank 0 (hash %016" PRIx64
                               "): the replicas have drifted apart; suspect memory or a library of that node, and "
                               "resume from the last checkpoint",
                               step, rank, all[rank], all[0]);
    free(all);
    return status;
}
