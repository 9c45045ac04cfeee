/* For an MPI library that cannot report CUDA support: assumes that it has none. */
#include "parallel.h"

bool mpi_knows_devices(void)
{
    return false;
}
