/* What TensorBoard shows of a step. Tags are those of TensorFlow's tutorial where it has them. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "summary_event.h"

enum { TAG = 128, PIXEL_MAX = 255, PIXEL_ZERO = 128, LANES = 8 };

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

/* Adds each phase's share of the step. A run's own evaluations are not part of the step. */
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
    for (int kind = PHASE_LOAD; kind < PHASE_EVALUATE; kind++)
        add_number(event, i->phases[kind] / i->seconds_per_batch, "phase/%s", phase_name((enum phase_kind)kind));
}

/* ---- tensors ---- */

/* Sums over the trained tensors of a layer. */
struct norms {
    bool trained;
    double gradient, update, parameters; /* sums of squares */
};

/* Returns the sum of squares. */
static double add_histogram(struct event *event, const char *tag, const float *values, size_t count)
{
    struct histogram histogram = {0};
    histogram_add(&histogram, values, count);
    event_add_histogram(event, tag, &histogram);
    return histogram.squares;
}

/* Turns the sums over the images into the gradient of the total loss: their mean, plus the gradient of the weight decay. */
static void finish_gradient(float *gradients, const float *parameters, const struct tensor *t, double samples)
{
    float scale = (float)(1 / samples);
    for (size_t i = 0; i < t->count; i++)
        gradients[i] = gradients[i] * scale + t->decay * parameters[i];
}

/* Sums in independent parts, so that the loop vectorises. */
struct square_sums {
    double parameters[LANES], update[LANES];
};

static inline void add_squares(struct square_sums *sums, size_t lane, float before, float after)
{
    double change = (double)after - (double)before;
    sums->parameters[lane] += (double)before * (double)before;
    sums->update[lane] += change * change;
}

/* The sums of the squares of the parameters before the update, and of their changes. */
__attribute__((target_clones("avx512f", "avx2", "default")))
static void sum_squares(const float *before, const float *after, size_t count, double *parameters, double *update)
{
    struct square_sums sums = {.parameters = {0}};
    size_t whole = count - count % LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            add_squares(&sums, lane, before[i + lane], after[i + lane]);
    for (size_t i = whole; i < count; i++)
        add_squares(&sums, i - whole, before[i], after[i]);
    *parameters = *update = 0;
    for (int lane = 0; lane < LANES; lane++) {
        *parameters += sums.parameters[lane];
        *update += sums.update[lane];
    }
}

/* The tensor's part of the loss, and its moving average. */
static void add_decay(struct event *event, double decay, const char *layer, double *average)
{
    *average = *average == 0 ? decay : 0.9 * *average + 0.1 * decay;
    add_number(event, decay, "%s/weight_loss (raw)", layer);
    add_number(event, *average, "%s/weight_loss", layer);
}

static void add_tensor(struct event *event, const struct tensor *t, const char *layer, struct summary *summary, double *average,
                       struct norms *norms)
{
    char tag[TAG];
    float *gradients = summary->gradients + t->offset;
    const float *before = summary->before + t->offset, *after = summary->after + t->offset;
    double squares = add_histogram(event, t->name, after, t->count), update;
    if (t->role != TENSOR_TRAINED)
        return;
    norms->trained = true;
    norms->parameters += squares;
    finish_gradient(gradients, before, t, summary->samples);
    snprintf(tag, sizeof tag, "%s/gradients", t->name);
    norms->gradient += add_histogram(event, tag, gradients, t->count);
    sum_squares(before, after, t->count, &squares, &update);
    norms->update += update;
    if (t->decay > 0)
        add_decay(event, (double)t->decay / 2 * squares, layer, average);
}

/* ---- layers ---- */

static void add_parameters(struct event *event, const struct net *net, int layer, struct summary *summary,
                           struct summary_averages *averages)
{
    const char *name = net->layers[layer].layer.name;
    struct norms norms = {.trained = false};
    for (int i = 0; i < net->tensor_count; i++)
        if (net->tensors[i].layer == layer)
            add_tensor(event, &net->tensors[i], name, summary, &averages->decay[i], &norms);
    if (!norms.trained)
        return;
    add_number(event, sqrt(norms.gradient), "norm/%s/gradient", name);
    add_number(event, sqrt(norms.update), "norm/%s/update", name);
    add_number(event, sqrt(norms.parameters), "norm/%s/parameters", name);
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
            int from = c < shape.channels && shape.channels >= IMAGE_CHANNELS ? c : 0; /* grey: the first channel three times */
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

void evaluated_event(struct event *event, const struct evaluated *evaluated)
{
    double images = (double)evaluated->images;
    event_reset(event, (int64_t)evaluated->step);
    event_add_scalar(event, "Precision @ 1", (double)evaluated->right / images);
    event_add_scalar(event, "Precision @ 5", (double)evaluated->in_five / images);
    event_add_scalar(event, "cross_entropy", evaluated->cross_entropy);
}

void summary_event(struct event *event, const struct net *net, struct summary *summary, int images,
                   struct summary_averages *averages)
{
    event_reset(event, (int64_t)summary->interval.step);
    add_interval(event, summary);
    if (!summary->whole)
        return;
    for (int i = 0; i < net->layer_count; i++) {
        add_parameters(event, net, i, summary, averages);
        if (summary->activations)
            add_activations(event, &net->layers[i], summary->activations[i], images);
    }
    add_images(event, net->input, summary->images, images);
}
