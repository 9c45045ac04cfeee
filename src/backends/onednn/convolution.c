/* Convolutions: NHWC activations, weights in whatever layout the library likes best, brought there from the flat
 * buffer once after every update, and the weights' gradient back once a step. */
#include <stdio.h>
#include <stdlib.h>

#include "onednn.h"

struct convolution {
    struct weighted forward, input_gradient, weight_gradient;
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

/* The copy of the weights between the flat buffer and `w`'s argument of that kind, there or back. */
static int init_copy(struct weighted *w, const struct operation *o, const struct shapes *s, bool back,
                     struct error *why)
{
    int argument = back ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS;
    const dnnl_memory_desc_t *wanted =
        primitive_wants(&w->primitive, back ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    if (primitive_bind(&w->primitive, argument, wanted, NULL, why))
        return -1;
    /* Where the flat buffer lies is told before every copy: until then any place will do. */
    const float *data = primitive_data(&w->primitive, argument);
    name_primitive(&w->copy, o, "copy of the weights");
    if (primitive_init_reorder(&w->copy, o->library, back ? wanted : &s->flat, back ? &s->flat : wanted, why) ||
        primitive_bind(&w->copy, DNNL_ARG_FROM, back ? wanted : &s->flat, data, why))
        return -1;
    return primitive_bind(&w->copy, DNNL_ARG_TO, back ? &s->flat : wanted, data, why);
}

int weighted_init_forward(struct weighted *w, const struct operation *o, bool relu, struct error *why)
{
    struct primitive *p = &w->primitive;
    struct shapes s;
    dnnl_convolution_desc_t desc;
    name_primitive(p, o, "convolution");
    if (library_check(describe(o, &s), p->about, "shapes", why))
        return -1;
    dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
        &desc, dnnl_forward_training, dnnl_convolution_direct, &s.x, &s.weights, &s.bias, &s.y, s.strides, s.dilates,
        s.before, s.after);
    if (library_check(status, p->about, "descriptor", why) ||
        primitive_init(p, o->library, &desc, relu, NULL, why) || primitive_bind(p, DNNL_ARG_SRC, &s.x, o->x, why) ||
        primitive_bind(p, DNNL_ARG_DST, &s.y, o->y, why) || primitive_bind(p, DNNL_ARG_BIAS, &s.bias, o->y, why))
        return -1;
    return init_copy(w, o, &s, false, why);
}

static int init_input_gradient(struct weighted *w, const struct operation *o, const struct primitive *forward,
                               struct error *why)
{
    struct primitive *p = &w->primitive;
    struct shapes s;
    dnnl_convolution_desc_t desc;
    name_primitive(p, o, "convolution's input gradient");
    if (library_check(describe(o, &s), p->about, "shapes", why))
        return -1;
    dnnl_status_t status = dnnl_dilated_convolution_backward_data_desc_init(
        &desc, dnnl_convolution_direct, &s.x, &s.weights, &s.y, s.strides, s.dilates, s.before, s.after);
    if (library_check(status, p->about, "descriptor", why) ||
        primitive_init(p, o->library, &desc, false, forward, why) ||
        primitive_bind(p, DNNL_ARG_DIFF_SRC, &s.x, o->dx, why) ||
        primitive_bind(p, DNNL_ARG_DIFF_DST, &s.y, o->dy, why))
        return -1;
    return init_copy(w, o, &s, false, why);
}

static int init_weight_gradient(struct weighted *w, const struct operation *o, const struct primitive *forward,
                                struct error *why)
{
    struct primitive *p = &w->primitive;
    struct shapes s;
    dnnl_convolution_desc_t desc;
    name_primitive(p, o, "convolution's weight gradient");
    if (library_check(describe(o, &s), p->about, "shapes", why))
        return -1;
    dnnl_status_t status = dnnl_dilated_convolution_backward_weights_desc_init(
        &desc, dnnl_convolution_direct, &s.x, &s.weights, &s.bias, &s.y, s.strides, s.dilates, s.before, s.after);
    if (library_check(status, p->about, "descriptor", why) ||
        primitive_init(p, o->library, &desc, false, forward, why) ||
        primitive_bind(p, DNNL_ARG_SRC, &s.x, o->x, why) || primitive_bind(p, DNNL_ARG_DIFF_DST, &s.y, o->dy, why) ||
        primitive_bind(p, DNNL_ARG_DIFF_BIAS, &s.bias, o->y, why))
        return -1;
    return init_copy(w, o, &s, true, why);
}

int weighted_take(struct weighted *w, const float *weights, struct error *why)
{
    if (primitive_point(&w->copy, DNNL_ARG_FROM, weights, why))
        return -1;
    return primitive_run(&w->copy, why);
}

void weighted_free(struct weighted *w)
{
    primitive_free(&w->primitive);
    primitive_free(&w->copy);
}

static int convolution_init(struct operation *o, struct error *why)
{
    struct convolution *c = o->own = memory_new(1, sizeof *c, o->layer->layer.name, why);
    if (!c || weighted_init_forward(&c->forward, o, o->layer->layer.relu, why) ||
        (o->dx && init_input_gradient(&c->input_gradient, o, &c->forward.primitive, why)) ||
        (o->dy && init_weight_gradient(&c->weight_gradient, o, &c->forward.primitive, why)))
        return -1;
    return 0;
}

static int convolution_prepare(struct operation *o, struct error *why)
{
    struct convolution *c = o->own;
    const float *weights = o->parameters + o->layer->weights, *biases = o->parameters + o->layer->biases;
    if (primitive_point(&c->forward.primitive, DNNL_ARG_BIAS, biases, why) ||
        weighted_take(&c->forward, weights, why))
        return -1;
    return o->dx ? weighted_take(&c->input_gradient, weights, why) : 0;
}

static int convolution_forward(struct operation *o, struct error *why)
{
    struct convolution *c = o->own;
    return primitive_run(&c->forward.primitive, why);
}

static int convolution_backward(struct operation *o, float *gradients, struct error *why)
{
    struct convolution *c = o->own;
    struct weighted *w = &c->weight_gradient;
    if (o->layer->layer.relu)
        relu_backward(o->dy, o->y, o->batch * shape_size(o->layer->out));
    if (primitive_point(&w->primitive, DNNL_ARG_DIFF_BIAS, gradients + o->layer->biases, why) ||
        primitive_point(&w->copy, DNNL_ARG_TO, gradients + o->layer->weights, why) ||
        primitive_run(&w->primitive, why) || primitive_run(&w->copy, why))
        return -1;
    return o->dx ? primitive_run(&c->input_gradient.primitive, why) : 0;
}

static void convolution_free(struct operation *o)
{
    struct convolution *c = o->own;
    if (!c)
        return;
    weighted_free(&c->forward);
    weighted_free(&c->input_gradient);
    weighted_free(&c->weight_gradient);
    free(c);
}

const struct operation_kind onednn_convolution = {
    .layers = 1,
    .init = convolution_init,
    .prepare = convolution_prepare,
    .forward = convolution_forward,
    .backward = convolution_backward,
    .free = convolution_free,
};
