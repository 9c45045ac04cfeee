/* Convolutions. Activations are NHWC; the library chooses the layout of the weights, which are copied from the flat buffer after
 * every update. Their gradient is copied back once per step. */
#include <stdio.h>
#include <stdlib.h>

#include "onednn.h"

struct onednn_convolution {
    struct weighted forward, input_gradient, weight_gradient;
};

/* The layouts of a convolution's arrays, its strides and its padding. weights: chosen by the library; flat: as in the flat
 * buffer. */
struct shapes {
    layout x, y, bias, weights, flat;
    dnnl_dims_t strides, dilates, before, after;
};

static int shapes_init(struct shapes *s, const struct host_operation *o, const char *about, struct error *why)
{
    const struct net_layer *l = o->layer;
    dnnl_dim_t in = l->in.channels, out = l->out.channels, kernel = l->layer.kernel, stride = l->layer.stride;
    dnnl_dims_t x = {o->batch, in, l->in.height, l->in.width}, y = {o->batch, out, l->out.height, l->out.width};
    dnnl_dims_t weights = {out, in, kernel, kernel}, bias = {out};

    *s = (struct shapes){.strides = {stride, stride}, .before = {l->pad_top, l->pad_left}};
    for (int i = 0; i < 2; i++)
        s->after[i] = (y[2 + i] - 1) * stride + kernel - x[2 + i] - s->before[i];
    if (layout_new(&s->x, 4, x, dnnl_nhwc, about, why) || layout_new(&s->y, 4, y, dnnl_nhwc, about, why) ||
        layout_new(&s->weights, 4, weights, dnnl_format_tag_any, about, why) ||
        layout_new(&s->flat, 4, weights, dnnl_hwio, about, why) || layout_new(&s->bias, 1, bias, dnnl_x, about, why))
        return -1;
    return 0;
}

static void shapes_free(struct shapes *s)
{
    layout_free(s->x);
    layout_free(s->y);
    layout_free(s->bias);
    layout_free(s->weights);
    layout_free(s->flat);
}

static void name_primitive(struct primitive *p, const struct host_operation *o, const char *what)
{
    const struct net_layer *l = o->layer;
    snprintf(p->about, sizeof p->about, "%s, %s, (%d,%d,%d,%d), %dx%d to %d", l->layer.name, what, o->batch,
             l->in.height, l->in.width, l->in.channels, l->layer.kernel, l->layer.kernel, l->out.channels);
}

/* Makes the copy of the weights from the flat buffer or, with `back`, of their gradient to it. */
static int init_copy(struct weighted *w, const struct host_operation *o, const struct shapes *s, bool back,
                     struct error *why)
{
    int argument = back ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS;
    const_layout wanted = primitive_wants(&w->primitive, back ? dnnl_query_diff_weights_md : dnnl_query_weights_md);
    const_layout from = back ? wanted : s->flat, to = back ? s->flat : wanted;
    if (primitive_bind(&w->primitive, argument, wanted, NULL, why))
        return -1;
    /* The flat buffer's address is set before every copy; any address serves until then. */
    const float *data = primitive_data(&w->primitive, argument);
    name_primitive(&w->copy, o, "copy of the weights");
    if (primitive_init_reorder(&w->copy, library_of(o), from, to, why) ||
        primitive_bind(&w->copy, DNNL_ARG_FROM, from, data, why))
        return -1;
    return primitive_bind(&w->copy, DNNL_ARG_TO, to, data, why);
}

/* Makes the primitive's descriptor for one pass. forward: the forward pass's primitive, which the other passes need. */
static dnnl_status_t describe(struct primitive *p, dnnl_prop_kind_t pass, const struct shapes *s,
                              const struct primitive *forward, const_dnnl_primitive_attr_t attributes)
{
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    dnnl_engine_t engine = p->library->engine;
    if (pass == dnnl_backward_data)
        return dnnl_convolution_backward_data_primitive_desc_create(&p->desc, engine, direct, s->x, s->weights, s->y,
                                                                    s->strides, s->dilates, s->before, s->after,
                                                                    forward->desc, attributes);
    if (pass == dnnl_backward_weights)
        return dnnl_convolution_backward_weights_primitive_desc_create(&p->desc, engine, direct, s->x, s->weights, s->bias,
                                                                       s->y, s->strides, s->dilates, s->before, s->after,
                                                                       forward->desc, attributes);
    return dnnl_convolution_forward_primitive_desc_create(&p->desc, engine, pass, direct, s->x, s->weights, s->bias, s->y,
                                                          s->strides, s->dilates, s->before, s->after, attributes);
}

/* Binds all arguments but the weights. The address of the biases is set before a step. A layer without biases gets zeros, and a
 * bias gradient that nothing reads. */
