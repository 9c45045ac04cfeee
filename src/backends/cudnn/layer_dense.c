/* Dense layers by cuBLAS. It thinks in columns: our rows (batch, in) are its (in, batch), and weights (in, out) its (out, in). */
#include <stdlib.h>

#include "operations.h"

struct own {
    void *masked;  /* (batch, out): dy behind the ReLU, in the type of x; NULL: dy itself holds it */
    float *sums;   /* of the biases' gradients, in parts */
};

static int dense_init(struct operation *o, struct error *why)
{
    const struct net_layer *l = o->layer;
    struct own *own = o->own = memory_new(1, sizeof *own, "a dense layer", why);
    if (!own)
        return -1;
    o->slice.half = o->x_half;
    if (o->x_half && !(o->slice.filter = device_new(2 * l->weight_count, "a dense layer's weights in bfloat16", why)))
        return -1;
    if (!o->dy || o->masked)
        return 0;
    if (o->x_half != o->y_half &&
        !(own->masked = device_new(2 * (size_t)o->batch * l->bias_count, "a dense layer's gradients in bfloat16", why)))
        return -1;
    size_t sums = (size_t)bias_parts((size_t)o->batch) * l->bias_count;
    own->sums = device_new(sums * sizeof(float), "the sums of a bias", why);
    return own->sums ? 0 : -1;
}

/* A matrix of cuBLAS's. */
struct matrix {
    const void *data;
    cublasOperation_t how;
    int leading;
    bool half;
};

/* c (m, n) = a (m, k) b (k, n), in columns. */
static int multiply(const struct operation *o, struct matrix a, struct matrix b, int m, int n, int k, void *c, bool c_half,
                    struct error *why)
{
    static const float one = 1, zero = 0;
    cublasComputeType_t compute =
        o->library->precision == PRECISION_TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    return CUBLAS(cublasGemmEx(o->library->cublas, a.how, b.how, m, n, k, &one, a.data, a.half ? CUDA_R_16BF : CUDA_R_32F,
                               a.leading, b.data, b.half ? CUDA_R_16BF : CUDA_R_32F, b.leading, &zero, c,
                               c_half ? CUDA_R_16BF : CUDA_R_32F, m, compute, CUBLAS_GEMM_DEFAULT), why);
}

static const void *weights_of(const struct operation *o)
{
    return o->slice.filter ? o->slice.filter : o->parameters + o->layer->weights;
}

static int dense_forward(struct operation *o, struct error *why)
{
    const struct net_layer *l = o->layer;
    int in = (int)shape_size(l->in), out = (int)l->bias_count;
    struct matrix weights = {weights_of(o), CUBLAS_OP_N, out, o->x_half}, x = {o->x, CUBLAS_OP_N, in, o->x_half};
    struct bias_relu_arguments bias = {
        .y = o->y, .bias = o->parameters + l->biases, .rows = (size_t)o->batch, .channels = out, .relu = l->layer.relu,
        .half = o->y_half,
    };
    size_t blocks = kernel_blocks(KERNEL_bias_relu, bias.rows * l->bias_count);
    if (multiply(o, weights, x, out, o->batch, in, o->y, o->y_half, why))
        return -1;
    return o->masked ? 0 : kernel_launch(o->library, KERNEL_bias_relu, blocks, &bias, why);
}

/* The biases' gradients: of one part they are there already. */
static int sum_biases(struct operation *o, void *masked, float *gradients, struct error *why)
{
    const struct own *own = o->own;
    const struct net_layer *l = o->layer;
    bool at_once = bias_parts((size_t)o->batch) == 1;
    if (bias_mask(o, (size_t)o->batch, masked, o->x_half, at_once ? gradients + l->biases : own->sums, why))
        return -1;
    if (at_once)
        return 0;
    struct weights_backward_arguments arguments = {
        .sums = own->sums, .biases = gradients + l->biases, .out = (int)l->bias_count,
        .parts = bias_parts((size_t)o->batch),
    };
    size_t blocks = kernel_blocks(KERNEL_weights_backward, l->bias_count);
    return kernel_launch(o->library, KERNEL_weights_backward, blocks, &arguments, why);
}

static int dense_backward(struct operation *o, float *gradients, struct error *why)
{
    const struct own *own = o->own;
    const struct net_layer *l = o->layer;
    int in = (int)shape_size(l->in), out = (int)l->bias_count;
    void *masked = own->masked ? own->masked : o->dy;
    if (!o->masked && sum_biases(o, masked, gradients, why))
        return -1;
    struct matrix dy = {masked, CUBLAS_OP_N, out, o->x_half}, x = {o->x, CUBLAS_OP_T, in, o->x_half};
    struct matrix weights = {weights_of(o), CUBLAS_OP_T, out, o->x_half};
    if (multiply(o, dy, x, out, in, o->batch, gradients + l->weights, false, why))
        return -1;
    return o->dx ? multiply(o, weights, dy, in, o->batch, out, o->dx, o->x_half, why) : 0;
}

static void dense_free(struct operation *o)
{
    struct own *own = o->own;
    if (own) {
        device_free(own->masked);
        device_free(own->sums);
    }
    free(own);
    device_free(o->slice.filter);
}

const struct operation_kind cudnn_dense = {
    .init = dense_init, .forward = dense_forward, .backward = dense_backward, .free = dense_free,
};
