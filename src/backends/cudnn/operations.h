/* A layer in a plan: the state of its stage, and what each kind of layer does (layer_*.c, a file for each kind). fuse.c decides
 * which neighbours are computed together. */
#ifndef BACKENDS_CUDNN_OPERATIONS_H
#define BACKENDS_CUDNN_OPERATIONS_H

#include "cudnn.h"

/* loss.c: the loss of a training step, where the last layer, of few outputs, computes it: forward each image's and its gradient,
 * backward the sums of all. */
struct step_loss {
    bool wanted; /* labels are the present pass's: from distort until the last layer's backward */
    const int32_t *labels;
    float *gradient;           /* the plan's output_gradient */
    struct image_result *images; /* (batch); NULL: the loss has a kernel of its own */
    float *tail;
    const struct pass_control *control;
    uint64_t *next; /* pass (struct pass_ring) */
};

/* The plan owns the activations. x, dx (batch, in) have x_channels channels; y, dy (batch, out). Of the layers that read an
 * activation, the last writes its gradient. An earlier one's dx is the plan's addend, which the plan then adds to that gradient. */
struct cudnn_operation {
    const struct cudnn_operation_kind *kind;
    const struct net_layer *layer;
    struct cudnn_library *library;
    int batch, x_channels;
    bool x_half, y_half;     /* bfloat16; else float */
    const float *parameters; /* flat, since the last prepare */
    float *gradients;        /* flat, for the sums of STATE tensors; NULL: they are not wanted */
    void *x, *added, *y;     /* added: what LAYER_ADD adds to x */
    void *dx, *dadded, *dy;  /* NULL where they are not needed */
    void *dx_sum, *dadded_sum; /* the gradients that dx and dadded are added to, where they are the addend; else NULL */
    void *own;     /* of the kind of layer: host memory; of a pool and a batch norm device memory */
    struct slice slice; /* its parameters, and the copies of them that it needs: the update writes those */
    struct cudnn_operation *partner; /* the neighbour that it shares kernels and a stage with; NULL: none */
    struct cudnn_operation *before;  /* an earlier operation: this one masks its gradient by its ReLU, and (unless by a product of
                                      * cublasLt) sums the gradient of its biases; NULL: none */
    bool masked;               /* it is the `before` of another: its dy is masked already */
    struct step_loss *loss;    /* the plan's, of its last layer; else NULL */
    void *dfilter;             /* of a convolution: its filter's gradient (out, kernel, kernel, x_channels), device memory */
    bool dfilter_half;
    float *sums;               /* of a convolution's biases' gradients: (parts, out), device memory */
    int parts;
};

/* Steps as in struct stage; those that a kind does not need are NULL. */
struct cudnn_operation_kind {
    int (*init)(struct cudnn_operation *operation, struct error *why);
    /* After the workspace was taken: chooses what is chosen by measurement, and describes it in `about`. */
    int (*choose)(struct cudnn_operation *operation, char *about, size_t size, struct error *why);
    int (*forward)(struct cudnn_operation *operation, struct error *why);
    int (*backward)(struct cudnn_operation *operation, float *gradients, struct error *why);
    void (*free)(struct cudnn_operation *operation);
};

extern const struct cudnn_operation_kind cudnn_convolution_kind, cudnn_dense_kind, cudnn_dense_few_kind, cudnn_max_pool_kind,
    cudnn_norm_kind, cudnn_add_kind, cudnn_batch_norm_kind;
/* In a pair the norm's functions do what both share. */
extern const struct cudnn_operation_kind cudnn_norm_after_pool_kind, cudnn_pool_before_norm_kind, cudnn_norm_before_pool_kind,
    cudnn_pool_after_norm_kind;

/* fuse.c: sets kind, partner, before and masked of all operations, once the rest of them is set. */
void fuse(struct cudnn_operation *operations, int count);

/* finish.c: the sum of a bias's parts (parts, out), where it is wanted before the end of the backward pass. */
int finish_biases(struct cudnn_library *library, const float *sums, int parts, int out, float *biases, struct error *why);

/* bias.c: sums over `rows` rows, in parts, by the kernels mask_bias and centred_sums. */
enum { BIAS_PARTS_MAX = 256 };
int bias_parts(size_t rows);
size_t bias_blocks(size_t rows, int channels); /* of these kernels */
/* dy = 0 where y = 0 (with ReLU), in place or into `masked`; sums (parts, channels), or NULL. */
int bias_mask(const struct cudnn_operation *o, size_t rows, void *masked, bool masked_half, float *sums, struct error *why);

/* layer_pool.c */
struct pool_geometry pool_geometry_of(const struct net_layer *layer);
/* layer_norm.c: how many neighbours in a row of the output a norm and the pool behind it take at a time; 0: they cannot. */
int norm_pool_columns(const struct net_layer *pool);

#endif
