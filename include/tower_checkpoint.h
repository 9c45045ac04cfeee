/* A tower made from a checkpoint, for eval and predict. Not collective. */
#ifndef TOWER_CHECKPOINT_H
#define TOWER_CHECKPOINT_H

#include "options.h"
#include "store.h"
#include "tower.h"

/* Makes the net of a checkpoint (its model, channels and classes, as checkpoint_peek finds them) and a tower for forward passes of
 * up to `batch` images; --tower, --threads, --conv and --precision as in the options. name: begins the sentence about a model that
 * does not exist. node_rank: as for backend_open. *net outlives the tower. It has no parameters yet: read them
 * with parameters_from_checkpoint, then call tower_set_parameters. */
int tower_from_checkpoint(struct tower *tower, struct net *net, const struct checkpoint *checkpoint, const char *name,
                          int node_rank, int batch, const struct options *options, struct error *why);

/* Reads a checkpoint's parameters (net->parameters floats): the averaged ones, or with --no-ema those of the last step. */
int parameters_from_checkpoint(float *parameters, const struct net *net, const char *file, const struct options *options,
                               struct error *why);

#endif
