/* An MPI that reads device memory, for the referee; it is loaded before the real one. Like such an MPI, it makes its own copies,
 * which wait for no stream of the program and are done when it returns. */
#include <mpi.h>
#include <stdlib.h>

#include <mpi-ext.h>

#include "fake.h"

int MPIX_Query_cuda_support(void)
{
    return 1;
}

static void copy(void *to, const void *from, size_t bytes)
{
    if (cudaMemcpy(to, from, bytes, cudaMemcpyDefault) != cudaSuccess || cudaStreamSynchronize(cudaStreamLegacy) != cudaSuccess)
        fake_misuse("MPI cannot copy %zu bytes of a device's memory", bytes);
}

int MPI_Allreduce(const void *send, void *receive, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
    if (!fake_is_device(receive, 1))
        return PMPI_Allreduce(send, receive, count, type, op, comm);
    if (send != MPI_IN_PLACE || type != MPI_FLOAT)
        fake_misuse("this MPI adds floats of a device in place only");
    size_t bytes = (size_t)count * sizeof(float);
    float *host = malloc(bytes);
    if (!host)
        return MPI_ERR_NO_MEM;
    copy(host, receive, bytes);
    int status = PMPI_Allreduce(MPI_IN_PLACE, host, count, type, op, comm);
    copy(receive, host, bytes);
    free(host);
    return status;
}
