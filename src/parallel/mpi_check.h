/* For src/parallel only: MPI's status as a sentence. */
#ifndef MPI_CHECK_H
#define MPI_CHECK_H

#include <mpi.h>

#include "error.h"

/* 0, or -1 with MPI's own words about the call in `why`. */
int mpi_check(int status, const char *call, struct error *why);

struct world_state {
    MPI_Comm node;  /* the ranks that share this node's memory */
    int *processes; /* theirs, in the order of their ranks */
};

#endif
