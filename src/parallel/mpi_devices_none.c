/* For an MPI that cannot be asked: it is assumed not to know devices. */
#include "parallel.h"

bool mpi_knows_devices(void)
{
    return false;
}
