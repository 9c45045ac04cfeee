/* Convolutions: NHWC activations, weights in whatever layout the library likes best, brought there from the flat
 * buffer once after every update, and the weights' gradient back once a step. */
#include <stdio.h>
#include <stdlib.h>

#include "onednn.h"

struct convolution {
    struct primitive forward, data, weights;                      /* data, weights: the two gradients */
    struct primitive to_forward, to_data, to_flat; /* reorders of weights: HWIO to the library's and back */
};

/* Descriptors of plain layouts, weights `any` for the library to choose. */
struct shapes {
    dnnl_memory_desc_t x, y, bias, weights, flat;
    dnnl_dims_t strides, dilates, before, after;
};

static dnnl_status_t describe(const struct operation *o, struct shapes *s)
{
    const struct net_layer *l = o->layer;
    dnnl_dim_t in = l->in.channels, out = l->out.channels, kernel = l->layer.kernel, stride = l->layer.stride;
    dnnl_dims_t x = {o->batch, in, l->in.height, l->in.width}, y = {o->batch, out, l->out.height, l->out.width};
    dnnl_dims_t weights = {out, in, kernel, kernel}, bias = {out};
    dnnl_status_t status;

    for (int i = 0; i < 2; i++) {
        s->strides[i] = stride;
        s->dilates[i] = 0;
        s->before[i] = i ? l->pad_left : l->pad_top;
        s->after[i] = (y[2 + i] - 1) * stride + kernel - x[2 + i] - s->before[i];
    }
    if ((status = dnnl_memory_desc_init_by_tag(&s->x, 4, x, dnnl_f32, dnnl_nhwc)) != dnnl_success ||
        (status = dnnl_memory_desc_init_by_tag(&s->y, 4, y, dnnl_f32, dnnl_nhwc)) != dnnl_success ||
        (status = dnnl_memory_desc_init_by_tag(&s->weights, 4, weights, dnnl_f32, dnnl_format_tag_any)) !=
            dnnl_success ||
        (status = dnnl_memory_desc_init_by_tag(&s->flat, 4, weights, dnnl_f32, dnnl_hwio)) != dnnl_success)
        return status;
    return dnnl_memory_desc_init_by_tag(&s->bias, 1, bias, dnnl_f32, dnnl_x);
}

static void name_primitive(struct primitive *p, const struct operation *o, const char *what)
{
    const struct net_layer *l = o->layer;
    snprintf(p->about, sizeof p->about, "%s, %s, (%d,%d,%d,%d), %dx%d to %d", l->layer.name, what, o->batch,
             l->in.height, l->in.width, l->in.channels, l->layer.kernel, l->layer.kernel, l->out.channels);
}

static int init_forward(struct operation *o, struct shapes *s, struct error *why)
{
    struct convolution *c = o->own;
    struct primitive *p = &c->forward;
    dnnl_convolution_desc_t desc;
    name_primitive(p, o, "convolution");
    dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
        &desc, dnnl_forward_training, dnnl_convolution_direct, &s->x, &s->weights, &s->bias, &s->y, s->strides,
        s->dilates, s->before, s->after);
    if (library_check(status, p->about, "descriptor", why) ||
        primitive_init(p, o->library, &desc, o->layer->layer.relu, NULL, why) ||
        primitive_bind(p, DNNL_ARG_SRC, &s->x, o->x, why) || primitive_bind(p, DNNL_ARG_DST, &s->y, o->y, why) ||
        primitive_bind(p, DNNL_ARG_WEIGHTS, primitive_wants(p, dnnl_query_weights_md, 0), NULL, why))
        return -1;
    /* The biases lie in the parameters, which prepare tells: until then any place will do. */
    return primitive_bind(p, DNNL_ARG_BIAS, &s->bias, o->y, why);
}

static int init_data_gradient(struct operation *o, struct shapes *s, struct error *why)
{
    struct convolution *c = o->own;
    struct primitive *p = &c->data;
    dnnl_convolution_desc_t desc;
    name_primitive(p, o, "convolution's input gradient");
    dnnl_status_t status = dnnl_dilated_convolution_backward_data_desc_init(
        &desc, dnnl_convolution_direct, &s->x, &s->weights, &s->y, s->strides, s->dilates, s->before, s->after);
    if (library_check(status, p->about, "descriptor", why) ||
        primitive_init(p, o->library, &desc, false, &c->forward, why) ||
        primitive_bind(p, DNNL_ARG_DIFF_SRC, &s->x, o->dx, why) ||
        primitive_bind(p, DNNL_ARG_DIFF_DST, &s->y, o->dy, why))
        return -1;
    return primitive_bind(p, DNNL_ARG_WEIGHTS, primitive_wants(p, dnnl_query_weights_md, 0), NULL, why);
}

