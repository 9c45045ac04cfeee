/* Inspect: checks that a packed file or a checkpoint is whole, and describes it. */
#ifndef INSPECT_H
#define INSPECT_H

#include "error.h"

/* Rank 0 only. Prints to standard output. */
int inspect_run(const char *file, struct error *why);

#endif
