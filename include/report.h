/* Reports of rank 0: log lines, metrics.csv, a progress line on a terminal, evaluations. A run's reports go to a list of sinks
 * (src/report/sink.h). */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "phases.h"
#include "progress.h"

/* A file that lines are appended to. */
struct row_file {
    bool open;
    int descriptor;
    off_t half; /* start of a half-written line that could not be cut off yet; -1: there is none */
    char name[4112]; /* DIRECTORY/NAME */
};

struct report {
    const char *directory; /* of the sinks' files; NULL: standard output only */
    struct row_file log, metrics; /* train.log and metrics.csv */
    int columns;  /* of metrics.csv: those that its header names */
    struct progress progress;
    bool lost;    /* a line could not be written, and the user was told so */
    double examples_per_second; /* as last reported */
};

/* Rank 0 only. Opens the sinks in the directory (its name is not copied) to continue after `step`. Rows of later steps, which the
 * run will repeat, move to train.log.undone and metrics.csv.undone. directory NULL: standard output only. To show progress, call
 * progress_open on report->progress afterwards. */
int report_open(struct report *report, const char *directory, uint64_t step, struct error *why);
/* Fine on a zeroed or closed report. */
void report_close(struct report *report);

/* Clears the progress line, then prints "2026-11-24 12:00:00.123456: ", the text (printf's) and a newline to standard output and to
 * the log file. The time takes 28 columns of 80: keep the fixed part of the text within the other 52. The first line that cannot be
 * written is reported on standard error; the run goes on, and no part of the line stays in the file. */
void report_line(struct report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the text (printf's) and a newline to standard error if that is a terminal; never to the log file. */
void report_hint(struct report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A row of metrics.csv. Its columns, in this order:
 *
 *   step                 steps since the run's first one, this one included
 *   epoch                training images seen so far / images of the data set
 *   total_loss           mean over the interval: cross-entropy + weight decay, the loss that is minimised
 *   cross_entropy        mean over the interval, the part that measures how well the model classifies
 *   precision            mean over the interval: share of the distorted training images that are classified correctly, 0 to 1
 *   last_loss            total loss of this step alone: the `loss` of the log line
 *   average_loss         moving average of the total loss over all steps, decay 0.9; continued by a resumed run
 *   learning_rate        of this step
 *   examples_per_second  global batch / seconds_per_batch: images of all ranks
 *   seconds_per_batch    mean over the interval: wall-clock seconds per step
 *   data_wait_seconds    mean over the interval: seconds per step that rank 0 waited for images
 *   reduce_wait_seconds  mean over the interval: seconds per step that rank 0 waited for the other ranks' gradients
 *   time                 of the row, UTC: 2026-11-24T12:00:00Z
 *   load_seconds, forward_seconds, backward_seconds, device_seconds, reduce_seconds, update_seconds, report_seconds,
 *   save_seconds, parity_seconds
 *                        mean over the interval: seconds per step that rank 0 spent in each phase (phases.h); together they are
 *                        about seconds_per_batch
 *   slowest_rank         the rank with the most seconds of own work: load, forward, backward, device and update
 *   slowest_seconds      mean over the interval: that rank's seconds of such work per step
 *   mean_rank_seconds    the mean of these seconds over all ranks
 *
 * Weight decay is decay / 2 times the sum of squared weights, over the layers that have one. Losses and precision are of the
 * global batch, before the step's update.
 *
 * There is a row at every step that is a multiple of --log-frequency or --summary-frequency. Its interval is the steps since the
 * previous row, or since the program was started. Steps without an update (--on-nan) do not count. On a GPU data_wait_seconds is 0,
 * and so is reduce_wait_seconds if NCCL sums the gradients; device_seconds then includes the waits for other ranks. A resumed run
 * appends its rows; rows of steps after its checkpoint, which it repeats, move to metrics.csv.undone first. If an older program
 * began the file, its header lacks the last columns, and so do the rows that are appended. */
struct interval {
    uint64_t step;
    double epoch;
    double total_loss, cross_entropy, precision, last_loss, average_loss;
    double examples_per_second, seconds_per_batch;
    double data_wait, reduce_wait;
    double phases[PHASE_KINDS]; /* rank 0's seconds per step in each phase */
    int slowest_rank;
    double slowest_seconds, mean_rank_seconds;
    float rate;
    bool logged; /* whether there is also a log line: the step is a multiple of --log-frequency */
};
/* Hands the interval to every sink. */
void report_step(struct report *report, const struct interval *interval);
/* How far a training run is. */
struct advance {
    uint64_t step, last_step;
    uint64_t epoch, last_epoch; /* 1 is the first */
    double loss, precision;     /* moving averages over the steps */
};
/* Shows the progress line, with as many whole items as fit the terminal. The caller has opened report->progress (progress.h). */
void report_progress(struct report *report, const struct advance *advance);

/* An evaluation of a checkpoint: one row of eval.csv. A step that is evaluated again gets another row. Columns:
 *   time            of the evaluation, UTC: 2026-11-24T12:00:00Z
 *   step            of the checkpoint
 *   split           test or train
 *   images          number of images
 *   precision_at_1  images classified correctly / images
 *   cross_entropy   mean over the images, without weight decay
 *   parameters      EMA or raw
 *   data_sha256     the split's identity (struct dataset), its first 12 digits
 *   precision_at_5  images whose label is among the five most probable classes / images; a file that an older version began
 *                   stays without this column */
struct evaluated {
    uint64_t step;
    const char *split, *parameters, *data_sha256;
    int64_t images, right, in_five; /* right: correct; in_five: the label is among the five most probable classes */
    double cross_entropy;
};
/* Prints the tutorial's line and two more, and appends a row to DIR/eval.csv. directory NULL: only prints. If a row cannot be
 * written (for example because only the trainer may write to the directory), reports that once on standard error. */
void report_evaluation(struct report *report, const char *directory, const struct evaluated *evaluated);

#endif
