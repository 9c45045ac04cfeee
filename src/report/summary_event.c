/* What TensorBoard shows of a step. Tags are those of TensorFlow's tutorial where it has them. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "summary_event.h"

enum { TAG = 128, PIXEL_MAX = 255, PIXEL_ZERO = 128 };

/* ---- numbers ---- */

static void add_number(struct event *event, double value, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void add_number(struct event *event, double value, const char *format, ...)
{
    char tag[TAG];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(tag, sizeof tag, format, arguments);
    va_end(arguments);
    event_add_scalar(event, tag, value);
}

/* Of each phase its share of the step. */
static void add_interval(struct event *event, const struct summary *summary)
{
    const struct interval *i = &summary->interval;
    event_add_scalar(event, "total_loss (raw)", i->last_loss);
    event_add_scalar(event, "total_loss", i->average_loss);
    event_add_scalar(event, "cross_entropy (raw)", summary->cross_entropy);
    event_add_scalar(event, "cross_entropy", summary->average_cross_entropy);
    event_add_scalar(event, "precision", i->precision);
    event_add_scalar(event, "learning_rate", (double)i->rate);
    event_add_scalar(event, "examples_per_second", i->examples_per_second);
    event_add_scalar(event, "rank_seconds/slowest", i->slowest_seconds);
    event_add_scalar(event, "rank_seconds/mean", i->mean_rank_seconds);
    for (int kind = PHASE_LOAD; kind < PHASE_END; kind++)
        add_number(event, i->phases[kind] / i->seconds_per_batch, "phase/%s", phase_name((enum phase_kind)kind));
}

/* ---- tensors ---- */

static double sum_squares(const float *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)values[i] * (double)values[i];
    return sum;
}

static double sum_squared_differences(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sum;
}

static void add_histogram(struct event *event, const char *tag, const float *values, size_t count)
{
    struct histogram histogram = {0};
    histogram_add(&histogram, values, count);
    event_add_histogram(event, tag, &histogram);
}

/* Makes the sums over the images the gradient of the total loss: their mean, and that of the weight decay. */
static void finish_gradient(float *gradients, const float *parameters, const struct tensor *t, double samples)
{
    for (size_t i = 0; i < t->count; i++)
        gradients[i] = (float)((double)gradients[i] / samples + (double)t->decay * (double)parameters[i]);
}

/* The tensor's part of the loss, and its moving average. */
static void add_decay(struct event *event, const struct tensor *t, const char *layer, const float *parameters, double *average)
{
    double decay = (double)t->decay / 2 * sum_squares(parameters, t->count);
    *average = *average == 0 ? decay : 0.9 * *average + 0.1 * decay;
    add_number(event, decay, "%s/weight_loss (raw)", layer);
    add_number(event, *average, "%s/weight_loss", layer);
}

static void add_tensor(struct event *event, const struct tensor *t, const struct net *net, struct summary *summary,
                       struct summary_averages *averages)
{
    char tag[TAG];
    float *gradients = summary->gradients + t->offset;
    const float *before = summary->before + t->offset;
    add_histogram(event, t->name, summary->after + t->offset, t->count);
    if (t->role != TENSOR_TRAINED)
        return;
    finish_gradient(gradients, before, t, summary->samples);
    snprintf(tag, sizeof tag, "%s/gradients", t->name);
    add_histogram(event, tag, gradients, t->count);
    if (t->decay > 0)
        add_decay(event, t, net->layers[t->layer].layer.name, before, &averages->decay[t - net->tensors]);
}

/* ---- layers ---- */

/* Norms over all of the layer's trained tensors. */
static void add_norms(struct event *event, const struct net *net, int layer, const struct summary *summary)
{
    const char *name = net->layers[layer].layer.name;
    double gradient = 0, update = 0, parameters = 0;
    bool trained = false;
    for (const struct tensor *t = net->tensors; t < net->tensors + net->tensor_count; t++) {
        if (t->layer != layer || t->role != TENSOR_TRAINED)
            continue;
        trained = true;
        gradient += sum_squares(summary->gradients + t->offset, t->count);
        update += sum_squared_differences(summary->after + t->offset, summary->before + t->offset, t->count);
        parameters += sum_squares(summary->after + t->offset, t->count);
    }
    if (!trained)
        return;
    add_number(event, sqrt(gradient), "norm/%s/gradient", name);
    add_number(event, sqrt(update), "norm/%s/update", name);
    add_number(event, sqrt(parameters), "norm/%s/parameters", name);
}

/* sparsity: the share of zeros. */
static void add_activations(struct event *event, const struct net_layer *layer, const float *values, int images)
{
    char tag[TAG];
    size_t count = (size_t)images * shape_size(layer->out);
    struct histogram histogram = {0};
    histogram_add(&histogram, values, count);
    snprintf(tag, sizeof tag, "%s/activations", layer->layer.name);
    event_add_histogram(event, tag, &histogram);
    add_number(event, (double)histogram.zeros / (double)count, "%s/sparsity", layer->layer.name);
}

/* ---- images ---- */

/* As TensorFlow draws values of both signs: 0 becomes grey, and the value of the largest magnitude black or white. */
static void draw_image(const float *values, struct shape shape, uint8_t *pixels)
{
    float largest = 0;
    size_t count = shape_size(shape), rows = count / (size_t)shape.channels;
    for (size_t i = 0; i < count; i++)
        largest = fmaxf(largest, fabsf(values[i]));
    float scale = largest > 0 ? (PIXEL_ZERO - 1) / largest : 0;
    for (size_t i = 0; i < rows; i++)
        for (int c = 0; c < IMAGE_CHANNELS; c++) {
            int from = c < shape.channels && shape.channels >= IMAGE_CHANNELS ? c : 0; /* grey: the first channel thrice */
            *pixels++ = (uint8_t)fminf(PIXEL_MAX, PIXEL_ZERO + scale * values[i * (size_t)shape.channels + (size_t)from]);
        }
}

static void add_images(struct event *event, struct shape shape, const float *images, int count)
{
    struct image image = {.height = shape.height, .width = shape.width};
    image.pixels = malloc((size_t)shape.height * (size_t)shape.width * IMAGE_CHANNELS);
    event->values.no_memory = event->values.no_memory || !image.pixels;
    for (int i = 0; i < count && i < SUMMARY_IMAGES && image.pixels; i++) {
        char tag[TAG];
        snprintf(tag, sizeof tag, "images/image/%d", i);
        draw_image(images + (size_t)i * shape_size(shape), shape, image.pixels);
        event_add_image(event, tag, &image);
    }
    image_free(&image);
}

void summary_event(struct event *event, const struct net *net, struct summary *summary, int images,
                   struct summary_averages *averages)
{
    event_reset(event, (int64_t)summary->interval.step);
    add_interval(event, summary);
    if (!summary->whole)
        return;
    for (const struct tensor *t = net->tensors; t < net->tensors + net->tensor_count; t++)
        add_tensor(event, t, net, summary, averages);
    for (int i = 0; i < net->layer_count; i++) {
        add_norms(event, net, i, summary);
        if (summary->activations)
            add_activations(event, &net->layers[i], summary->activations[i], images);
    }
    add_images(event, net->input, summary->images, images);
}
