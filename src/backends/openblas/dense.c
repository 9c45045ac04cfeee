/* Dense layers: y = x W + b, one matrix product over the batch. */
#include <cblas.h>
#include <string.h>

#include "openblas.h"

static int openblas_dense_forward(struct host_operation *o, struct error *why)
{
    (void)why;
    const struct net_layer *l = o->layer;
    int in = (int)shape_size(l->in), out = l->out.channels;
    const float *weights = host_parameters(o, l->weights), *biases = host_parameters(o, l->biases);

    openblas_bias_set(o->y, biases, o->batch, out);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, o->batch, out, in, 1, o->x, in, weights, out, 1, o->y, out);
    if (l->layer.activation == ACTIVATION_RELU)
        host_relu_forward(o->y, (size_t)o->batch * out);
    return 0;
}

static int openblas_dense_backward(struct host_operation *o, struct error *why)
{
    (void)why;
    const struct net_layer *l = o->layer;
    int in = (int)shape_size(l->in), out = l->out.channels;
    const float *weights = host_parameters(o, l->weights);
    float *dw = host_gradients(o, l->weights), *db = host_gradients(o, l->biases);

    if (l->layer.activation == ACTIVATION_RELU)
        host_relu_backward(o->dy, o->y, (size_t)o->batch * out);
    if (db) {
        memset(db, 0, out * sizeof *db);
        openblas_bias_gradient(db, o->dy, o->batch, out);
    }
    if (dw)
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, in, out, o->batch, 1, o->x, in, o->dy, out, 0, dw, out);
    if (o->dx)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, o->batch, in, out, 1, o->dy, out, weights, out, 0, o->dx,
                    in);
    return 0;
}

const struct host_kind openblas_dense = {.layers = 1, .forward = openblas_dense_forward, .backward = openblas_dense_backward};
