/* Eval: how well a run's checkpoints classify a split. All ranks call the collective functions; only rank 0 calls the others. */
#ifndef EVAL_H
#define EVAL_H

#include <stdio.h>

#include "backend.h"
#include "counter.h"
#include "data.h"
#include "events.h"
#include "model.h"
#include "options.h"
#include "parallel.h"
#include "report.h"
#include "store.h"
#include "tower_checkpoint.h"

/* The file of --predictions while it is written. */
struct predictions {
    FILE *stream;         /* NULL: none is open */
    const char *file;     /* its final name */
    char temporary[4096]; /* its name until it is complete */
    int failure;          /* errno of the first write that failed */
};

/* What is kept of the images of one evaluation for TensorBoard. */
enum { EVAL_MISTAKES = 10 };
struct eval_events {
    int64_t *confusion;                     /* (label, prediction): number of images; NULL: no events are written */
    struct classified worst[EVAL_MISTAKES]; /* wrong predictions, beginning with the lowest probability of the label */
    int mistakes;                           /* number of them */
    struct event_file file;
};

struct evaluation {
    const struct options *options;
    const struct world *world;
    struct dataset dataset;      /* count 0: not open yet */
    int64_t examples;            /* number of images evaluated: the first ones of the split */
    struct net net;
    struct tower tower;
    float *parameters;           /* those that are evaluated, on all ranks */
    struct counter counter;
    bool ready;                  /* net, tower and counter exist */

    /* rank 0 */
    struct report report;
    int64_t *by_class;        /* (classes, 2) with --verbose: images classified correctly, images */
    struct predictions predictions;
    struct eval_events events;
    char file[4096];          /* the checkpoint that was found */
    struct checkpoint peeked; /* its attributes; no parameters */
    struct error skipped;     /* the last report of damaged checkpoints */
    struct error waits_for;   /* the last report of what eval is waiting for */
    int newest_open;          /* with --keep-best a descriptor of the checkpoint; -1: none */
    bool best_known;          /* an earlier best.h5 was evaluated, or there was none */
    int64_t best;             /* images that it classifies correctly; -1: there is no best.h5 */
};

/* What rank 0 found; sent to all ranks. */
struct found {
    bool training;            /* a run held the directory's lock before the search for a checkpoint */
    uint64_t step, last_step; /* last_step: where the run ends; 0: unknown, an older checkpoint */
    int classes, channels;
    char model[64], data[OPTION_TEXT]; /* data: the packed file that the run was trained on */
};

/* Collective. Counts the correctly classified images of a split with one checkpoint, or with each new one until training has ended.
 * Writes rows to eval.csv in --train-dir and, with --keep-best, the best checkpoint to best.h5 there. */
int eval_run(const struct options *options, const struct world *world, struct error *why);

/* ---- which checkpoint (find.c) ---- */

/* Rank 0. -1 if --checkpoint is a directory or --train-dir a file. */
int eval_check_names(const struct options *options, struct error *why);
/* Collective. Finds --checkpoint, or the newest checkpoint of --train-dir. -1: there is none now. */
int eval_find(struct evaluation *e, struct found *found, struct error *why);
/* Collective. Loads its parameters into every tower. If the run has removed it in the meantime, loads a newer one and changes
 * *found. -1: it cannot be read now. */
int eval_load(struct evaluation *e, struct found *found, struct error *why);
/* Rank 0. Reads the parameters of a file, raw or averaged, into e->parameters. */
int eval_load_file(struct evaluation *e, const char *file, struct error *why);
/* Collective. Sends rank 0's parameters to every tower. */
int eval_share(struct evaluation *e, struct error *why);

/* ---- data set, net and tower (setup.c) ---- */

/* Collective. Opens the data set and sets how many of its images are evaluated. */
int eval_open_data(struct evaluation *e, const char *file, struct error *why);
/* Collective. The first time, opens data, net and tower for the checkpoint that was found; later checks that they still fit. */
int eval_prepare(struct evaluation *e, struct found *found, struct error *why);
/* Rank 0. -1 if the checkpoint that was found does not have the data set's classes and channels. */
int eval_match(const struct evaluation *e, struct error *why);

/* ---- counting (evaluate.c) ---- */

/* Collective. Evaluates every image of the split with the parameters in the towers. */
int eval_count(struct evaluation *e, uint64_t step, struct evaluated *evaluated, struct error *why);
/* Rank 0. The counter's listener (`listener` is the evaluation): every image of an evaluation passes through here. */
void eval_listen(void *listener, const struct classified *rows, int count);
/* Rank 0. Prints a line per class. */
void eval_print_classes(const struct evaluation *e);

/* ---- --predictions (predictions.c), rank 0 ---- */

/* Columns: image (its row in the split, from 0), label, prediction (names of classes), probability (of the prediction). Begins
 * `file` under a temporary name. */
int predictions_open(struct predictions *p, const char *file, struct error *why);
/* Appends lines. Does nothing if the file is not open; predictions_close reports failures. */
void predictions_add(struct predictions *p, const struct dataset *dataset, const struct classified *rows, int count);
/* Gives the complete file its name. Does nothing if it is not open. */
int predictions_close(struct predictions *p, struct error *why);
/* Removes what was written. Does nothing if the file is not open. */
void predictions_drop(struct predictions *p);

/* ---- TensorBoard (events.c), rank 0 ---- */

/* Whether eval.csv, events and best.h5 are written: not for a single file. If several copies of the program
 * run (world_refuse_copies), only the first writes, since all would write the same files. On any rank. */
bool eval_writes_files(const struct evaluation *e);
/* Without eval_events_init, the other functions do nothing. */
int eval_events_init(struct eval_events *events, int classes, struct error *why);
void eval_events_free(struct eval_events *events);
/* Forgets all images. */
void eval_events_reset(struct eval_events *events, int classes);
void eval_events_add(struct eval_events *events, int classes, const struct classified *rows, int count);
/* Appends an event to a file in TRAIN_DIR/events/eval (the test split) or events/eval-train: precision @ 1 and @ 5, cross-entropy,
 * the precision of each class, a picture of the confusion matrix, and one of the worst mistakes. */
int eval_events_write(struct evaluation *e, const struct evaluated *evaluated, struct error *why);

/* ---- the best checkpoint (best.c) ---- */

/* Collective. The first time, evaluates the best.h5 that an earlier eval has left, if any. */
int eval_best_begin(struct evaluation *e, struct error *why);
/* Rank 0. Keeps the checkpoint that was just evaluated as best.h5 if it is better. */
int eval_best_keep(struct evaluation *e, const struct evaluated *evaluated, struct error *why);

#endif
