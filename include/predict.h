/* Predict: image files -> the classes that a checkpoint finds most probable. */
#ifndef PREDICT_H
#define PREDICT_H

#include "error.h"
#include "options.h"
#include "parallel.h"

/* Collective. With --checkpoint, or the newest of --train-dir, classifies the images named in options->files, of which "-" stands
 * for the lines of standard input. All ranks share the images; rank 0 prints the answers on standard output, in the order of the
 * names. Every rank must be able to read the files.
 *
 * As text: a line that says how images are read, then a line an image: "FILE: cat 0.91230, dog 0.04000, ..." with the five most
 * probable classes. With --json: one object a line for each image, also for a failed one:
 *   {"file": "cat.jpg", "step": 1500, "parameters": "EMA", "classes": [{"name": "cat", "probability": 0.91230}, ...]}
 *   {"file": "none.jpg", "error": "none.jpg: cannot be opened: No such file or directory"}
 * Probabilities are the softmax of the logits, the normalised predictions that the CIFAR-10 tutorial leaves as an exercise.
 *
 * An image that cannot be read does not stop the others: each failure is printed once, the last one is left in `why`. */
int predict_run(const struct options *options, const struct world *world, struct error *why);

#endif
