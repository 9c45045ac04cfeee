/* Local response normalisation, alone or together with the pool before or after it. */
#include "operations.h"

static struct norm_rule norm_rule_of(const struct net_layer *l)
{
    return (struct norm_rule){.channels = l->in.channels, .radius = l->layer.radius, .k = l->layer.k, .alpha = l->layer.alpha,
                         .beta = l->layer.beta};
}

static size_t pixels_of(const struct cudnn_operation *o)
{
    return (size_t)o->batch * (size_t)o->layer->in.height * (size_t)o->layer->in.width;
}

static size_t tiles_of(const struct cudnn_operation *o)
{
    size_t tile = NORM_TILE / (size_t)o->layer->in.channels;
    return (pixels_of(o) + tile - 1) / tile;
}

/* The rows of a tile if one kernel does the backward pass of the norm and the pool before it; 0: two kernels do it. */
static int stripe_rows(const struct cudnn_operation *o)
{
    const struct net_layer *pool = o->partner->layer;
    int before = (pool->layer.kernel - 1) / pool->layer.stride, rows = pool->out.height;
    int most = POOL_NORM_TILE / (pool->out.width * pool->out.channels) - before;
    if (most < 1)
        return 0;
    int stripes = (rows + most - 1) / most;
    return (rows + stripes - 1) / stripes; /* tiles of nearly equal size */
}

static size_t stripes_of(const struct cudnn_operation *o)
{
    int height = o->partner->layer->out.height, rows = stripe_rows(o);
    return (size_t)o->batch * (size_t)((height + rows - 1) / rows);
}

static bool is_striped(const struct cudnn_operation *o)
{
    return o->kind == &cudnn_norm_after_pool_kind && stripe_rows(o) > 0;
}

static int cudnn_norm_init(struct cudnn_operation *o, struct error *why)
{
    size_t channels = (size_t)o->layer->in.channels;
    if (channels > NORM_CHANNELS_MAX)
        return error_set(why, "layer %s: a norm over %zu channels, at most %d are supported", o->layer->layer.name, channels,
                         NORM_CHANNELS_MAX);
    if (!o->before || !o->dx || !has_bias(o->before->layer) || !is_trained(o->before->layer))
        return 0;
    size_t parts = is_striped(o) ? stripes_of(o) : tiles_of(o);
    o->before->parts = (int)parts;
    o->before->sums = device_new(parts * channels * sizeof(float), "the sums of a bias", why);
    return o->before->sums ? 0 : -1;
}

/* ---- forward ---- */

static int launch_forward(struct cudnn_operation *o, struct norm_forward_arguments *arguments, struct error *why)
{
    arguments->y = o->y, arguments->pixels = pixels_of(o), arguments->norm = norm_rule_of(o->layer), arguments->half = o->x_half;
    return kernel_launch(o->library, KERNEL_norm_forward, tiles_of(o), arguments, why);
}

static int cudnn_norm_forward(struct cudnn_operation *o, struct error *why)
{
    struct norm_forward_arguments arguments = {.x = o->x};
    return launch_forward(o, &arguments, why);
}

static int pool_norm_forward(struct cudnn_operation *o, struct error *why)
{
    const struct cudnn_operation *pool = o->partner;
    struct norm_forward_arguments arguments = {
        .x = pool->x, .pooled = o->x, .places = pool->own, .window = pool_geometry_of(pool->layer),
    };
    return launch_forward(o, &arguments, why);
}

int norm_pool_columns(const struct net_layer *pool)
{
    const struct layer *l = &pool->layer;
    int most = NORM_POOL_TILE / pool->in.channels / l->kernel; /* columns of the input */
    int columns = most < l->kernel ? 0 : (most - l->kernel) / l->stride + 1;
    return columns < pool->out.width ? columns : pool->out.width;
}

static int norm_pool_forward(struct cudnn_operation *o, struct error *why)
{
    const struct cudnn_operation *pool = o->partner;
    int columns = norm_pool_columns(pool->layer), width = pool->layer->out.width;
    struct norm_pool_forward_arguments arguments = {
        .x = o->x, .y = pool->y, .places = pool->own, .window = pool_geometry_of(pool->layer), .batch = (size_t)o->batch,
        .norm = norm_rule_of(o->layer), .columns = columns, .half = o->x_half,
    };
    size_t tiles = arguments.batch * (size_t)pool->layer->out.height * (size_t)((width + columns - 1) / columns);
    return kernel_launch(o->library, KERNEL_norm_pool_forward, tiles, &arguments, why);
}

/* ---- backward ---- */

static int launch_backward(struct cudnn_operation *o, struct norm_backward_arguments *arguments, struct error *why)
{
    const struct cudnn_operation *before = o->before;
    arguments->x = o->x, arguments->dx = o->dx, arguments->pixels = pixels_of(o), arguments->norm = norm_rule_of(o->layer);
    arguments->half = o->x_half;
    if (before)
        arguments->masks = has_relu(before->layer), arguments->sums = before->sums;
    return o->dx ? kernel_launch(o->library, KERNEL_norm_backward, tiles_of(o), arguments, why) : 0;
}

static int cudnn_norm_backward(struct cudnn_operation *o, float *gradients, struct error *why)
{
    (void)gradients;
    struct norm_backward_arguments arguments = {.dy = o->dy};
    return launch_backward(o, &arguments, why);
}

static int norm_pool_backward(struct cudnn_operation *o, float *gradients, struct error *why)
{
    (void)gradients;
    const struct cudnn_operation *pool = o->partner;
    struct norm_backward_arguments arguments = {
        .dy = pool->dy, .places = pool->own, .window = pool_geometry_of(pool->layer),
    };
    return launch_backward(o, &arguments, why);
}

/* Includes the pool's backward pass. */
static int pool_norm_backward(struct cudnn_operation *o, float *gradients, struct error *why)
{
    struct cudnn_operation *pool = o->partner;
    const struct cudnn_operation *before = o->before;
    if (!pool->dx)
        return 0;
    if (!is_striped(o))
        return cudnn_norm_backward(o, gradients, why) ? -1 : cudnn_max_pool_kind.backward(pool, gradients, why);
    struct pool_norm_backward_arguments arguments = {
        .x = o->x, .dy = o->dy, .dx = pool->dx, .places = pool->own, .window = pool_geometry_of(pool->layer),
        .sums = before ? before->sums : NULL, .batch = (size_t)o->batch, .norm = norm_rule_of(o->layer), .rows = stripe_rows(o),
        .masks = before && has_relu(before->layer), .half = o->x_half,
    };
    return kernel_launch(o->library, KERNEL_pool_norm_backward, stripes_of(o), &arguments, why);
}

const struct cudnn_operation_kind cudnn_norm_kind = {
    .init = cudnn_norm_init, .forward = cudnn_norm_forward, .backward = cudnn_norm_backward,
};
const struct cudnn_operation_kind cudnn_norm_after_pool_kind = {
    .init = cudnn_norm_init, .forward = pool_norm_forward, .backward = pool_norm_backward,
};
const struct cudnn_operation_kind cudnn_norm_before_pool_kind = {
    .init = cudnn_norm_init, .forward = norm_pool_forward, .backward = norm_pool_backward,
};
