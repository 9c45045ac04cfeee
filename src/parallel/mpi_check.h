/* For src/parallel only: MPI's status as a sentence. */
#ifndef MPI_CHECK_H
#define MPI_CHECK_H

#include <mpi.h>

#include "error.h"
#include "world.h"

/* 0, or -1 with MPI's own words about the call in `why`. */
int mpi_check(int status, const char *call, struct error *why);

/* Open MPI 5's mpirun adds nothing to a run's own sentence where only the process that ends last has an exit code. Open MPI 4's
 * takes a second longer then, and has a setting instead (scripts/local_mpi.sh). */
#if defined OMPI_MAJOR_VERSION && OMPI_MAJOR_VERSION >= 5
enum { ONE_EXIT_CODE = 1 };
#else
enum { ONE_EXIT_CODE = 0 };
#endif

struct world_state {
    MPI_Comm all;   /* the ranks of the job */
    MPI_Comm node;  /* those that share this node's memory */
    int *processes; /* theirs, in the order of their ranks; NULL without ONE_EXIT_CODE */
};

/* Not collective; from any thread. Ends the whole job with exit code 1, without a word. */
void world_end_job(const struct world *world) __attribute__((noreturn));

#endif