static int bind(struct primitive *p, const struct host_operation *o, dnnl_prop_kind_t pass, const struct shapes *s,
                struct error *why)
{
    if (pass == dnnl_backward_data)
        return primitive_bind(p, DNNL_ARG_DIFF_SRC, s->x, o->dx, why) ||
               primitive_bind(p, DNNL_ARG_DIFF_DST, s->y, o->dy, why);
    if (pass == dnnl_backward_weights)
        return primitive_bind(p, DNNL_ARG_SRC, s->x, o->x, why) ||
               primitive_bind(p, DNNL_ARG_DIFF_DST, s->y, o->dy, why) ||
               primitive_bind(p, DNNL_ARG_DIFF_BIAS, s->bias, o->layer->biases ? o->y : NULL, why);
    return primitive_bind(p, DNNL_ARG_SRC, s->x, o->x, why) || primitive_bind(p, DNNL_ARG_DST, s->y, o->y, why) ||
           primitive_bind(p, DNNL_ARG_BIAS, s->bias, o->layer->biases ? o->y : NULL, why);
}

static int init_with(struct weighted *w, const struct host_operation *o, dnnl_prop_kind_t pass, const struct shapes *s,
                     bool relu, const struct primitive *forward, struct error *why)
{
    struct primitive *p = &w->primitive;
    dnnl_primitive_attr_t attributes;
    p->library = library_of(o);
    if (primitive_attributes(&attributes, relu, p->about, why))
        return -1;
    dnnl_status_t status = describe(p, pass, s, forward, attributes);
    dnnl_primitive_attr_destroy(attributes);
    if (onednn_check(status, p->about, "descriptor", why) || primitive_init(p, why) || bind(p, o, pass, s, why))
        return -1;
    return init_copy(w, o, s, pass == dnnl_backward_weights, why);
}

static int weighted_init(struct weighted *w, const struct host_operation *o, dnnl_prop_kind_t pass, bool relu,
                         const struct primitive *forward, struct error *why)
{
    struct shapes s;
    name_primitive(&w->primitive, o,
                   pass == dnnl_backward_data      ? "convolution's input gradient"
                   : pass == dnnl_backward_weights ? "convolution's weight gradient"
                                                   : "convolution");
    int status = shapes_init(&s, o, w->primitive.about, why);
    if (!status)
        status = init_with(w, o, pass, &s, relu, forward, why);
    shapes_free(&s);
    return status;
}

int weighted_init_forward(struct weighted *w, const struct host_operation *o, bool relu, struct error *why)
{
    return weighted_init(w, o, dnnl_forward_training, relu, NULL, why);
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

static int onednn_convolution_init(struct host_operation *o, struct error *why)
{
    struct onednn_convolution *c = o->own = memory_new(1, sizeof *c, o->layer->layer.name, why);
    if (!c || weighted_init_forward(&c->forward, o, o->layer->layer.activation == ACTIVATION_RELU, why) ||
        (o->dx && weighted_init(&c->input_gradient, o, dnnl_backward_data, false, &c->forward.primitive, why)) ||
        (o->dy && weighted_init(&c->weight_gradient, o, dnnl_backward_weights, false, &c->forward.primitive, why)))
        return -1;
    return 0;
}

static int onednn_convolution_prepare(struct host_operation *o, struct error *why)
{
    struct onednn_convolution *c = o->own;
    const float *weights = host_parameters(o, o->layer->weights), *biases = host_parameters(o, o->layer->biases);
    if ((biases && primitive_point(&c->forward.primitive, DNNL_ARG_BIAS, biases, why)) ||
        weighted_take(&c->forward, weights, why))
        return -1;
    return o->dx ? weighted_take(&c->input_gradient, weights, why) : 0;
}

static int onednn_convolution_forward(struct host_operation *o, struct error *why)
{
    struct onednn_convolution *c = o->own;
    return primitive_run(&c->forward.primitive, why);
}

static int onednn_convolution_backward(struct host_operation *o, struct error *why)
{
    struct onednn_convolution *c = o->own;
    struct weighted *w = &c->weight_gradient;
    float *weights = host_gradients(o, o->layer->weights), *biases = host_gradients(o, o->layer->biases);
    if (o->layer->layer.activation == ACTIVATION_RELU)
        relu_backward(o->dy, o->y, o->batch * shape_size(o->layer->out));
    if (biases && primitive_point(&w->primitive, DNNL_ARG_DIFF_BIAS, biases, why))
        return -1;
    if (weights && (primitive_point(&w->copy, DNNL_ARG_TO, weights, why) || primitive_run(&w->primitive, why) ||
                    primitive_run(&w->copy, why)))
        return -1;
    return o->dx ? primitive_run(&c->input_gradient.primitive, why) : 0;
}

static void onednn_convolution_free(struct host_operation *o)
{
    struct onednn_convolution *c = o->own;
    if (!c)
        return;
    weighted_free(&c->forward);
    weighted_free(&c->input_gradient);
    weighted_free(&c->weight_gradient);
    free(c);
}

const struct host_kind onednn_convolution = {
    .layers = 1,
    .init = onednn_convolution_init,
    .prepare = onednn_convolution_prepare,
    .forward = onednn_convolution_forward,
    .backward = onednn_convolution_backward,
    .free = onednn_convolution_free,
};
