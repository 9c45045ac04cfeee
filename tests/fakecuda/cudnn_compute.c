/* What the referee's cuDNN computes: windows as rows of a matrix, and products by OpenBLAS. */
#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#include "cudnn.h"
#include "fake.h"
#include "numbers.h"

const char *const pass_names[] = {
    [FORWARD] = "cudnn forward", [INPUT_GRADIENT] = "cudnn input gradient", [WEIGHTS_GRADIENT] = "cudnn weights gradient",
};

static int64_t place_count(const struct convolution *c, enum place place)
{
    switch (place) {
    case PLACE_X: return c->n * c->h * c->w * c->c;
    case PLACE_W: return c->k * c->r * c->s * c->c;
    case PLACE_Y: return c->n * c->p * c->q * c->k;
    default: return c->k;
    }
}

int64_t place_bytes(const struct convolution *c, enum place place)
{
    return place_count(c, place) * (c->half ? 2 : 4);
}

/* ---- numbers ---- */

static void *memory(int64_t count, size_t size)
{
    void *made = calloc((size_t)count, size);
    if (!made)
        fake_misuse("no memory for the referee itself");
    return made;
}

/* A tensor in floats, rounded as an engine of that manner rounds it. */
static float *factor(const struct work *work, enum place place)
{
    int64_t count = place_count(&work->convolution, place);
    float *values = memory(count, sizeof *values);
    int dropped = work->manner.down_converts ? HALF_DROPPED : work->manner.tensor_cores ? TF32_DROPPED : 0;
    for (int64_t i = 0; i < count; i++) {
        bool half = work->convolution.half;
        float value = half ? widened(((const uint16_t *)work->places[place])[i]) : ((const float *)work->places[place])[i];
        values[i] = dropped && !half && place != PLACE_BIAS ? rounded(value, dropped) : value;
    }
    return values;
}

static void store(const struct work *work, enum place place, const float *values)
{
    int64_t count = place_count(&work->convolution, place);
    for (int64_t i = 0; i < count; i++)
        if (work->convolution.half)
            ((uint16_t *)work->places[place])[i] = narrowed(values[i]);
        else
            ((float *)work->places[place])[i] = values[i];
}

/* ---- windows ---- */

/* rows (p * q, r * s * c): the pixels of each window of an image, 0 in the padding. With `back`, the reverse: adds rows to the
 * image. */
static void windows(const struct convolution *c, float *image, float *rows, bool back)
{
    for (int64_t p = 0; p < c->p; p++)
        for (int64_t q = 0; q < c->q; q++)
            for (int64_t r = 0; r < c->r; r++)
                for (int64_t s = 0; s < c->s; s++, rows += c->c) {
                    int64_t y = p * c->stride[0] - c->pad[0] + r, x = q * c->stride[1] - c->pad[1] + s;
                    bool inside = y >= 0 && y < c->h && x >= 0 && x < c->w;
                    float *pixel = image + (y * c->w + x) * c->c;
                    for (int64_t i = 0; back && inside && i < c->c; i++)
                        pixel[i] += rows[i];
                    if (!back && inside)
                        memcpy(rows, pixel, (size_t)c->c * sizeof *rows);
                    else if (!back)
                        memset(rows, 0, (size_t)c->c * sizeof *rows);
                }
}

static float behind(const struct convolution *c, float value)
{
    if (!c->relu || value > 0 || (value != value && c->keeps_nan))
        return value;
    return 0;
}

/* The number of images that it computes. */
static int64_t images(const struct work *work)
{
    return work->convolution.n - work->manner.hasty;
}

static void forward(const struct work *work)
{
    const struct convolution *c = &work->convolution;
    int pixels = (int)(c->p * c->q), taps = (int)(c->r * c->s * c->c), k = (int)c->k;
    float *x = factor(work, PLACE_X), *w = factor(work, PLACE_W), *bias = c->bias ? factor(work, PLACE_BIAS) : NULL;
    float *y = memory(place_count(c, PLACE_Y), sizeof *y), *rows = memory((int64_t)pixels * taps, sizeof *rows);
    for (int64_t n = 0; n < images(work); n++) {
        float *out = y + n * pixels * k;
        windows(c, x + n * c->h * c->w * c->c, rows, false);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, pixels, k, taps, 1, rows, taps, w, taps, 0, out, k);
        for (int64_t i = 0; i < (int64_t)pixels * k; i++)
            out[i] = behind(c, bias ? out[i] + bias[i % k] : out[i]);
    }
    store(work, PLACE_Y, y);
    free(x), free(w), free(bias), free(y), free(rows);
}

static void input_gradient(const struct work *work)
{
    const struct convolution *c = &work->convolution;
    int pixels = (int)(c->p * c->q), taps = (int)(c->r * c->s * c->c), k = (int)c->k;
    float *dy = factor(work, PLACE_Y), *w = factor(work, PLACE_W);
    float *dx = memory(place_count(c, PLACE_X), sizeof *dx), *rows = memory((int64_t)pixels * taps, sizeof *rows);
    for (int64_t n = 0; n < images(work); n++) {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, pixels, taps, k, 1, dy + n * pixels * k, k, w, taps, 0, rows, taps);
        windows(c, dx + n * c->h * c->w * c->c, rows, true);
    }
    store(work, PLACE_X, dx);
    free(dy), free(w), free(dx), free(rows);
}

/* Adds image by image, in order or in a random order, which changes sums of floats. */
static void weights_gradient(const struct work *work)
{
    const struct convolution *c = &work->convolution;
    int pixels = (int)(c->p * c->q), taps = (int)(c->r * c->s * c->c), k = (int)c->k;
    float *x = factor(work, PLACE_X), *dy = factor(work, PLACE_Y);
    float *dw = memory(place_count(c, PLACE_W), sizeof *dw), *rows = memory((int64_t)pixels * taps, sizeof *rows);
    size_t *order = memory(c->n, sizeof *order);
    for (int64_t n = 0; n < c->n; n++)
        order[n] = (size_t)n;
    if (work->manner.random_order)
        fake_shuffle(order, (size_t)c->n);
    for (int64_t i = 0; i < images(work); i++) {
        int64_t n = (int64_t)order[i];
        windows(c, x + n * c->h * c->w * c->c, rows, false);
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, k, taps, pixels, 1, dy + n * pixels * k, k, rows, taps, 1, dw, taps);
    }
    store(work, PLACE_W, dw);
    free(x), free(dy), free(dw), free(rows), free(order);
}

/* Fills the workspace with NaN, for work that relies on its contents or uses it at the same time. */
static void spoil(const struct work *work)
{
    if (work->workspace_bytes > 0)
        memset(work->workspace, 0xff, (size_t)work->workspace_bytes);
}

/* The time of a pass: 100 million multiply-adds per millisecond. A measurement need not repeat what takes this CPU long. */
static double milliseconds(const struct convolution *c)
{
    return 1e-8 * (double)(c->n * c->p * c->q * c->k) * (double)(c->r * c->s * c->c);
}

void work_run(const void *state)
{
    static void (*const passes[])(const struct work *) = {
        [FORWARD] = forward, [INPUT_GRADIENT] = input_gradient, [WEIGHTS_GRADIENT] = weights_gradient,
    };
    const struct work *work = state;
    spoil(work);
    passes[work->convolution.pass](work);
    fake_takes(milliseconds(&work->convolution) / (1 + work->manner.hasty));
    spoil(work);
}
