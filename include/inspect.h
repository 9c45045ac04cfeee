/* Inspect: checks that a packed file or a checkpoint is whole, and describes it. */
#ifndef INSPECT_H
#define INSPECT_H

#include "error.h"
#include "options.h"

/* Rank 0 only. Checks the digests, then prints to standard output:
 *   of a checkpoint    attributes, provenance, and for each tensor shape, mean, standard deviation, smallest and largest value,
 *                      norm (root of the sum of squares), share of zeros and, if there are any, the number of NaNs
 *   of a packed file   attributes, data sets, and the images of each class
 *   with --diff        of two files: the attributes that differ; and for each data set that differs the share of different
 *                      elements, the largest difference, the root mean square (rms) of the differences, and their norm
 *                      relative to the first file's
 * With --filters or --images it saves a picture instead, and prints what it shows. */
int inspect_run(const struct options *options, struct error *why);

#endif
