#include "mpi_check.h"

int mpi_check(int status, const char *call, struct error *why)
{
    if (status == MPI_SUCCESS)
        return 0;
    char text[MPI_MAX_ERROR_STRING];
    int length;
    if (MPI_Error_string(status, text, &length) != MPI_SUCCESS)
        return error_set(why, "%s failed with status %d", call, status);
    return error_set(why, "%s failed: %s", call, text);
}
