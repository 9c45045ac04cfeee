/* A training step: what a tower is given, and its result. Device code includes this header, too. */
#ifndef STEP_H
#define STEP_H

#include <stdint.h>

struct step {
    uint64_t number;       /* 1 is a run's first */
    uint64_t position;     /* of the global batch's first sample in the sample stream */
    float rate, ema_decay; /* of its update */
    float stop;            /* > 0: this rank requests a stop; all ranks see it in their result */
};

/* The same on all ranks. */
struct step_result {
    uint64_t step;              /* its number */
    double penalty;             /* the weight decay's part of the loss, before the update */
    float loss, correct, count; /* cross-entropies, correct answers, images: sums over the global batch */
    float fault;                /* > 0: the loss, a gradient or a parameter was not finite, and there was no update */
    float stop;                 /* > 0: a rank requests a stop */
    float rate;                 /* of the update */
};

/* The most steps that one tower_give takes. */
enum { STEPS_AT_ONCE = 64 };

#endif
