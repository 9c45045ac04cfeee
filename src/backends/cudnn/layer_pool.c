#include <stdlib.h>

#include "operations.h"

struct own {
    uint8_t *places; /* device memory (batch, out) */
};

static struct window window_of(const struct net_layer *l)
{
    return (struct window){
        .height = l->in.height, .width = l->in.width, .out_height = l->out.height, .out_width = l->out.width,
        .channels = l->in.channels, .kernel = l->layer.kernel, .stride = l->layer.stride,
        .pad_top = l->pad_top, .pad_left = l->pad_left,
    };
}

static int pool_init(struct operation *o, struct error *why)
{
    struct own *own = o->own = memory_new(1, sizeof *own, "a pool", why);
    if (!own)
        return -1;
    if (o->layer->layer.kernel > 15) /* a place is a byte */
        return error_set(why, "layer %s: a window of more than 15 x 15", o->layer->layer.name);
    own->places = device_new((size_t)o->batch * shape_size(o->layer->out), "the places of a pool's maxima", why);
    return own->places ? 0 : -1;
}

static int pool_forward(struct operation *o, struct error *why)
{
    const struct own *own = o->own;
    struct pool_forward_arguments arguments = {
        .x = o->x, .y = o->y, .places = own->places, .window = window_of(o->layer), .batch = (size_t)o->batch,
        .half = o->x_half,
    };
    size_t outputs = (size_t)o->batch * shape_size(o->layer->out);
    return kernel_launch(o->library, KERNEL_pool_forward, kernel_blocks(KERNEL_pool_forward, outputs), &arguments, why);
}

static int pool_backward(struct operation *o, float *gradients, struct error *why)
{
    (void)gradients;
    const struct own *own = o->own;
    struct pool_backward_arguments arguments = {
        .dy = o->dy, .dx = o->dx, .places = own->places, .window = window_of(o->layer), .batch = (size_t)o->batch,
        .half = o->x_half,
    };
    size_t inputs = (size_t)o->batch * shape_size(o->layer->in);
    if (!o->dx)
        return 0;
    return kernel_launch(o->library, KERNEL_pool_backward, kernel_blocks(KERNEL_pool_backward, inputs), &arguments, why);
}

static void pool_free(struct operation *o)
{
    struct own *own = o->own;
    if (own)
        device_free(own->places);
    free(own);
}

const struct operation_kind cudnn_max_pool = {
    .init = pool_init, .forward = pool_forward, .backward = pool_backward, .free = pool_free,
};
