/* eval: what its files share. Collective functions are called by all ranks, the others by rank 0 alone. */
#ifndef EVAL_H
#define EVAL_H

#include "backend.h"
#include "data.h"
#include "model.h"
#include "options.h"
#include "parallel.h"
#include "report.h"
#include "store.h"
#include "tower_checkpoint.h"

struct evaluation {
    const struct options *options;
    const struct world *world;
    const struct backend *backend;
    struct dataset dataset;      /* count 0: not open yet */
    int64_t examples;            /* the first images of the split */
    struct net net;
    struct tower tower;
    float *parameters;           /* what is evaluated, on all ranks */
    float *images;               /* (batch, H, W, C) */
    int32_t *labels;
    float *logits;               /* (batch, classes); NULL without --verbose, as by_class */
    int64_t *by_class;           /* (classes, 2): images right, images; of all ranks on rank 0 */
    bool ready;                  /* net and tower are laid out */

    /* rank 0 */
    struct report report;
    char file[4096];          /* the checkpoint that was found */
    struct checkpoint peeked; /* what it says of itself; no parameters */
    struct error skipped;     /* the damaged checkpoints that were reported last */
    struct error waits_for;   /* what the last line about waiting said */
    int newest_open;          /* --keep-best: the checkpoint, open for reading; -1: none */
    bool best_known;          /* best.h5 was evaluated, or there was none */
    int64_t best;             /* images right with it; -1: there is none */
};

/* What rank 0 found, for all ranks. */
struct found {
    bool training;            /* a run had the directory's lock before the checkpoint was looked for */
    uint64_t step, last_step; /* last_step: where its run ends; 0: an older checkpoint, which does not say */
    int classes, channels;
    char model[64], data[OPTION_TEXT]; /* data: the packed file that its run used */
};

/* Collective. Counts the correctly classified images of a split, with a given checkpoint, the newest one, or each new one until the
 * training has ended. Rows go to eval.csv in --train-dir, the best checkpoint to best.h5 there where asked for. */
int eval_run(const struct options *options, const struct world *world, struct error *why);

/* ---- which checkpoint (find.c) ---- */

/* Rank 0. -1: --checkpoint is a directory, or --train-dir a file. */
int eval_check_names(const struct options *options, struct error *why);
/* Collective. --checkpoint, or the newest of the directory. -1: there is none now. */
int eval_find(struct evaluation *e, struct found *found, struct error *why);
/* Collective. Its parameters into every tower; those of a newer one, and *found so, where the run has removed it meanwhile. -1: it
 * cannot be read now. */
int eval_load(struct evaluation *e, struct found *found, struct error *why);
/* Rank 0. The parameters of a file, raw or averaged, into e->parameters. */
int eval_load_file(struct evaluation *e, const char *file, struct error *why);
/* Collective. Rank 0's parameters into every tower. */
int eval_share(struct evaluation *e, struct error *why);

/* ---- what it is evaluated with (setup.c) ---- */

/* Collective. The data set, and how many of its images count. */
int eval_open_data(struct evaluation *e, const char *file, struct error *why);
/* Collective. Data, net and tower for the checkpoint that was found, as far as they are not there yet. */
int eval_prepare(struct evaluation *e, struct found *found, struct error *why);
/* Rank 0. Whether the checkpoint that was found is of the data set's classes and channels. */
int eval_match(const struct evaluation *e, struct error *why);

/* ---- counting (count.c) ---- */

/* Collective. Every image once, on any number of ranks. The counts are exact on rank 0, the cross-entropy up to 2^-20 an image. */
int eval_count(struct evaluation *e, uint64_t step, struct evaluated *evaluated, struct error *why);
/* Rank 0. A line for each class. */
void eval_print_classes(const struct evaluation *e);

/* ---- the best checkpoint (best.c) ---- */

/* Collective. Once: evaluates best.h5, where an earlier eval has left one. */
int eval_best_begin(struct evaluation *e, struct error *why);
/* Rank 0. Keeps the checkpoint that was evaluated as best.h5 where it is better than that one. */
int eval_best_keep(struct evaluation *e, const struct evaluated *evaluated, struct error *why);

#endif
