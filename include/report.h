/* Reports of rank 0: the tutorial's log line, a progress line, metrics.csv, the start block. */
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
 * clearing a progress line first. A line that cannot be written is told of on standard error the first time, and does not stop a
 * run; nothing of it stays in the file. */
void report_line(struct report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Means over the steps since the last row. */
struct interval {
    uint64_t step;
    double epoch;
    double total_loss, cross_entropy, precision; /* means over the interval */
    double last_loss;    /* of the last step: what the log line shows */
    double average_loss; /* moving average of the total loss, decay 0.9 */
    double examples_per_second, seconds_per_batch;
    double data_wait, reduce_wait; /* seconds a step */
    float rate;
};
/* The tutorial's line, and a row of metrics.csv. */
void report_step(struct report *report, const struct interval *interval);
/* On a terminal: epoch, loss, rate, time left; at most ten times a second. */
void report_progress(struct report *report, uint64_t step, uint64_t last_step, double epoch, double loss);
/* Takes the progress line away, if one is drawn: before anything else is printed there. */
void report_clear(struct report *report);

#endif
