/* A convolution layer: cuDNN's passes. Its filter is a copy of the weights in cuDNN's layout; finish.c turns its gradient back. */
#include <stdlib.h>

#include "operations.h"

static size_t rows_of(const struct operation *o)
{
    return (size_t)o->batch * (size_t)o->layer->out.height * (size_t)o->layer->out.width;
}

static size_t filter_count(const struct operation *o)
{
    const struct layer *l = &o->layer->layer;
    return (size_t)l->outputs * (size_t)l->kernel * (size_t)l->kernel * (size_t)o->x_channels;
}

static int convolution_memory_new(struct operation *o, struct error *why)
{
    const struct net_layer *l = o->layer;
    const struct convolution *c = o->own;
    struct slice *slice = &o->slice;
    slice->kernel = l->layer.kernel, slice->in = l->in.channels, slice->out = l->out.channels;
    slice->y_in = o->x_channels, slice->half = o->x_half;
    if (!(slice->filter = device_new(filter_count(o) * element_bytes(o->library->precision), "a filter", why)) ||
        (o->x_half && !(slice->bias = device_new(2 * l->biases->count, "a bias in bfloat16", why))))
        return -1;
    o->dfilter_half = c->dfilter_half;
    if (o->dy && !(o->dfilter = device_new(filter_count(o) * sizeof(float), "a filter's gradient", why)))
        return -1;
    if (!o->dy || o->masked)
        return 0;
    o->parts = bias_parts(rows_of(o));
    o->sums = device_new((size_t)o->parts * l->biases->count * sizeof(float), "the sums of a bias", why);
    return o->sums ? 0 : -1;
}

static int layer_init(struct operation *o, struct error *why)
{
    struct convolution *c = o->own = memory_new(1, sizeof *c, "a convolution", why);
    struct convolution_request request = {
        .layer = o->layer, .batch = o->batch, .x_channels = o->x_channels, .backward = o->dy, .input_gradient = o->dx,
    };
    if (!c || convolution_init(c, o->library, &request, why) || convolution_memory_new(o, why))
        return -1;
    library_wants(o->library, convolution_workspace(c));
    return 0;
}

static struct convolution_memory memory_of(const struct operation *o)
{
    return (struct convolution_memory){
        .x = o->x, .filter = o->slice.filter, .y = o->y, .dx = o->dx, .dfilter = o->dfilter, .dy = o->dy,
        .bias = o->slice.bias ? o->slice.bias : o->parameters + o->layer->biases->offset,
    };
}

static int layer_choose(struct operation *o, char *about, size_t size, struct error *why)
{
    struct convolution_memory memory = memory_of(o);
    memory.bias = o->slice.filter; /* parameters are not known yet: its numbers will do */
    if (convolution_choose(o->own, &memory, why))
        return -1;
    convolution_about(o->own, about, size);
    return 0;
}

static int layer_forward(struct operation *o, struct error *why)
{
    struct convolution_memory memory = memory_of(o);
    return convolution_run(o->own, PASS_FORWARD, &memory, why);
}

/* The gradients of filter and biases: finish.c brings them into the flat buffer. */
static int layer_backward(struct operation *o, float *gradients, struct error *why)
{
    (void)gradients;
    struct convolution_memory memory = memory_of(o);
    if ((!o->masked && bias_mask(o, rows_of(o), o->dy, o->y_half, o->sums, why)) ||
        convolution_run(o->own, PASS_WEIGHTS, &memory, why))
        return -1;
    return o->dx ? convolution_run(o->own, PASS_INPUT, &memory, why) : 0;
}

static void layer_free(struct operation *o)
{
    if (o->own)
        convolution_free(o->own);
    free(o->own);
    device_free(o->dfilter);
    device_free(o->sums);
    device_free(o->slice.filter);
    device_free(o->slice.bias);
}

const struct operation_kind cudnn_convolution = {
    .init = layer_init, .choose = layer_choose, .forward = layer_forward,
    .backward = layer_backward, .free = layer_free,
};
