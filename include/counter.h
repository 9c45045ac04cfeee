/* Counter: classifies images of a split, each exactly once, on any number of ranks, and counts how many are right. */
#ifndef COUNTER_H
#define COUNTER_H

#include "data.h"
#include "parallel.h"
#include "progress.h"
#include "report.h"
#include "tower.h"

/* What the net says about one image. */
struct classified {
    int64_t image;           /* its row in the split */
    int32_t label;           /* its class */
    int32_t prediction;      /* the most probable class; of equal ones the first */
    int32_t label_rank;      /* number of classes that are more probable than the label: 0 = right, below 5 = in the first five */
    float probability;       /* of the prediction, 0 to 1 */
    float label_probability; /* of the label, 0 to 1 */
};

enum { COUNTER_FIRST = 5 }; /* precision @ 5: the label is among the five most probable classes */

/* All of it outlives the counter. */
struct counter_request {
    const struct world *world;
    const struct dataset *dataset;
    int64_t examples;          /* number of images that are evaluated: the first ones of the split */
    struct tower *tower;       /* holds the parameters */
    int batch;                 /* images per rank and pass, at most the tower's */
    struct progress *progress; /* rank 0; NULL: shows none */
    /* Called on rank 0, during counter_run, with the next `count` images of the split, in order, each image once. Set on all ranks
     * or on none (NULL). */
    void (*listen)(void *listener, const struct classified *rows, int count);
    void *listener;
};

struct counter {
    struct counter_request request;
    float *images;                /* (batch, crop_height, crop_width, C) */
    int32_t *labels;
    float *logits, *probabilities; /* (batch, classes); (classes) */
    struct classified *rows;      /* (batch) of this rank */
    struct classified *gathered;  /* rank 0 with a listener: (ranks, batch) */
};

/* Not collective. Takes all memory. A zeroed counter may be freed. */
int counter_init(struct counter *counter, const struct counter_request *request, struct error *why);
void counter_free(struct counter *counter);

/* Collective. Sets all of *evaluated but step and parameters, on all ranks. The counts are exact; the cross-entropy is off by at
 * most 2^-20 per image. -1 on all ranks if the loss is not finite. A failure of one rank ends the job (world_abort). */
int counter_run(struct counter *counter, struct evaluated *evaluated, struct error *why);

#endif
