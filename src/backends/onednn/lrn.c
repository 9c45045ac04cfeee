/* Local response normalisation over channels, a pixel at a time:
 *     s[c] = k + alpha * sum of x[j]^2 over |j - c| <= radius,    y = x s^-beta
 * and, because the window is symmetric,
 *     dx = dy s^-beta - 2 alpha beta x[c] * sum of dy[j] x[j] s[j]^(-beta - 1) over |j - c| <= radius.
 * Backward computes s and its powers again, which is cheaper than storing and loading them.
 * Limit: above |x| of about 1e12, s^(-beta - 1) is too small for a float, and dx loses its second term. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "onednn.h"

/* Pixels that each loop processes before the next loop begins: enough that stores to scratch reach the cache before loads. */
enum { STRIP = 8 };

#define SUM_MAX 0x1.fp127f /* a little less than the largest float */

struct onednn_lrn {
    float *scratch; /* (batch, scratch_size): one strip per image */
};

/* Scratch for a strip. Zeros surround the values that windows sum, so that windows at the edge need no test. */
struct strip {
    float *squares, *terms; /* (STRIP, pitch), starting at radius: x^2; dy x s^(-beta - 1) */
    float *powers;          /* (STRIP, channels): s^-beta */
    size_t channels, pitch;
    float square_max; /* squares up to this have a finite window sum, also times alpha */
};

static size_t pitch_of(const struct net_layer *l)
{
    return (size_t)l->in.channels + 2 * (size_t)l->layer.radius;
}

static size_t scratch_size(const struct net_layer *l)
{
    return STRIP * (2 * pitch_of(l) + (size_t)l->in.channels);
}

static struct strip strip_in(float *scratch, const struct net_layer *l)
{
    size_t pitch = pitch_of(l);
    float *terms = scratch + STRIP * pitch;
    float square_max = SUM_MAX / ((float)(2 * l->layer.radius + 1) * fmaxf(1, l->layer.alpha));
    return (struct strip){scratch, terms, terms + STRIP * pitch, (size_t)l->in.channels, pitch, square_max};
}

static int onednn_lrn_init(struct host_operation *o, struct error *why)
{
    const struct net_layer *l = o->layer;
    struct onednn_lrn *n = o->own = memory_new(1, sizeof *n, l->layer.name, why);
    return n && (n->scratch = memory_new((size_t)o->batch, scratch_size(l) * sizeof(float), l->layer.name, why)) ? 0 : -1;
}

/* s^(-1/4). The first guess divides the exponent's bits by 4 and is right to 3 %; three Newton iterations y (5 - s y^4) / 4 square
 * the error each time. They only multiply, so they vectorise; roots and a division cost three times as much. */
static inline __attribute__((always_inline)) float inverse_fourth_root(float s)
{
    union {
        float value;
        uint32_t bits;
    } y = {s};
    y.bits = 0x4f586000 - (y.bits >> 2);
    for (int i = 0; i < 3; i++) {
        float square = y.value * y.value;
        y.value *= 1.25f - 0.25f * s * (square * square);
    }
    return y.value;
}

/* *power = s^-beta, *next = s^(-beta - 1) */
static inline __attribute__((always_inline)) void powers_of(float s, float beta, float *power, float *next)
{
    if (beta == 0.75f) {
        float root = inverse_fourth_root(s), square = root * root;
        *power = square * root;
        *next = *power * (square * square);
    } else {
        *power = powf(s, -beta);
        *next = *power / s;
    }
}

/* Unlike a running sum, this is exact and vectorises. */
static inline __attribute__((always_inline)) float window_sum(const float *padded, int radius)
{
    float sum = padded[0];
    for (int i = 1; i <= 2 * radius; i++)
        sum += padded[i];
    return sum;
}

/* Squares are clamped so that their sum is finite; an infinite sum would make s^(-1/4) NaN. NaN stays NaN. */
static inline __attribute__((always_inline)) void put_squares(struct strip s, size_t pixels, int radius,
                                                              const float *restrict x)
{
    for (size_t p = 0; p < pixels; p++, x += s.channels) {
        float *restrict squares = s.squares + p * s.pitch + radius;
        for (size_t c = 0; c < s.channels; c++) {
            float square = x[c] * x[c];
            squares[c] = square > s.square_max ? s.square_max : square;
        }
    }
}

