/* Batch norm. For each channel, over all rows (the pixels of all images) of the batch:
 *     n = (x - mean) / sqrt(variance + epsilon),    y = activation(gamma n + beta)
 *     dbeta = sum of dy,    dgamma = sum of dy n,    dx = gamma / sqrt(variance + epsilon) (dy - dbeta / rows - n dgamma / rows).
 * In training, mean and variance are the batch's; multiplied by its number of images, they go to the gradients of the STATE
 * tensors. Evaluation and frozen layers take them from those tensors, and a frozen layer's dx is
 * gamma / sqrt(variance + epsilon) dy. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

/* One value per channel; double, because they sum many rows. */
struct batch_norm {
    double *mean, *variance; /* of the current pass */
    double *dgamma, *dbeta;
};

static int batch_norm_init(struct host_operation *o, struct error *why)
{
    size_t channels = (size_t)o->layer->out.channels;
    struct batch_norm *b = o->own = memory_new(1, sizeof *b, o->layer->layer.name, why);
    if (!b || !(b->mean = memory_new(4 * channels, sizeof *b->mean, o->layer->layer.name, why)))
        return -1;
    b->variance = b->mean + channels;
    b->dgamma = b->variance + channels;
    b->dbeta = b->dgamma + channels;
    return 0;
}

static void batch_norm_free(struct host_operation *o)
{
    struct batch_norm *b = o->own;
    if (b)
        free(b->mean);
    free(b);
}

static size_t batch_norm_rows(const struct host_operation *o)
{
    return (size_t)o->batch * (size_t)o->layer->in.height * (size_t)o->layer->in.width;
}

/* The batch's mean, then its variance: the mean squared distance from it. */
static void batch_norm_measure(const struct host_operation *o, struct batch_norm *b)
{
    size_t rows = batch_norm_rows(o), channels = (size_t)o->layer->in.channels;
    memset(b->mean, 0, 2 * channels * sizeof *b->mean);
    for (size_t row = 0; row < rows; row++)
        for (size_t c = 0; c < channels; c++)
            b->mean[c] += o->x[row * channels + c];
    for (size_t c = 0; c < channels; c++)
        b->mean[c] /= (double)rows;
    for (size_t row = 0; row < rows; row++)
        for (size_t c = 0; c < channels; c++) {
            double distance = o->x[row * channels + c] - b->mean[c];
            b->variance[c] += distance * distance;
        }
    for (size_t c = 0; c < channels; c++)
        b->variance[c] /= (double)rows;
}

/* Multiplies by the batch's number of images, because the update divides by the images of all batches. */
static void write_state(const struct host_operation *o, const struct batch_norm *b)
{
    float *mean = host_gradients(o, o->layer->mean), *variance = host_gradients(o, o->layer->variance);
    for (int c = 0; c < o->layer->in.channels; c++) {
        mean[c] = (float)(o->batch * b->mean[c]);
        variance[c] = (float)(o->batch * b->variance[c]);
    }
}

static void read_state(const struct host_operation *o, struct batch_norm *b)
{
    const float *mean = host_parameters(o, o->layer->mean), *variance = host_parameters(o, o->layer->variance);
    for (int c = 0; c < o->layer->in.channels; c++) {
        b->mean[c] = mean[c];
        b->variance[c] = variance[c];
    }
}

static float scale_of(const struct host_operation *o, const struct batch_norm *b, size_t channel)
{
    return (float)(1 / sqrt(b->variance[channel] + o->layer->layer.epsilon));
}

static int batch_norm_forward(struct host_operation *o, struct error *why)
{
    (void)why;
    const struct net_layer *l = o->layer;
    struct batch_norm *b = o->own;
    const float *gamma = host_parameters(o, l->weights), *beta = host_parameters(o, l->biases);
    bool relu = l->layer.activation == ACTIVATION_RELU;
    size_t rows = batch_norm_rows(o), channels = (size_t)l->in.channels;
    if (o->training && l->mean->role == TENSOR_STATE) {
        batch_norm_measure(o, b);
        write_state(o, b);
    } else
        read_state(o, b);
    for (size_t c = 0; c < channels; c++) {
        float mean = (float)b->mean[c], scale = scale_of(o, b, c);
        for (size_t at = c; at < rows * channels; at += channels) {
            float y = gamma[c] * ((o->x[at] - mean) * scale) + beta[c];
            o->y[at] = relu && y < 0 ? 0 : y;
        }
    }
    return 0;
}

static void batch_norm_sums(const struct host_operation *o, struct batch_norm *b)
{
    size_t rows = batch_norm_rows(o), channels = (size_t)o->layer->in.channels;
    for (size_t c = 0; c < channels; c++) {
        float mean = (float)b->mean[c], scale = scale_of(o, b, c);
        b->dgamma[c] = b->dbeta[c] = 0;
        for (size_t at = c; at < rows * channels; at += channels) {
            b->dbeta[c] += o->dy[at];
            b->dgamma[c] += (double)o->dy[at] * ((o->x[at] - mean) * scale);
        }
    }
}

static int batch_norm_backward(struct host_operation *o, struct error *why)
{
    (void)why;
    const struct net_layer *l = o->layer;
    struct batch_norm *b = o->own;
    const float *gamma = host_parameters(o, l->weights);
    float *dgamma = host_gradients(o, l->weights), *dbeta = host_gradients(o, l->biases);
    size_t rows = batch_norm_rows(o), channels = (size_t)l->in.channels;
    host_activation_backward(o);
    batch_norm_sums(o, b);
    for (size_t c = 0; c < channels; c++) {
        float mean = (float)b->mean[c], scale = scale_of(o, b, c), even = 0, slope = 0;
        if (dgamma) {
            dgamma[c] = (float)b->dgamma[c], dbeta[c] = (float)b->dbeta[c];
            even = (float)(b->dbeta[c] / (double)rows), slope = (float)(b->dgamma[c] / (double)rows);
        }
        for (size_t at = c; o->dx && at < rows * channels; at += channels)
            o->dx[at] = gamma[c] * scale * (o->dy[at] - even - (o->x[at] - mean) * scale * slope);
    }
    return 0;
}

const struct host_kind host_batch_norm = {
    .layers = 1, .init = batch_norm_init, .forward = batch_norm_forward, .backward = batch_norm_backward, .free = batch_norm_free,
};
