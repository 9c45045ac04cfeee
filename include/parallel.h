/* What the ranks of a job do together: all contracts of src/parallel, the only room that includes mpi.h. */
#ifndef PARALLEL_H
#define PARALLEL_H

#include "parcel.h"
#include "phases.h"
#include "reducer.h"
#include "world.h"

#endif