static inline __attribute__((always_inline)) void strip_forward(const struct layer *l, struct strip s, size_t pixels,
                                                                int radius, float beta, const float *restrict x,
                                                                float *restrict y)
{
    put_squares(s, pixels, radius, x);
    for (size_t p = 0; p < pixels; p++, x += s.channels, y += s.channels) {
        const float *restrict squares = s.squares + p * s.pitch;
        for (size_t c = 0; c < s.channels; c++) {
            float power, next;
            powers_of(l->k + l->alpha * window_sum(squares + c, radius), beta, &power, &next);
            y[c] = x[c] * power;
        }
    }
}

static inline __attribute__((always_inline)) void strip_backward(const struct layer *l, struct strip s, size_t pixels,
                                                                 int radius, float beta, const float *restrict x,
                                                                 const float *restrict dy, float *restrict dx)
{
    float factor = 2 * l->alpha * beta;
    put_squares(s, pixels, radius, x);
    for (size_t p = 0; p < pixels; p++) {
        const float *restrict squares = s.squares + p * s.pitch;
        float *restrict terms = s.terms + p * s.pitch + radius, *restrict powers = s.powers + p * s.channels;
        for (size_t c = 0; c < s.channels; c++) {
            float next;
            powers_of(l->k + l->alpha * window_sum(squares + c, radius), beta, &powers[c], &next);
            terms[c] = dy[p * s.channels + c] * x[p * s.channels + c] * next;
        }
    }
    for (size_t p = 0; p < pixels; p++, x += s.channels, dy += s.channels, dx += s.channels) {
        const float *restrict terms = s.terms + p * s.pitch, *restrict powers = s.powers + p * s.channels;
        for (size_t c = 0; c < s.channels; c++)
            dx[c] = dy[c] * powers[c] - factor * x[c] * window_sum(terms + c, radius);
    }
}

/* The tutorial's radius and exponent are passed as constants, for which the compiler makes faster loops. */
__attribute__((target_clones("avx512f", "avx2", "default")))
static void lrn_image_forward(const struct layer *l, struct strip s, size_t pixels, const float *x, float *y)
{
    for (size_t p = 0; p < pixels; p += STRIP, x += STRIP * s.channels, y += STRIP * s.channels) {
        size_t strip = pixels - p < STRIP ? pixels - p : STRIP;
        if (l->radius == 4 && l->beta == 0.75f)
            strip_forward(l, s, strip, 4, 0.75f, x, y);
        else
            strip_forward(l, s, strip, l->radius, l->beta, x, y);
    }
}

__attribute__((target_clones("avx512f", "avx2", "default")))
static void lrn_image_backward(const struct layer *l, struct strip s, size_t pixels, const float *x, const float *dy,
                           float *dx)
{
    for (size_t p = 0, at = 0; p < pixels; p += STRIP, at += STRIP * s.channels) {
        size_t strip = pixels - p < STRIP ? pixels - p : STRIP;
        if (l->radius == 4 && l->beta == 0.75f)
            strip_backward(l, s, strip, 4, 0.75f, x + at, dy + at, dx + at);
        else
            strip_backward(l, s, strip, l->radius, l->beta, x + at, dy + at, dx + at);
    }
}

static int onednn_lrn_forward(struct host_operation *o, struct error *why)
{
    (void)why;
    const struct net_layer *l = o->layer;
    struct onednn_lrn *own = o->own;
    size_t in = shape_size(l->in), pixels = (size_t)l->in.height * l->in.width;
#pragma omp parallel for
    for (int n = 0; n < o->batch; n++)
        lrn_image_forward(&l->layer, strip_in(own->scratch + n * scratch_size(l), l), pixels, o->x + n * in, o->y + n * in);
    return 0;
}

static int onednn_lrn_backward(struct host_operation *o, struct error *why)
{
    (void)why;
    const struct net_layer *l = o->layer;
    struct onednn_lrn *own = o->own;
    size_t in = shape_size(l->in), pixels = (size_t)l->in.height * l->in.width;
    if (!o->dx)
        return 0;
#pragma omp parallel for
    for (int n = 0; n < o->batch; n++)
        lrn_image_backward(&l->layer, strip_in(own->scratch + n * scratch_size(l), l), pixels, o->x + n * in,
                       o->dy + n * in, o->dx + n * in);
    return 0;
}

static void onednn_lrn_free(struct host_operation *o)
{
    struct onednn_lrn *n = o->own;
    if (n)
        free(n->scratch);
    free(n);
}

const struct host_kind onednn_lrn = {
    .layers = 1,
    .init = onednn_lrn_init,
    .forward = onednn_lrn_forward,
    .backward = onednn_lrn_backward,
    .free = onednn_lrn_free,
};
