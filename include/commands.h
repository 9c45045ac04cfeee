/* Commands: what the first word of the command line chooses, one file each in src/commands.
 *
 * Collective: every rank calls the same one, with the same options. Each returns the process's
 * exit code: 0, or 1 after a failure that all ranks agreed on and rank 0 printed once; train also 75,
 * stopped and saved with work left, or 76, the same because of the file `stop`: it is not to be started again by itself. What
 * breaks under way does not return (world_abort). */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "options.h"
#include "parallel.h"

/* Trains --model on the train split of --data; checkpoints, train.log and metrics.csv go to --train-dir. */
int command_train(const struct options *options, const struct world *world);

/* Counts the correctly classified images of a split, with a given checkpoint, the newest one, or each new one until the training
 * has ended. Rows go to eval.csv in --train-dir, the best checkpoint to best.h5 there where asked for. */
int command_eval(const struct options *options, const struct world *world);

/* Makes the packed file (rank 0; the others wait). */
int command_pack(const struct options *options, const struct world *world);

/* Classifies image files with a checkpoint (rank 0; the others wait). */
int command_predict(const struct options *options, const struct world *world);

/* Tells what a packed file or a checkpoint holds (rank 0; the others wait). */
int command_inspect(const struct options *options, const struct world *world);

/* Measures every rank's tower: a table of layers, rates, the share of the cores' peak. */
int command_bench(const struct options *options, const struct world *world);

#endif
