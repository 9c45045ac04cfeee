/* Batch norm, by our own kernels. In training, a channel's mean and variance are the batch's, from two sums over its pixels; the
 * second is of squares around the mean. In evaluation and in frozen layers, they are the running averages. */
#include "operations.h"

static size_t batch_pixels(const struct cudnn_operation *o)
{
    return (size_t)o->batch * (size_t)o->layer->out.height * (size_t)o->layer->out.width;
}

static bool takes_moments(const struct cudnn_operation *o)
{
    return o->dy && o->layer->mean->role == TENSOR_STATE;
}

/* Sums over all pixels, in device memory: of x; of (x - mean)^2; of dy * (x - mean); of dy. The last two stay 0 in a frozen
 * layer. They are followed by the parts of one such sum. */
enum channel_sum { SUM_X, SUM_SQUARES, SUM_PRODUCTS, SUM_DY, CHANNEL_SUMS };

static float *sum_of(const struct cudnn_operation *o, enum channel_sum which)
{
    return (float *)o->own + (size_t)which * (size_t)o->layer->out.channels;
}

static int cudnn_batch_norm_init(struct cudnn_operation *o, struct error *why)
{
    size_t rows = CHANNEL_SUMS + (size_t)bias_parts(batch_pixels(o));
    o->own = device_new(rows * (size_t)o->layer->out.channels * sizeof(float), "the sums of a batch norm", why);
    return o->own ? 0 : -1;
}

/* Adds up the parts of a sum. */
static int sum_end(const struct cudnn_operation *o, float *sum, struct error *why)
{
    return finish_biases(o->library, sum_of(o, CHANNEL_SUMS), bias_parts(batch_pixels(o)), o->layer->out.channels, sum, why);
}

/* Sums dy * (x - mean); with dy NULL, (x - mean)^2. */
static int sum_centred(const struct cudnn_operation *o, const void *dy, enum channel_sum which, struct error *why)
{
    struct centred_sums_arguments arguments = {
        .x = o->x, .dy = dy, .totals = sum_of(o, SUM_X), .sums = sum_of(o, CHANNEL_SUMS), .rows = batch_pixels(o),
        .channels = o->layer->out.channels, .parts = bias_parts(batch_pixels(o)), .half = o->x_half,
    };
    size_t blocks = bias_blocks(arguments.rows, arguments.channels);
    return kernel_launch(o->library, KERNEL_centred_sums, blocks, &arguments, why) || sum_end(o, sum_of(o, which), why) ? -1 : 0;
}

static int take_moments(const struct cudnn_operation *o, struct error *why)
{
    struct mask_bias_arguments arguments = {
        .dy = o->x, .sums = sum_of(o, CHANNEL_SUMS), .rows = batch_pixels(o), .channels = o->layer->out.channels,
        .parts = bias_parts(batch_pixels(o)), .dy_half = o->x_half,
    };
    size_t blocks = bias_blocks(arguments.rows, arguments.channels);
    return kernel_launch(o->library, KERNEL_mask_bias, blocks, &arguments, why) || sum_end(o, sum_of(o, SUM_X), why) ||
           sum_centred(o, NULL, SUM_SQUARES, why) ? -1 : 0;
}

static struct batch_moments moments_of(const struct cudnn_operation *o)
{
    const struct net_layer *l = o->layer;
    struct batch_moments moments = {.share = 1, .epsilon = l->layer.epsilon};
    if (takes_moments(o)) {
        moments.mean = sum_of(o, SUM_X), moments.variance = sum_of(o, SUM_SQUARES);
        moments.share = 1 / (float)batch_pixels(o);
    } else {
        moments.mean = o->parameters + l->mean->offset, moments.variance = o->parameters + l->variance->offset;
    }
    return moments;
}

static size_t blocks_of(const struct cudnn_operation *o)
{
    return kernel_blocks(KERNEL_batch_norm_forward, batch_pixels(o) * (size_t)o->layer->out.channels);
}

static int cudnn_batch_norm_forward(struct cudnn_operation *o, struct error *why)
{
    const struct net_layer *l = o->layer;
    struct batch_norm_forward_arguments arguments = {
        .x = o->x, .y = o->y, .moments = moments_of(o), .gamma = o->parameters + l->weights->offset,
        .beta = o->parameters + l->biases->offset, .images = (float)o->batch, .rows = batch_pixels(o),
        .channels = l->out.channels, .relu = has_relu(l), .half = o->x_half,
    };
    if (takes_moments(o) && take_moments(o, why))
        return -1;
    if (takes_moments(o) && o->gradients) {
        arguments.mean_sums = o->gradients + l->mean->offset;
        arguments.variance_sums = o->gradients + l->variance->offset;
    }
    return kernel_launch(o->library, KERNEL_batch_norm_forward, blocks_of(o), &arguments, why);
}

/* Masks dy by the ReLU and, unless the layer is frozen, sums dy and dy * (x - mean). */
static int take_products(const struct cudnn_operation *o, float *dbeta, struct error *why)
{
    if (!takes_moments(o))
        return has_relu(o->layer) ? bias_mask(o, batch_pixels(o), o->dy, o->y_half, NULL, why) : 0;
    return bias_mask(o, batch_pixels(o), o->dy, o->y_half, sum_of(o, CHANNEL_SUMS), why) || sum_end(o, dbeta, why) ||
           sum_centred(o, o->dy, SUM_PRODUCTS, why) ? -1 : 0;
}

static int cudnn_batch_norm_backward(struct cudnn_operation *o, float *gradients, struct error *why)
{
    const struct net_layer *l = o->layer;
    bool trained = takes_moments(o);
    float *dbeta = trained ? gradients + l->biases->offset : sum_of(o, SUM_DY);
    struct batch_norm_backward_arguments arguments = {
        .x = o->x, .dy = o->dy, .dx = o->dx, .moments = moments_of(o), .gamma = o->parameters + l->weights->offset,
        .dbeta = dbeta, .products = sum_of(o, SUM_PRODUCTS), .dgamma = trained ? gradients + l->weights->offset : NULL,
        .rows = batch_pixels(o), .channels = l->out.channels, .half = o->x_half,
    };
    return take_products(o, dbeta, why) || kernel_launch(o->library, KERNEL_batch_norm_backward, blocks_of(o), &arguments, why);
}

static void cudnn_batch_norm_free(struct cudnn_operation *o)
{
    device_free(o->own);
}

const struct cudnn_operation_kind cudnn_batch_norm_kind = {
    .init = cudnn_batch_norm_init, .forward = cudnn_batch_norm_forward, .backward = cudnn_batch_norm_backward,
    .free = cudnn_batch_norm_free,
};
