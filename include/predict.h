/* Predict: image files -> the classes that a checkpoint finds most probable. */
#ifndef PREDICT_H
#define PREDICT_H

#include "error.h"
#include "options.h"

/* Rank 0 only. With --checkpoint, or the newest of --train-dir: a line on standard output that says how images are read, then one
 * an image. An image that cannot be read does not stop the others: each failure is printed once, the last one is left in `why`. */
int predict_run(const struct options *options, struct error *why);

#endif
