/* A convolution and its gradients by definition, summed in double, value by value. */
#ifndef TESTS_BACKENDS_CONVOLUTION_H
#define TESTS_BACKENDS_CONVOLUTION_H

#include "fixture.h"

/* What a convolution read, and its output y. y alone decides where the ReLU passes a gradient on. */
struct convolution_values {
    const struct net_layer *layer;
    int batch;
    const float *x, *y, *dy, *weights, *biases;
};

/* A value of a batch of activations; 0 in the padding. */
static inline double value_at(const float *images, struct shape shape, int n, int y, int x, int channel)
{
    if (y < 0 || x < 0 || y >= shape.height || x >= shape.width)
        return 0;
    return images[(((size_t)n * shape.height + y) * shape.width + x) * shape.channels + channel];
}

/* The gradient of the sum before the ReLU. */
static inline double sum_gradient_at(const struct convolution_values *v, int n, int y, int x, int channel)
{
    const struct net_layer *l = v->layer;
    bool passes = l->layer.activation == ACTIVATION_NONE || value_at(v->y, l->out, n, y, x, channel) > 0;
    return passes ? value_at(v->dy, l->out, n, y, x, channel) : 0;
}

static inline double weight_at(const struct convolution_values *v, int ky, int kx, int in, int out)
{
    const struct net_layer *l = v->layer;
    return v->weights[(((size_t)ky * l->layer.kernel + kx) * l->in.channels + in) * l->out.channels + out];
}

struct place {
    int n, y, x, channel;
};

static inline struct place place_of(size_t index, struct shape shape)
{
    size_t pixel = index / shape.channels, row = pixel / shape.width;
    return (struct place){(int)(row / shape.height), (int)(row % shape.height), (int)(pixel % shape.width),
                          (int)(index % shape.channels)};
}

static inline double expected_output(const struct convolution_values *v, size_t index)
{
    const struct net_layer *l = v->layer;
    struct place p = place_of(index, l->out);
    int top = p.y * l->layer.stride - l->pad_top, left = p.x * l->layer.stride - l->pad_left;
    double sum = v->biases[p.channel];
    for (int ky = 0; ky < l->layer.kernel; ky++)
        for (int kx = 0; kx < l->layer.kernel; kx++)
            for (int i = 0; i < l->in.channels; i++)
                sum += value_at(v->x, l->in, p.n, top + ky, left + kx, i) * weight_at(v, ky, kx, i, p.channel);
    return l->layer.activation == ACTIVATION_RELU ? fmax(sum, 0) : sum;
}

static inline double expected_input_gradient(const struct convolution_values *v, size_t index)
{
    const struct net_layer *l = v->layer;
    struct place p = place_of(index, l->in);
    int stride = l->layer.stride;
    double sum = 0;
    for (int ky = 0; ky < l->layer.kernel; ky++)
        for (int kx = 0; kx < l->layer.kernel; kx++) {
            int y = p.y + l->pad_top - ky, x = p.x + l->pad_left - kx;
            if (y % stride || x % stride)
                continue;
            for (int o = 0; o < l->out.channels; o++)
                sum += sum_gradient_at(v, p.n, y / stride, x / stride, o) * weight_at(v, ky, kx, p.channel, o);
        }
    return sum;
}

/* The gradient of a weight or, with an index beyond the weights, of a bias. */
static inline double expected_gradient(const struct convolution_values *v, size_t index)
{
    const struct net_layer *l = v->layer;
    int kernel = l->layer.kernel, stride = l->layer.stride, o = (int)(index % l->out.channels);
    size_t row = index / l->out.channels, tap = row / l->in.channels;
    int i = (int)(row % l->in.channels);
    int top = (int)(tap / kernel) - l->pad_top, left = (int)(tap % kernel) - l->pad_left;
    bool bias = index >= l->weights->count;
    double sum = 0;
    for (int n = 0; n < v->batch; n++)
        for (int y = 0; y < l->out.height; y++)
            for (int x = 0; x < l->out.width; x++)
                sum += sum_gradient_at(v, n, y, x, o) *
                       (bias ? 1 : value_at(v->x, l->in, n, y * stride + top, x * stride + left, i));
    return sum;
}

/* Compares values [first, first + count), relative to the largest expected. If there are more than `samples`, it compares the
 * first, the last and others chosen at random. */
static inline void compare(const char *what, const struct convolution_values *v, const float *got, size_t first,
                           size_t count, double (*expected)(const struct convolution_values *, size_t), size_t samples,
                           double tolerance)
{
    double largest = 0, worst = 0;
    uint64_t seed = 99;
    for (size_t s = 0; s < count && s < samples; s++) {
        size_t index = first + (count <= samples ? s : s < 2 ? s * (count - 1) : random_below(&seed, count));
        double want = expected(v, index), difference = fabs(got[index] - want);
        largest = fmax(largest, fabs(want));
        worst = difference > worst || isnan(difference) ? difference : worst;
    }
    if (getenv("TEST_VERBOSE"))
        printf("# %s: relative error %.1e\n", what, worst / largest);
    const struct net_layer *l = v->layer;
    if (!(worst <= tolerance * largest))
        fail_msg("%s of %d x %d, %d to %d channels, kernel %d, batch %d: relative error %.3g, allowed %.1g", what,
                 l->in.height, l->in.width, l->in.channels, l->out.channels, l->layer.kernel, v->batch,
                 worst / largest, tolerance);
}

/* Compares the output and the three gradients (dw: weights, then biases): `samples` values of each; SIZE_MAX: all. */
static inline void compare_all(const struct convolution_values *v, const float *dx, const float *dw, size_t samples,
                               double tolerance)
{
    const struct net_layer *l = v->layer;
    compare("output", v, v->y, 0, v->batch * shape_size(l->out), expected_output, samples, tolerance);
    compare("input gradient", v, dx, 0, v->batch * shape_size(l->in), expected_input_gradient, samples, tolerance);
    compare("weight gradient", v, dw, 0, l->weights->count, expected_gradient, samples, tolerance);
    compare("bias gradient", v, dw, l->weights->count, l->biases->count, expected_gradient, 16, tolerance);
}

#endif
