/* A convolution layer: cuDNN's passes. Its filter is a copy of the weights in cuDNN's layout; finish.c copies its gradient
 * back. */
#include <stdlib.h>

#include "operations.h"

static size_t output_pixels(const struct cudnn_operation *o)
{
    return (size_t)o->batch * (size_t)o->layer->out.height * (size_t)o->layer->out.width;
}

static size_t filter_count(const struct cudnn_operation *o)
{
    const struct layer *l = &o->layer->layer;
    return (size_t)l->outputs * (size_t)l->kernel * (size_t)l->kernel * (size_t)o->x_channels;
}

static int convolution_memory_new(struct cudnn_operation *o, struct error *why)
{
    const struct net_layer *l = o->layer;
    const struct cudnn_convolution *c = o->own;
    struct slice *slice = &o->slice;
    slice->kernel = l->layer.kernel, slice->in = l->in.channels, slice->out = l->out.channels;
    slice->y_in = o->x_channels, slice->half = o->x_half;
    if (!(slice->filter = device_new(filter_count(o) * element_bytes(o->library->precision), "a filter", why)) ||
        (o->x_half && has_bias(l) && !(slice->bias = device_new(2 * l->biases->count, "a bias in bfloat16", why))))
        return -1;
    o->dfilter_half = c->dfilter_half;
    if (!o->dy || !is_trained(l))
        return 0;
    if (!(o->dfilter = device_new(filter_count(o) * sizeof(float), "a filter's gradient", why)))
        return -1;
    if (o->masked || !has_bias(l))
        return 0;
    o->parts = bias_parts(output_pixels(o));
    o->sums = device_new((size_t)o->parts * l->biases->count * sizeof(float), "the sums of a bias", why);
    return o->sums ? 0 : -1;
}

static int cudnn_convolution_layer_init(struct cudnn_operation *o, struct error *why)
{
    struct cudnn_convolution *c = o->own = memory_new(1, sizeof *c, "a convolution", why);
    struct convolution_request request = {
        .layer = o->layer, .batch = o->batch, .x_channels = o->x_channels, .backward = o->dy && is_trained(o->layer),
        .input_gradient = o->dx,
    };
    if (!c || cudnn_convolution_init(c, o->library, &request, why) || convolution_memory_new(o, why))
        return -1;
    cudnn_library_wants(o->library, cudnn_convolution_workspace(c));
    return 0;
}

static struct convolution_memory convolution_memory_of(const struct cudnn_operation *o)
{
    return (struct convolution_memory){
        .x = o->x, .filter = o->slice.filter, .y = o->y, .dx = o->dx, .dfilter = o->dfilter, .dy = o->dy,
        .bias = o->slice.bias || !has_bias(o->layer) ? o->slice.bias : o->parameters + o->layer->biases->offset,
    };
}

static int cudnn_convolution_layer_choose(struct cudnn_operation *o, char *about, size_t size, struct error *why)
{
    struct convolution_memory memory = convolution_memory_of(o);
    memory.bias = o->slice.filter; /* there are no parameters yet, and any numbers will do */
    if (cudnn_convolution_choose(o->own, &memory, why))
        return -1;
    cudnn_convolution_about(o->own, about, size);
    return 0;
}

static int cudnn_convolution_layer_forward(struct cudnn_operation *o, struct error *why)
{
    struct convolution_memory memory = convolution_memory_of(o);
    return cudnn_convolution_run(o->own, PASS_FORWARD, &memory, why);
}

/* Computes the gradients of filter and biases, which finish.c copies to the flat buffer; and dx. */
static int cudnn_convolution_layer_backward(struct cudnn_operation *o, float *gradients, struct error *why)
{
    (void)gradients;
    struct convolution_memory memory = convolution_memory_of(o);
    bool masks = !o->masked && (has_relu(o->layer) || o->sums);
    if ((masks && bias_mask(o, output_pixels(o), o->dy, o->y_half, o->sums, why)) ||
        (o->dfilter && cudnn_convolution_run(o->own, PASS_WEIGHTS, &memory, why)))
        return -1;
    return o->dx ? cudnn_convolution_run(o->own, PASS_INPUT, &memory, why) : 0;
}

static void cudnn_convolution_layer_free(struct cudnn_operation *o)
{
    if (o->own)
        cudnn_convolution_free(o->own);
    free(o->own);
    device_free(o->dfilter);
    device_free(o->sums);
    device_free(o->slice.filter);
    device_free(o->slice.bias);
}

const struct cudnn_operation_kind cudnn_convolution_kind = {
    .init = cudnn_convolution_layer_init, .choose = cudnn_convolution_layer_choose, .forward = cudnn_convolution_layer_forward,
    .backward = cudnn_convolution_layer_backward, .free = cudnn_convolution_layer_free,
};
