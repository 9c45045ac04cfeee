/* Dense layers: y = x W + b. The library's sgemm on the flat buffers is as fast as its inner product primitives with
 * weights in their own layout. Only for the gradient of x it would transpose W at every call: that is done here, once
 * after every update. Row-major, as all of dnnl_sgemm. */
#include <stdio.h>
#include <stdlib.h>

#include "onednn.h"

/* c (m, n) = a b; a is (m, k), or (k, m) with transpose_a = 'T', and b likewise. */
static int multiply(const struct host_operation *o, const char *what, char transpose_a, char transpose_b, size_t m,
                    size_t n, size_t k, const float *a, const float *b, float *c, struct error *why)
{
    dnnl_status_t status = dnnl_sgemm(transpose_a, transpose_b, (dnnl_dim_t)m, (dnnl_dim_t)n, (dnnl_dim_t)k, 1, a,
                                      (dnnl_dim_t)(transpose_a == 'N' ? k : m), b,
                                      (dnnl_dim_t)(transpose_b == 'N' ? n : k), 0, c, (dnnl_dim_t)n);
    char about[128];
    if (status == dnnl_success)
        return 0;
    snprintf(about, sizeof about, "%s, %s, (%zu,%zu) of %zu products", o->layer->layer.name, what, m, n, k);
    return onednn_check(status, about, "sgemm", why);
}

static int init_transposition(struct primitive *p, const struct host_operation *o, const_layout plain,
                              const_layout transposed, struct error *why)
{
    if (primitive_init_reorder(p, onednn_library(o), plain, transposed, why) ||
        primitive_bind(p, DNNL_ARG_TO, transposed, NULL, why))
        return -1;
    /* Where W lies is told before every copy: until then any place will do. */
    return primitive_bind(p, DNNL_ARG_FROM, plain, primitive_data(p, DNNL_ARG_TO), why);
}

/* For the gradient of x: a copy of W as (out, in). */
static int transpose_weights(const struct host_operation *o, struct primitive *p, struct error *why)
{
    const struct net_layer *l = o->layer;
    dnnl_dims_t shape = {(dnnl_dim_t)shape_size(l->in), l->out.channels};
    layout plain = NULL, transposed = NULL;
    snprintf(p->about, sizeof p->about, "%s, weights transposed", l->layer.name);
    int status = layout_new(&plain, 2, shape, dnnl_ab, p->about, why);
    if (!status)
        status = layout_new(&transposed, 2, shape, dnnl_ba, p->about, why);
    if (!status)
        status = init_transposition(p, o, plain, transposed, why);
    layout_free(plain);
    layout_free(transposed);
    return status;
}

static int dense_init(struct host_operation *o, struct error *why)
{
    if (!o->dx)
        return 0;
    o->own = memory_new(1, sizeof(struct primitive), o->layer->layer.name, why);
    return o->own ? transpose_weights(o, o->own, why) : -1;
}

static void dense_free(struct host_operation *o)
{
    if (o->own)
        primitive_free(o->own);
    free(o->own);
}

static int dense_prepare(struct host_operation *o, struct error *why)
{
    if (!o->own)
        return 0;
    if (primitive_point(o->own, DNNL_ARG_FROM, host_parameters(o, o->layer->weights), why))
        return -1;
    return primitive_run(o->own, why);
}

static int dense_forward(struct host_operation *o, struct error *why)
{
    const struct net_layer *l = o->layer;
    size_t batch = o->batch, in = shape_size(l->in), out = l->out.channels;
    if (multiply(o, "product", 'N', 'N', batch, out, in, o->x, host_parameters(o, l->weights), o->y, why))
        return -1;
    bias_relu_forward(o->y, host_parameters(o, l->biases), l->layer.activation == ACTIVATION_RELU, batch, out);
    return 0;
}

static int dense_backward(struct host_operation *o, struct error *why)
{
    const struct net_layer *l = o->layer;
    size_t batch = o->batch, in = shape_size(l->in), out = l->out.channels;
    if (l->layer.activation == ACTIVATION_RELU)
        relu_backward(o->dy, o->y, batch * out);
    if (l->biases)
        bias_gradient(host_gradients(o, l->biases), o->dy, batch, out);
    if (multiply(o, "weight gradient", 'T', 'N', in, out, batch, o->x, o->dy, host_gradients(o, l->weights), why))
        return -1;
    if (!o->dx)
        return 0;
    return multiply(o, "input gradient", 'N', 'N', batch, in, out, o->dy, primitive_data(o->own, DNNL_ARG_TO), o->dx,
                    why);
}

const struct host_kind onednn_dense = {
    .layers = 1,
    .init = dense_init,
    .prepare = dense_prepare,
    .forward = dense_forward,
    .backward = dense_backward,
    .free = dense_free,
};
