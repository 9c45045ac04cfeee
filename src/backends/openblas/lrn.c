/* Local response normalisation over channels, a pixel at a time:
 *     s[c] = k + alpha * sum of x[j]^2 over |j - c| <= radius,    y = x * s^-beta
 * and, because the window is symmetric,
 *     dx = dy * s^-beta - 2 alpha beta x[c] * sum of dy[j] x[j] s[j]^(-beta-1) over |j - c| <= radius.
 * Window sums add shifted copies of a row that has `radius` zeros on either side. Unlike a running sum this is exact, and it
 * vectorises. */
#include <math.h>
#include <string.h>

#include "openblas.h"

/* The parts of the scratch buffer, for one pixel. */
struct rows {
    float *padded; /* (radius + channels + radius) */
    float *scale, *power, *sums;
};

static size_t openblas_lrn_scratch(const struct net_layer *l)
{
    return 4 * (size_t)l->in.channels + 2 * (size_t)l->layer.radius;
}

static struct rows rows_in(float *scratch, const struct net_layer *l)
{
    size_t channels = (size_t)l->in.channels;
    float *behind = scratch + channels + 2 * (size_t)l->layer.radius;
    memset(scratch, 0, (size_t)(behind - scratch) * sizeof *scratch);
    return (struct rows){scratch, behind, behind + channels, behind + 2 * channels};
}

static inline void window_sums(const float *restrict padded, size_t channels, int radius, float *restrict sums)
{
    memset(sums, 0, channels * sizeof *sums);
    for (int shift = 0; shift <= 2 * radius; shift++)
        for (size_t c = 0; c < channels; c++)
            sums[c] += padded[c + shift];
}

/* power = scale^-beta */
static inline void scale_power(const float *restrict scale, size_t channels, float beta, float *restrict power)
{
    if (beta == 0.75f)
        for (size_t c = 0; c < channels; c++)
            power[c] = 1 / (sqrtf(scale[c]) * sqrtf(sqrtf(scale[c])));
    else
        for (size_t c = 0; c < channels; c++)
            power[c] = powf(scale[c], -beta);
}

static inline void pixel_scale(const struct layer *layer, const float *restrict x, size_t channels, struct rows r)
{
    for (size_t c = 0; c < channels; c++)
        r.padded[layer->radius + c] = x[c] * x[c];
    window_sums(r.padded, channels, layer->radius, r.sums);
    for (size_t c = 0; c < channels; c++)
        r.scale[c] = layer->k + layer->alpha * r.sums[c];
    scale_power(r.scale, channels, layer->beta, r.power);
}

__attribute__((target_clones("avx512f", "avx2", "default")))
static void pixels_forward(const struct layer *layer, size_t pixels, size_t channels, const float *restrict x,
                           float *restrict y, struct rows r)
{
    for (size_t i = 0; i < pixels; i++, x += channels, y += channels) {
        pixel_scale(layer, x, channels, r);
        for (size_t c = 0; c < channels; c++)
            y[c] = x[c] * r.power[c];
    }
}

__attribute__((target_clones("avx512f", "avx2", "default")))
static void pixels_backward(const struct layer *layer, size_t pixels, size_t channels, const float *restrict x,
                            const float *restrict dy, float *restrict dx, struct rows r)
{
    float factor = 2 * layer->alpha * layer->beta;
    for (size_t i = 0; i < pixels; i++, x += channels, dy += channels, dx += channels) {
        pixel_scale(layer, x, channels, r);
        for (size_t c = 0; c < channels; c++)
            r.padded[layer->radius + c] = dy[c] * x[c] * r.power[c] / r.scale[c];
        window_sums(r.padded, channels, layer->radius, r.sums);
        for (size_t c = 0; c < channels; c++)
            dx[c] = dy[c] * r.power[c] - factor * x[c] * r.sums[c];
    }
}

static int openblas_lrn_forward(struct host_operation *o, struct error *why)
{
    (void)why;
    const struct net_layer *l = o->layer;
    size_t pixels = (size_t)o->batch * l->in.height * l->in.width;
    pixels_forward(&l->layer, pixels, l->in.channels, o->x, o->y, rows_in(o->scratch, l));
    return 0;
}

static int openblas_lrn_backward(struct host_operation *o, struct error *why)
{
    (void)why;
    const struct net_layer *l = o->layer;
    size_t pixels = (size_t)o->batch * l->in.height * l->in.width;
    if (o->dx)
        pixels_backward(&l->layer, pixels, l->in.channels, o->x, o->dy, o->dx, rows_in(o->scratch, l));
    return 0;
}

const struct host_kind openblas_lrn = {
    .layers = 1,
    .scratch = openblas_lrn_scratch,
    .forward = openblas_lrn_forward,
    .backward = openblas_lrn_backward,
};
