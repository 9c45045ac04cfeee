/* An MPI that cannot be asked: it is taken for one that cannot. */
#include "parallel.h"

bool mpi_knows_devices(void)
{
    return false;
}
