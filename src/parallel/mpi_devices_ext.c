/* CUDA support of MPI, as reported by Open MPI's extension. */
#include <mpi.h>

#include <mpi-ext.h>

#include "parallel.h"

bool mpi_knows_devices(void)
{
    return MPIX_Query_cuda_support() == 1;
}
