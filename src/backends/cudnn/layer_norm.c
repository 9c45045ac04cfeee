#include "operations.h"

static int norm_init(struct operation *o, struct error *why)
{
    if (o->layer->in.channels <= NORM_CHANNELS_MAX)
        return 0;
    return error_set(why, "layer %s: a norm over %d channels, at most %d are supported", o->layer->layer.name,
                     o->layer->in.channels, NORM_CHANNELS_MAX);
}

static struct norm norm_of(const struct net_layer *l)
{
    return (struct norm){.channels = l->in.channels, .radius = l->layer.radius, .k = l->layer.k, .alpha = l->layer.alpha,
                         .beta = l->layer.beta};
}

static size_t pixels_of(const struct operation *o)
{
    return (size_t)o->batch * (size_t)o->layer->in.height * (size_t)o->layer->in.width;
}

static int norm_forward(struct operation *o, struct error *why)
{
    struct norm_forward_arguments arguments = {
        .x = o->x, .y = o->y, .pixels = pixels_of(o), .norm = norm_of(o->layer), .half = o->x_half,
    };
    size_t blocks = kernel_blocks(KERNEL_norm_forward, arguments.pixels * (size_t)o->layer->in.channels);
    return kernel_launch(o->library, KERNEL_norm_forward, blocks, &arguments, why);
}

static int norm_backward(struct operation *o, float *gradients, struct error *why)
{
    (void)gradients;
    struct norm_backward_arguments arguments = {
        .x = o->x, .dy = o->dy, .dx = o->dx, .pixels = pixels_of(o), .norm = norm_of(o->layer), .half = o->x_half,
    };
    size_t blocks = kernel_blocks(KERNEL_norm_backward, arguments.pixels * (size_t)o->layer->in.channels);
    if (!o->dx)
        return 0;
    return kernel_launch(o->library, KERNEL_norm_backward, blocks, &arguments, why);
}

const struct operation_kind cudnn_norm = {.init = norm_init, .forward = norm_forward, .backward = norm_backward};
