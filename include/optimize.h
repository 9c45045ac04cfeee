/* The update: bit-identical on every rank. src/optimize works element by element and is compiled with
 * -ffp-contract=off, so vector width and CPU do not affect the result. */
#ifndef OPTIMIZE_H
#define OPTIMIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* ---- state ---- */

/* OPTIMIZER_EMA is the state that every optimizer has: the parameters' moving averages (shadows). */
enum { OPTIMIZER_EMA, OPTIMIZER_STATES_MAX = 4 };

/* A flat buffer that persists from step to step, laid out like the parameters. The tower owns it, in the backend's memory;
 * checkpoints save and restore it. */
struct optimizer_state {
    const char *name;     /* the group in a checkpoint: "ema" for /ema/conv1/weights */
    bool from_parameters; /* starts as a copy of the parameters; else all 0 */
    bool master_only;     /* no update reads it, so only rank 0 keeps it; otherwise all ranks keep the same */
};

struct optimizer {
    const char *name;
    int state_count;
    struct optimizer_state states[OPTIMIZER_STATES_MAX];
};

/* Gradient descent with weight decay and moving averages: sgd_apply, then ema_update. */
extern const struct optimizer optimizer_sgd;

/* Whether a rank keeps that state. master: the rank is rank 0. */
bool optimizer_keeps(const struct optimizer *optimizer, int state, bool master);

/* Allocates host memory for the states that a rank keeps, `count` floats each; the others become NULL. Call optimizer_free also
 * after a failure. */
int optimizer_allocate(const struct optimizer *optimizer, bool master, size_t count, float **states, struct error *why);
void optimizer_free(float **states);

/* Sets the states to their initial values. */
void optimizer_begin(const struct optimizer *optimizer, const float *parameters, size_t count, float **states);

/* ---- the arithmetic ---- */

/* A staircase: rate * factor^floor(samples / (epochs * epoch_samples)). */
struct schedule {
    double rate, factor, epochs;
    uint64_t epoch_samples; /* training images */
};

/* The learning rate of a step before which `samples` samples were seen. Computed by repeated
 * multiplication, not by pow(), whose last bit differs between libraries. */
float schedule_rate(const struct schedule *schedule, uint64_t samples);

/* p -= rate * (scale * g + decay * p), count elements; scale = 1 / samples in the sum g.
 * Returns decay / 2 * sum of p^2 before the update: these parameters' part of the total loss. */
double sgd_apply(float *parameters, const float *gradients, size_t count, float rate, float scale, float decay);

/* tf.train.ExponentialMovingAverage: min(limit, (1 + step) / (10 + step)), step: updates so far, including this one. */
float ema_decay(float limit, uint64_t step);

/* shadow -= (1 - decay) * (shadow - p) */
void ema_update(float *shadows, const float *parameters, size_t count, float decay);

#endif
