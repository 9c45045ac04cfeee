/* The openblas backend: one stage per layer, one file per kind of layer, all activations NHWC. */
#ifndef BACKENDS_OPENBLAS_H
#define BACKENDS_OPENBLAS_H

#include "../host.h"

extern const struct host_kind openblas_convolution, openblas_dense, openblas_max_pool, openblas_lrn;

/* pointwise.c: biases (NULL: zeros) and ReLU, for `rows` rows of `channels` values. */
void openblas_bias_set(float *y, const float *bias, size_t rows, size_t channels);
void openblas_bias_gradient(float *sums, const float *dy, size_t rows, size_t channels); /* adds to sums */

#endif
