#include "operations.h"

struct pool_geometry pool_geometry_of(const struct net_layer *l)
{
    return (struct pool_geometry){
        .height = l->in.height, .width = l->in.width, .out_height = l->out.height, .out_width = l->out.width,
        .channels = l->in.channels, .kernel = l->layer.kernel, .stride = l->layer.stride,
        .pad_top = l->pad_top, .pad_left = l->pad_left,
    };
}

static int cudnn_pool_init(struct cudnn_operation *o, struct error *why)
{
    o->own = device_new((size_t)o->batch * shape_size(o->layer->out), "the places of a pool's maxima", why);
    return o->own ? 0 : -1;
}

static int cudnn_pool_forward(struct cudnn_operation *o, struct error *why)
{
    struct pool_forward_arguments arguments = {
        .x = o->x, .y = o->y, .places = o->own, .window = pool_geometry_of(o->layer), .batch = (size_t)o->batch,
        .half = o->x_half,
    };
    size_t outputs = (size_t)o->batch * shape_size(o->layer->out);
    return kernel_launch(o->library, KERNEL_pool_forward, kernel_blocks(KERNEL_pool_forward, outputs), &arguments, why);
}

static int cudnn_pool_backward(struct cudnn_operation *o, float *gradients, struct error *why)
{
    (void)gradients;
    struct pool_backward_arguments arguments = {
        .dy = o->dy, .dx = o->dx, .places = o->own, .window = pool_geometry_of(o->layer), .batch = (size_t)o->batch,
        .half = o->x_half,
    };
    size_t inputs = (size_t)o->batch * shape_size(o->layer->in);
    if (!o->dx)
        return 0;
    return kernel_launch(o->library, KERNEL_pool_backward, kernel_blocks(KERNEL_pool_backward, inputs), &arguments, why);
}

static void cudnn_pool_free(struct cudnn_operation *o)
{
    device_free(o->own);
}

const struct cudnn_operation_kind cudnn_max_pool_kind = {
    .init = cudnn_pool_init, .forward = cudnn_pool_forward, .backward = cudnn_pool_backward, .free = cudnn_pool_free,
};
const struct cudnn_operation_kind cudnn_pool_before_norm_kind = {.init = cudnn_pool_init, .free = cudnn_pool_free};
const struct cudnn_operation_kind cudnn_pool_after_norm_kind = {.init = cudnn_pool_init, .free = cudnn_pool_free};
