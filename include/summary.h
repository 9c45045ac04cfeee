/* Summaries of a training run for TensorBoard: scalars, histograms and images (src/report). Every --summary-frequency steps rank 0
 * copies what a summary shows. A thread computes the histograms and writes them to DIRECTORY/events/train, so that no step waits
 * for a slow or full disk: while the thread is busy with SUMMARIES_MAX summaries, later ones are dropped and counted. */
#ifndef SUMMARY_H
#define SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "events.h"
#include "model.h"
#include "report.h"

enum { SUMMARIES_MAX = 2, SUMMARY_IMAGES = 3 /* that are drawn, at most */ };

/* What is shown of one step. The writer owns the buffers, in host memory. */
struct summary {
    struct interval interval;
    double cross_entropy, average_cross_entropy; /* of this step; its moving average */
    bool whole;             /* whether the members below are filled in; else only the numbers above are shown */
    float *before, *after;  /* (net->parameters): parameters before and after the step's update */
    float *gradients;       /* (net->gradients): sums over `samples` images, without weight decay */
    double samples;
    float *images;          /* (request.images, height, width, channels): the first of the step's batch, as the net sees them */
    float **activations;    /* by layer: (request.images, height, width, channels), with the parameters `after`, computed as in
                             * evaluation; NULL if request.activations is false */
};

/* Everything is read during summary_writer_open only. */
struct summary_request {
    const char *directory;  /* the train-dir */
    int64_t first_step;     /* of this run: TensorBoard ignores what earlier files hold from this step on; 0: it ignores nothing */
    int images;
    bool activations;
    const struct event_graph *graph; /* its net is the run's */
    const char *command, *start_block;
    const struct hparam *hparams;
    int hparam_count;
};

struct summary_writer {
    struct summary_state *state; /* NULL: closed */
};

/* Creates the file, writes the run's texts, graph and hyperparameters, and starts the thread. -1: the writer is closed. */
int summary_writer_open(struct summary_writer *writer, const struct summary_request *request, struct error *why);

/* A summary to fill in; the same one until it is given. NULL: the thread is busy with all of them, or the writer is closed. */
struct summary *summary_writer_take(struct summary_writer *writer);
/* Lets the thread write the summary that was taken. */
void summary_writer_give(struct summary_writer *writer);
/* Lets the thread write one of the run's own evaluations to DIRECTORY/events/eval. It counts as a summary, and is dropped while too
 * many wait. No effect on a closed writer. */
void summary_writer_evaluated(struct summary_writer *writer, const struct evaluated *evaluated);
/* Counts a summary that could not be taken. */
void summary_writer_drop(struct summary_writer *writer);

/* Processor seconds that the thread needed for the last whole summary. */
double summary_writer_seconds(struct summary_writer *writer);
/* Whether there is something to report: the first summary that was dropped, or the first that could not be written. */
bool summary_writer_news(struct summary_writer *writer, struct error *news);

struct summary_count {
    uint64_t written, dropped, failed;
};
/* Waits for the thread, a few seconds at most; summaries that it has not written by then count as dropped. completed: the run has
 * reached its last step. Does nothing to a closed writer. */
void summary_writer_close(struct summary_writer *writer, bool completed, struct summary_count *count);

/* Makes the event that of an evaluation, with its precision @ 1 and @ 5 and its cross-entropy. */
void evaluated_event(struct event *event, const struct evaluated *evaluated);

#endif
