/* Local response normalisation over channels, a pixel at a time:
 *     s[c] = k + alpha * sum of x[j]^2 over |j - c| <= radius,    p = s^-beta,    y = x p
 * and, the window being symmetric,
 *     dx = dy p - 2 alpha beta x[c] * sum of dy[j] x[j] p[j] / s[j] over |j - c| <= radius.
 * Forward keeps p: the roots are the costly part. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "onednn.h"

struct norm {
    float *powers;  /* (batch, in) */
    float *scratch; /* (batch, scratch_size): rows of an image's thread */
};

static size_t scratch_size(const struct net_layer *l)
{
    return 3 * (size_t)l->in.channels + 2 * (size_t)l->layer.radius;
}

static int norm_init(struct operation *o, struct error *why)
{
    const struct net_layer *l = o->layer;
    struct norm *n = o->own = memory_new(1, sizeof *n, l->layer.name, why);
    if (!n || !(n->powers = memory_new((size_t)o->batch, shape_size(l->in) * sizeof(float), l->layer.name, why)) ||
        !(n->scratch = memory_new((size_t)o->batch, scratch_size(l) * sizeof(float), l->layer.name, why)))
        return -1;
    return 0;
}

/* Rows of scratch for one pixel: values between zeros that stay, and what is made of them. */
struct rows {
    float *padded; /* (radius + channels + radius) */
    float *values; /* padded + radius */
    float *sums, *scale;
};

static struct rows rows_in(float *scratch, const struct net_layer *l)
{
    size_t channels = (size_t)l->in.channels, radius = (size_t)l->layer.radius;
    float *behind = scratch + channels + 2 * radius;
    return (struct rows){scratch, scratch + radius, behind, behind + channels};
}

/* Exact, and it vectorises, unlike a running sum. */
static inline __attribute__((always_inline)) void sum_windows(const float *restrict padded, size_t channels, int width,
                                                              float *restrict sums)
{
    for (size_t c = 0; c < channels; c++) {
        float sum = padded[c];
        for (int i = 1; i < width; i++)
            sum += padded[c + i];
        sums[c] = sum;
    }
}

static inline __attribute__((always_inline)) void window_sums(const float *restrict padded, size_t channels, int radius,
                                                              float *restrict sums)
{
    if (radius == 4)
        sum_windows(padded, channels, 9, sums);
    else
        sum_windows(padded, channels, 2 * radius + 1, sums);
}

static inline __attribute__((always_inline)) void pixel_scale(const struct layer *layer, const float *restrict x,
                                                              size_t channels, struct rows r)
{
    float *restrict values = r.values, *restrict scale = r.scale;
    const float *restrict sums = r.sums;
    for (size_t c = 0; c < channels; c++)
        values[c] = x[c] * x[c];
    window_sums(r.padded, channels, layer->radius, r.sums);
    for (size_t c = 0; c < channels; c++)
        scale[c] = layer->k + layer->alpha * sums[c];
}

/* power = scale^-beta */
static inline __attribute__((always_inline)) void scale_power(const float *restrict scale, size_t channels, float beta,
                                                              float *restrict power)
{
    if (beta == 0.75f)
        for (size_t c = 0; c < channels; c++) {
            float root = sqrtf(scale[c]);
            power[c] = 1 / (root * sqrtf(root));
        }
    else
        for (size_t c = 0; c < channels; c++)
            power[c] = powf(scale[c], -beta);
}

__attribute__((target_clones("avx512f", "avx2", "default")))
static void pixels_forward(const struct layer *layer, size_t pixels, size_t channels, const float *restrict x,
                           float *restrict y, float *restrict power, struct rows r)
{
    for (size_t i = 0; i < pixels; i++, x += channels, y += channels, power += channels) {
        pixel_scale(layer, x, channels, r);
        scale_power(r.scale, channels, layer->beta, power);
        for (size_t c = 0; c < channels; c++)
            y[c] = x[c] * power[c];
    }
}

__attribute__((target_clones("avx512f", "avx2", "default")))
static void pixels_backward(const struct layer *layer, size_t pixels, size_t channels, const float *restrict x,
                            const float *restrict power, const float *restrict dy, float *restrict dx, struct rows r)
{
    float factor = 2 * layer->alpha * layer->beta;
    float *restrict values = r.values;
    const float *restrict scale = r.scale, *restrict sums = r.sums;
    for (size_t i = 0; i < pixels; i++, x += channels, power += channels, dy += channels, dx += channels) {
        pixel_scale(layer, x, channels, r);
        for (size_t c = 0; c < channels; c++)
            values[c] = dy[c] * x[c] * power[c] / scale[c];
        window_sums(r.padded, channels, layer->radius, r.sums);
        for (size_t c = 0; c < channels; c++)
            dx[c] = dy[c] * power[c] - factor * x[c] * sums[c];
    }
}

static int norm_forward(struct operation *o, struct error *why)
{
    (void)why;
    const struct net_layer *l = o->layer;
    struct norm *own = o->own;
    size_t in = shape_size(l->in), channels = l->in.channels;
#pragma omp parallel for
    for (int n = 0; n < o->batch; n++)
        pixels_forward(&l->layer, in / channels, channels, o->x + n * in, o->y + n * in, own->powers + n * in,
                       rows_in(own->scratch + n * scratch_size(l), l));
    return 0;
}

static int norm_backward(struct operation *o, float *gradients, struct error *why)
{
    (void)gradients, (void)why;
    const struct net_layer *l = o->layer;
    struct norm *own = o->own;
    size_t in = shape_size(l->in), channels = l->in.channels;
    if (!o->dx)
        return 0;
#pragma omp parallel for
    for (int n = 0; n < o->batch; n++)
        pixels_backward(&l->layer, in / channels, channels, o->x + n * in, own->powers + n * in, o->dy + n * in,
                        o->dx + n * in, rows_in(own->scratch + n * scratch_size(l), l));
    return 0;
}

static void norm_free(struct operation *o)
{
    struct norm *n = o->own;
    if (n) {
        free(n->powers);
        free(n->scratch);
    }
    free(n);
}

const struct operation_kind onednn_norm = {
    .layers = 1,
    .init = norm_init,
    .forward = norm_forward,
    .backward = norm_backward,
    .free = norm_free,
};
