/* Commands: the first word of the command line selects one; each is a file in src/commands. They only call the rooms that do
 * the work and print what fails.
 *
 * Collective: all ranks call the same command with the same options. A command returns the exit code of the process: 0, or 1
 * if all ranks agreed on a failure, which rank 0 has printed. train also returns 75 if it was stopped and saved with work
 * left, and 76 if the file `stop` was the reason. A failure in the middle of the work does not return (world_abort). */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "options.h"
#include "parallel.h"

/* Trains --model on the train split of --data. Writes checkpoints, train.log and metrics.csv to --train-dir. */
int command_train(const struct options *options, const struct world *world);

/* Counts the correctly classified images of a split, for one checkpoint or for each new one (eval.h). */
int command_eval(const struct options *options, const struct world *world);

/* Makes the packed file (rank 0; the others wait). */
int command_pack(const struct options *options, const struct world *world);

/* Classifies image files with a checkpoint (rank 0; the others wait). */
int command_predict(const struct options *options, const struct world *world);

/* Prints what a packed file or a checkpoint contains (rank 0; the others wait). */
int command_inspect(const struct options *options, const struct world *world);

/* Measures every rank's tower and prints a table (bench.h). */
int command_bench(const struct options *options, const struct world *world);

/* Prints how a run went, from the files in its directory (rank 0; the others wait). */
int command_report(const struct options *options, const struct world *world);

/* Prints a table of runs (rank 0; the others wait). */
int command_compare(const struct options *options, const struct world *world);

#endif