static int init_weight_gradient(struct operation *o, struct shapes *s, struct error *why)
{
    struct convolution *c = o->own;
    struct primitive *p = &c->weights;
    dnnl_convolution_desc_t desc;
    name_primitive(p, o, "convolution's weight gradient");
    dnnl_status_t status = dnnl_dilated_convolution_backward_weights_desc_init(
        &desc, dnnl_convolution_direct, &s->x, &s->weights, &s->bias, &s->y, s->strides, s->dilates, s->before,
        s->after);
    if (library_check(status, p->about, "descriptor", why) ||
        primitive_init(p, o->library, &desc, false, &c->forward, why) ||
        primitive_bind(p, DNNL_ARG_SRC, &s->x, o->x, why) || primitive_bind(p, DNNL_ARG_DIFF_DST, &s->y, o->dy, why) ||
        primitive_bind(p, DNNL_ARG_DIFF_WEIGHTS, primitive_wants(p, dnnl_query_diff_weights_md, 0), NULL, why))
        return -1;
    return primitive_bind(p, DNNL_ARG_DIFF_BIAS, &s->bias, o->y, why);
}

/* A copy of weights between the flat buffer and argument `argument` of `primitive`, there or back. */
static int init_reorder(struct primitive *p, const struct operation *o, const struct shapes *s,
                        const struct primitive *primitive, int argument, bool back, struct error *why)
{
    const dnnl_memory_desc_t *library =
        primitive_wants(primitive, back ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    const float *data = primitive_data(primitive, argument);
    name_primitive(p, o, "copy of the weights");
    if (primitive_init_reorder(p, o->library, back ? library : &s->flat, back ? &s->flat : library, why))
        return -1;
    return primitive_bind(p, DNNL_ARG_FROM, back ? library : &s->flat, data, why) ||
                   primitive_bind(p, DNNL_ARG_TO, back ? &s->flat : library, data, why)
               ? -1
               : 0;
}

static int convolution_init(struct operation *o, struct error *why)
{
    struct shapes s;
    struct convolution *c = o->own = memory_new(1, sizeof *c, o->layer->layer.name, why);
    if (!c || library_check(describe(o, &s), o->layer->layer.name, "shapes", why) || init_forward(o, &s, why) ||
        init_reorder(&c->to_forward, o, &s, &c->forward, DNNL_ARG_WEIGHTS, false, why))
        return -1;
    if (o->dx && (init_data_gradient(o, &s, why) ||
                  init_reorder(&c->to_data, o, &s, &c->data, DNNL_ARG_WEIGHTS, false, why)))
        return -1;
    if (o->dy && (init_weight_gradient(o, &s, why) ||
                  init_reorder(&c->to_flat, o, &s, &c->weights, DNNL_ARG_DIFF_WEIGHTS, true, why)))
        return -1;
    return 0;
}

static int convolution_prepare(struct operation *o, struct error *why)
{
    struct convolution *c = o->own;
    const float *weights = o->parameters + o->layer->weights, *biases = o->parameters + o->layer->biases;
    if (primitive_point(&c->forward, DNNL_ARG_BIAS, biases, why) ||
        primitive_point(&c->to_forward, DNNL_ARG_FROM, weights, why) || primitive_run(&c->to_forward, why))
        return -1;
    if (o->dx &&
        (primitive_point(&c->to_data, DNNL_ARG_FROM, weights, why) || primitive_run(&c->to_data, why)))
        return -1;
    return 0;
}

static int convolution_forward(struct operation *o, struct error *why)
{
    struct convolution *c = o->own;
    return primitive_run(&c->forward, why);
}

static int convolution_backward(struct operation *o, float *gradients, struct error *why)
{
    struct convolution *c = o->own;
    if (o->layer->layer.relu)
        relu_backward(o->dy, o->y, o->batch * shape_size(o->layer->out));
    if (primitive_point(&c->weights, DNNL_ARG_DIFF_BIAS, gradients + o->layer->biases, why) ||
        primitive_point(&c->to_flat, DNNL_ARG_TO, gradients + o->layer->weights, why) ||
        primitive_run(&c->weights, why) || primitive_run(&c->to_flat, why))
        return -1;
    return o->dx ? primitive_run(&c->data, why) : 0;
}

static void convolution_free(struct operation *o)
{
    struct convolution *c = o->own;
    if (!c)
        return;
    struct primitive *all[] = {&c->forward, &c->data, &c->weights, &c->to_forward, &c->to_data, &c->to_flat};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        primitive_free(all[i]);
    free(c);
}

const struct operation_kind onednn_convolution = {
    .init = convolution_init,
    .prepare = convolution_prepare,
    .forward = convolution_forward,
    .backward = convolution_backward,
    .free = convolution_free,
};
