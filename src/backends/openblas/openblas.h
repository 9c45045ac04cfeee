/* The openblas backend: a stage a layer, a file an operation, activations NHWC throughout. */
#ifndef BACKENDS_OPENBLAS_H
#define BACKENDS_OPENBLAS_H

#include "backend.h"

/* A layer in a plan: the state of its stage. The plan owns all memory. */
struct operation {
    const struct net_layer *layer;
    int batch;
    const float *parameters; /* flat, since the last prepare */
    const float *x;          /* (batch, in) */
    float *y;                /* (batch, out) */
    float *dx, *dy;          /* their gradients; dx NULL where nobody wants it */
    float *scratch;          /* as long as the longest of all operations wants it */
};

/* Of one kind of layer; the two steps as in struct stage. */
struct operation_kind {
    int (*forward)(struct stage *stage, float *gradients, struct error *why);
    int (*backward)(struct stage *stage, float *gradients, struct error *why);
    size_t (*scratch)(const struct net_layer *layer); /* floats */
};

extern const struct operation_kind blas_convolution, blas_dense, blas_max_pool, blas_norm;

/* Bias and ReLU (pointwise.c) of `rows` rows of `channels` values. */
void blas_bias_set(float *y, const float *bias, size_t rows, size_t channels);
void blas_bias_gradient(float *sums, const float *dy, size_t rows, size_t channels); /* adds to sums */
void blas_relu_forward(float *y, size_t count);
void blas_relu_backward(float *dy, const float *y, size_t count); /* dy = 0 where y = 0 */

#endif
