#include <inttypes.h>
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

/* In the good case two small messages and no memory: a step allocates nothing. */
int parity_check(const struct world *world, uint64_t hash, uint64_t step, struct error *why)
{
    uint64_t first = hash, other = hash; /* rank 0's, and that of the lowest rank that differs */
    if (mpi_check(MPI_Bcast(&first, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD), "MPI_Bcast", why))
        return -1;
    int mine = hash == first ? world->size : world->rank, lowest;
    if (mpi_check(MPI_Allreduce(&mine, &lowest, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD), "MPI_Allreduce", why))
        return -1;
    if (lowest == world->size)
        return 0;
    if (mpi_check(MPI_Bcast(&other, 1, MPI_UINT64_T, lowest, MPI_COMM_WORLD), "MPI_Bcast", why))
        return -1;
    error_set(why,
              "step %" PRIu64 ": the parameters of rank %d (hash %016" PRIx64
              ") differ from those of rank 0 (hash %016" PRIx64
              "): the replicas have drifted apart; suspect memory or a library of that node, and resume from the last "
              "checkpoint",
              step, lowest, other, first);
    return PARITY_DIFFERS;
}
