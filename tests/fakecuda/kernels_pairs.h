/* Shared by the tests of kernels for pools and norms. */
#ifndef TESTS_FAKECUDA_KERNELS_PAIRS_H
#define TESTS_FAKECUDA_KERNELS_PAIRS_H

#include "kernels_fixture.h"

/* A pool's window over images, and a norm of the same number of channels. */
struct pair {
    struct pool_geometry window;
    struct norm_rule norm;
    size_t batch;
    int half;
    uint64_t *random;
};

static inline size_t inner_count(const struct pair *p)
{
    return p->batch * (size_t)(p->window.height * p->window.width * p->window.channels);
}

static inline size_t outer_count(const struct pair *p)
{
    return p->batch * (size_t)(p->window.out_height * p->window.out_width * p->window.channels);
}

/* Values with equals among neighbours and many zeros, as after a ReLU. */
static inline struct typed activations(size_t count, const struct pair *p)
{
    float *values = floats_new(count);
    fill_random(values, count, p->random);
    for (size_t i = 0; i < count; i++)
        values[i] = fmaxf(0, roundf(8 * values[i]) / 4);
    struct typed t = typed_of(values, count, p->half);
    free(values);
    return t;
}

#endif
