/* A layer in a plan: the state of its stage, and what each kind of layer does. A file a kind: layer_*.c. */
#ifndef BACKENDS_CUDNN_OPERATIONS_H
#define BACKENDS_CUDNN_OPERATIONS_H

#include "cudnn.h"

/* The plan owns the activations. x, dx (batch, in) have x_channels channels; y, dy (batch, out). */
struct operation {
    const struct operation_kind *kind;
    const struct net_layer *layer;
    struct library *library;
    int batch, x_channels;
    bool x_half, y_half;     /* bfloat16; else float */
    const float *parameters; /* flat, since the last prepare */
    void *x, *y;
    void *dx, *dy; /* NULL where nobody wants them */
    void *own;     /* of the kind of layer; host memory */
};

/* Steps as in struct stage; those that a kind does not need are NULL. */
struct operation_kind {
    int (*init)(struct operation *operation, struct error *why);
    /* The workspace is there: what is chosen by measurement is chosen, and told in `about`. */
    int (*choose)(struct operation *operation, char *about, size_t size, struct error *why);
    int (*prepare)(struct operation *operation, struct error *why);
    int (*forward)(struct operation *operation, struct error *why);
    int (*backward)(struct operation *operation, float *gradients, struct error *why);
    void (*free)(struct operation *operation);
};

extern const struct operation_kind cudnn_convolution, cudnn_dense, cudnn_max_pool, cudnn_norm;

/* mask_bias and the sum of its parts, of `rows` rows of dy: what a bias of a convolution or a dense layer needs. */
enum { BIAS_PARTS_MAX = 256 };
int bias_parts(size_t rows);
/* dy = 0 where y = 0 (with ReLU), in place or into `masked`; sums (parts, channels). */
int bias_mask(const struct operation *o, size_t rows, void *masked, bool masked_half, float *sums, struct error *why);

#endif
