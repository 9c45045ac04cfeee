/* Inspect: what a packed file or a checkpoint is, after a check that it is whole. */
#ifndef INSPECT_H
#define INSPECT_H

#include "error.h"

/* Rank 0 only. Prints to standard output. */
int inspect_run(const char *file, struct error *why);

#endif
