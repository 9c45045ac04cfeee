/* The update: the same arithmetic, to the bit, on every rank. src/optimize is compiled with
 * -ffp-contract=off, element by element, so vector width and CPU do not matter. */
#ifndef OPTIMIZE_H
#define OPTIMIZE_H

#include <stddef.h>
#include <stdint.h>

/* A staircase: rate * factor^floor(samples / (epochs * epoch_samples)). */
struct schedule {
    double rate, factor, epochs;
    uint64_t epoch_samples; /* training images */
};

/* The learning rate where `samples` samples were seen before this step. By repeated
 * multiplication: no pow(), whose last bit differs between libraries. */
float schedule_rate(const struct schedule *schedule, uint64_t samples);

/* p -= rate * (scale * g + decay * p), count elements; scale = 1 / samples in the sum g.
 * Returns decay / 2 * sum of p^2 before the update: this slice's part of the total loss. */
double sgd_apply(float *parameters, const float *gradients, size_t count, float rate, float scale, float decay);

/* tf.train.ExponentialMovingAverage: min(limit, (1 + step) / (10 + step)), step = updates done, this one included. */
float ema_decay(float limit, uint64_t step);

/* shadow -= (1 - decay) * (shadow - p) */
void ema_update(float *shadows, const float *parameters, size_t count, float decay);

#endif
