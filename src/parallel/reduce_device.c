/* The exchange by MPI in the devices' memory. */
#include "mpi_check.h"
#include "reduce.h"

int reducer_sum(const struct reducer *reducer, float *parcel, struct error *why)
{
    struct phase interrupted = phase_enter(reducer->phases, PHASE_REDUCE, PHASE_WHOLE);
    int status = mpi_check(MPI_Allreduce(MPI_IN_PLACE, parcel, (int)parcel_end(reducer), MPI_FLOAT, MPI_SUM,
                                         reducer->world->state->all), "MPI_Allreduce in a device's memory", why);
    phase_enter(reducer->phases, interrupted.kind, interrupted.part);
    return status;
}
