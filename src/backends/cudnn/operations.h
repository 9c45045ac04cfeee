/* A layer in a plan, and what each kind of layer does (layer_*.c, one file per kind). fuse.c decides which neighbours are
 * computed together. */
#ifndef BACKENDS_CUDNN_OPERATIONS_H
#define BACKENDS_CUDNN_OPERATIONS_H

#include "cudnn.h"

/* loss.c: the loss of a training step, if the last layer, of few outputs, computes it: forward, each image's loss and gradient;
 * backward, the sums of all. */
struct step_loss {
    bool wanted; /* the labels are the current pass's: from distort until the last layer's backward */
    const int32_t *labels;
    float *gradient;           /* the plan's output_gradient */
    struct image_result *images; /* (batch); NULL: the loss has its own kernel */
    float *tail;
    const struct pass_control *control;
    uint64_t *next; /* the next pass (struct pass_ring) */
};

/* The plan owns the activations. x, dx (batch, in) have x_channels channels; y, dy (batch, out). If several layers read an
 * activation, the last of them writes its gradient; an earlier one's dx is the plan's addend, which the plan then adds to that
 * gradient. */
struct cudnn_operation {
    const struct cudnn_operation_kind *kind;
    const struct net_layer *layer;
    struct cudnn_library *library;
    int batch, x_channels;
    bool x_half, y_half;     /* bfloat16; else float */
    const float *parameters; /* flat; from the last prepare */
    float *gradients;        /* flat, for the sums of STATE tensors; NULL: not wanted */
    void *x, *added, *y;     /* added: what LAYER_ADD adds to x */
    void *dx, *dadded, *dy;  /* NULL if not needed */
    void *dx_sum, *dadded_sum; /* if dx or dadded is the addend: the gradient it is added to; else NULL */
    void *own;     /* the kind's private data: host memory; device memory for pools and batch norms */
    struct slice slice; /* its parameters, and the copies of them that it needs; the update writes those */
    struct cudnn_operation *partner; /* the neighbour with which it shares kernels and a stage; NULL: none */
    struct cudnn_operation *before;  /* an earlier operation: this one masks its gradient by its ReLU, and (unless by a product of
                                      * cublasLt) sums the gradient of its biases; NULL: none */
    bool masked;               /* it is another's `before`, so its dy is already masked */
    struct step_loss *loss;    /* the last layer's, if it computes the loss; else NULL */
    void *dfilter;             /* of a convolution: its filter's gradient (out, kernel, kernel, x_channels), device memory */
    bool dfilter_half;
    float *sums;               /* of a convolution's biases' gradients: (parts, out), device memory */
    int parts;
};

/* The functions of a kind of layer, as in struct stage; those that it does not need are NULL. */
struct cudnn_operation_kind {
    int (*init)(struct cudnn_operation *operation, struct error *why);
    /* Called once the workspace is taken: chooses by measurement, and describes the choice in `about`. */
    int (*choose)(struct cudnn_operation *operation, char *about, size_t size, struct error *why);
    int (*forward)(struct cudnn_operation *operation, struct error *why);
    int (*backward)(struct cudnn_operation *operation, float *gradients, struct error *why);
    void (*free)(struct cudnn_operation *operation);
};

extern const struct cudnn_operation_kind cudnn_convolution_kind, cudnn_dense_kind, cudnn_dense_few_kind, cudnn_max_pool_kind,
    cudnn_norm_kind, cudnn_add_kind, cudnn_batch_norm_kind;
/* In a pair, the norm's functions compute both layers, unless they call the pool's. */
extern const struct cudnn_operation_kind cudnn_norm_after_pool_kind, cudnn_pool_before_norm_kind, cudnn_norm_before_pool_kind,
    cudnn_pool_after_norm_kind;

/* fuse.c: sets kind, partner, before and masked of all operations; the other members must be set. */
void fuse(struct cudnn_operation *operations, int count);

/* finish.c: sums a bias's parts (parts, out) before the end of the backward pass. */
int finish_biases(struct cudnn_library *library, const float *sums, int parts, int out, float *biases, struct error *why);

/* bias.c: sums over `rows` rows, in parts, by the kernels mask_bias and centred_sums. */
enum { BIAS_PARTS_MAX = 256 };
int bias_parts(size_t rows);
size_t bias_blocks(size_t rows, int channels); /* blocks of these kernels */
/* dy = 0 where y = 0 (with ReLU), in place or into `masked`; sums (parts, channels), or NULL. */
int bias_mask(const struct cudnn_operation *o, size_t rows, void *masked, bool masked_half, float *sums, struct error *why);

/* layer_pool.c */
struct pool_geometry pool_geometry_of(const struct net_layer *layer);
/* layer_norm.c: how many neighbours in a row of the output a norm and the pool after it compute at a time; 0: they cannot be
 * paired. */
int norm_pool_columns(const struct net_layer *pool);

#endif
