/* Dense layers: y = x W + b, one matrix product over the batch. */
#include <cblas.h>
#include <string.h>

#include "openblas.h"

static int dense_forward(struct stage *stage, float *gradients, struct error *why)
{
    (void)gradients, (void)why;
    struct operation *o = stage->state;
    const struct net_layer *l = o->layer;
    int in = (int)shape_size(l->in), out = l->out.channels;
    const float *weights = o->parameters + l->weights->offset, *biases = o->parameters + l->biases->offset;

    blas_bias_set(o->y, biases, o->batch, out);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, o->batch, out, in, 1, o->x, in, weights, out, 1, o->y, out);
    if (l->layer.activation == ACTIVATION_RELU)
        blas_relu_forward(o->y, (size_t)o->batch * out);
    return 0;
}

static int dense_backward(struct stage *stage, float *gradients, struct error *why)
{
    (void)why;
    struct operation *o = stage->state;
    const struct net_layer *l = o->layer;
    int in = (int)shape_size(l->in), out = l->out.channels;
    const float *weights = o->parameters + l->weights->offset;
    float *dw = gradients + l->weights->offset, *db = gradients + l->biases->offset;

    if (l->layer.activation == ACTIVATION_RELU)
        blas_relu_backward(o->dy, o->y, (size_t)o->batch * out);
    memset(db, 0, out * sizeof *db);
    blas_bias_gradient(db, o->dy, o->batch, out);
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, in, out, o->batch, 1, o->x, in, o->dy, out, 0, dw, out);
    if (o->dx)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, o->batch, in, out, 1, o->dy, out, weights, out, 0, o->dx,
                    in);
    return 0;
}

static size_t dense_scratch(const struct net_layer *layer)
{
    (void)layer;
    return 0;
}

const struct operation_kind blas_dense = {dense_forward, dense_backward, dense_scratch};
