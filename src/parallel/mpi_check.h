/* For src/parallel only: turns MPI statuses into sentences; the world's communicators. */
#ifndef MPI_CHECK_H
#define MPI_CHECK_H

#include <mpi.h>

#include "error.h"
#include "world.h"

/* 0, or -1 with MPI's own message in `why`. */
int mpi_check(int status, const char *call, struct error *why);

/* Whether only rank 0 returns the job's exit code. Open MPI 5's mpirun adds no message if only the process that ends last has an
 * exit code other than 0. With Open MPI 4 this would cost a second; it has a setting instead (scripts/local_mpi.sh). */
#if defined OMPI_MAJOR_VERSION && OMPI_MAJOR_VERSION >= 5
enum { ONE_EXIT_CODE = 1 };
#else
enum { ONE_EXIT_CODE = 0 };
#endif

struct world_state {
    MPI_Comm all;   /* the ranks of the job */
    MPI_Comm node;  /* the ranks that share this node's memory */
    int *processes; /* process numbers of the node's ranks, in rank order; NULL without ONE_EXIT_CODE */
};

/* Not collective; any thread may call it. Ends the whole job with exit code 1 and prints nothing. */
void world_end_job(const struct world *world) __attribute__((noreturn));

#endif
