/* Dense layers: y = x W + b. The library's sgemm on the flat buffers is as fast as its inner product primitives with
 * weights in their own layout, and needs no copies of them. Row-major, as all of dnnl_sgemm. */
#include <stdio.h>

#include "onednn.h"

/* c (m, n) = a b; a is (m, k), or (k, m) with transpose_a = 'T', and b likewise. */
static int multiply(const struct operation *o, const char *what, char transpose_a, char transpose_b, size_t m,
                    size_t n, size_t k, const float *a, const float *b, float *c, struct error *why)
{
    dnnl_status_t status = dnnl_sgemm(transpose_a, transpose_b, (dnnl_dim_t)m, (dnnl_dim_t)n, (dnnl_dim_t)k, 1, a,
                                      (dnnl_dim_t)(transpose_a == 'N' ? k : m), b,
                                      (dnnl_dim_t)(transpose_b == 'N' ? n : k), 0, c, (dnnl_dim_t)n);
    char about[128];
    if (status == dnnl_success)
        return 0;
    snprintf(about, sizeof about, "%s, %s, (%zu,%zu) of %zu products", o->layer->layer.name, what, m, n, k);
    return library_check(status, about, "sgemm", why);
}

static int dense_forward(struct operation *o, struct error *why)
{
    const struct net_layer *l = o->layer;
    size_t batch = o->batch, in = shape_size(l->in), out = l->out.channels;
    if (multiply(o, "product", 'N', 'N', batch, out, in, o->x, o->parameters + l->weights, o->y, why))
        return -1;
    bias_relu_forward(o->y, o->parameters + l->biases, l->layer.relu, batch, out);
    return 0;
}

static int dense_backward(struct operation *o, float *gradients, struct error *why)
{
    const struct net_layer *l = o->layer;
    size_t batch = o->batch, in = shape_size(l->in), out = l->out.channels;
    if (l->layer.relu)
        relu_backward(o->dy, o->y, batch * out);
    bias_gradient(gradients + l->biases, o->dy, batch, out);
    if (multiply(o, "weight gradient", 'T', 'N', in, out, batch, o->x, o->dy, gradients + l->weights, why))
        return -1;
    if (!o->dx)
        return 0;
    return multiply(o, "input gradient", 'N', 'T', batch, in, out, o->dy, o->parameters + l->weights, o->dx, why);
}

const struct operation_kind onednn_dense = {.layers = 1, .forward = dense_forward, .backward = dense_backward};
