/* Reports of rank 0: the tutorial's log line, a progress line, metrics.csv. */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

struct report_file {
    bool open;
    int descriptor;
    off_t half; /* where half a line begins that a full disk left; -1: nowhere */
};

struct report {
    struct report_file log, metrics; /* DIR/train.log and DIR/metrics.csv, appended */
    char directory[4096];
    int terminal; /* what standard error leads to where a person sees it, else 0: draw progress */
    bool shared;  /* standard output leads there too */
    bool drawn;   /* a progress line stands there now */
    bool lost;    /* a line could not be written, which was told */
    double started, drawn_at; /* seconds, monotonic: of the first progress call, of the last drawing */
    uint64_t first_step;
    double examples_per_second; /* as last reported */
};

/* Rank 0 only. Opens DIR/train.log and DIR/metrics.csv to go on after `step`; rows of later steps, which will be done
 * again, are moved to train.log.undone and metrics.csv.undone. directory NULL: standard output only. */
int report_open(struct report *report, const char *directory, uint64_t step, struct error *why);
/* Also of a zeroed or closed report. */
void report_close(struct report *report);

/* "2026-11-24 12:00:00.123456: " + the printf text + newline to standard output and the log file,
 * clearing a progress line first. Time and colon take 28 columns: what always stands in the text should fit the other 52. A line
 * that cannot be written is told of on standard error the first time, and does not stop a run; nothing of it stays in the file. */
void report_line(struct report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For a person only: the printf text and a newline to standard error where that is a terminal; not to the log file. */
void report_hint(struct report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A row of metrics.csv. Its columns, in this order:
 *
 *   step                 steps since the run's first one, this one included
 *   epoch                training images seen so far / images of the data set
 *   total_loss           mean over the interval: cross-entropy + weight decay, the loss that is minimised
 *   cross_entropy        mean over the interval, the part of it that tells how well the model classifies
 *   precision            mean over the interval: share of the distorted training images that are classified rightly, 0 to 1
 *   last_loss            total loss of this step alone: the `loss` of the log line
 *   average_loss         moving average of the total loss over all steps, decay 0.9; a resumed run goes on with it
 *   learning_rate        of this step
 *   examples_per_second  global batch / seconds_per_batch: images of all ranks
 *   seconds_per_batch    mean over the interval: wall-clock seconds a step
 *   data_wait_seconds    mean over the interval: seconds a step that rank 0 waited for images
 *   reduce_wait_seconds  mean over the interval: seconds a step that rank 0 waited for the other ranks' gradients
 *
 * Weight decay is decay / 2 times the sum of squared weights, over the layers that have one. Losses and precision are of the
 * global batch, before the step's update.
 *
 * There is a row at every step that is a multiple of --log-frequency. Its interval is the steps since the row before, or since
 * the program was started. Steps without an update (--on-nan) do not count. On a GPU data_wait_seconds is 0, and so is
 * reduce_wait_seconds where NCCL adds the gradients up. A resumed run appends; rows of steps after its checkpoint, which are
 * done again, move to metrics.csv.undone first. */
struct interval {
    uint64_t step;
    double epoch;
    double total_loss, cross_entropy, precision, last_loss, average_loss;
    double examples_per_second, seconds_per_batch;
    double data_wait, reduce_wait;
    float rate;
};
/* The tutorial's line, and the row. */
void report_step(struct report *report, const struct interval *interval);
/* On a terminal: step, loss, rate, time left, epoch; as many whole items, from the first on, as fit its width; at most ten times
 * a second. It goes to standard error, also where standard output is a file. */
void report_progress(struct report *report, uint64_t step, uint64_t last_step, double epoch, double loss);
/* On a terminal: the text, as far as it fits, where the progress line would stand. */
void report_status(struct report *report, const char *text);
/* Takes the progress line away, if one is drawn: before anything else is printed there. */
void report_clear(struct report *report);

/* A checkpoint that was evaluated, and its row of eval.csv. A step that was evaluated again has another row. Columns:
 *   time            of the evaluation, UTC: 2026-11-24T12:00:00Z
 *   step            of the checkpoint
 *   split           test or train
 *   images          that were counted
 *   precision_at_1  right / images
 *   cross_entropy   mean over the images, without weight decay
 *   parameters      EMA or raw
 *   data_sha256     the split's identity (struct dataset), its first 12 digits */
struct evaluated {
    uint64_t step;
    const char *split, *parameters, *data_sha256;
    int64_t images, right;
    double cross_entropy;
};
/* The tutorial's line, and a row of DIR/eval.csv. directory NULL: the line only. A row that cannot be written, as in a directory
 * where only the trainer may write, is reported on standard error once. */
void report_evaluation(struct report *report, const char *directory, const struct evaluated *evaluated);

#endif
