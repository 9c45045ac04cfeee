/* Max pooling over the part of each window that lies inside the image. Keeps the place of each maximum in its window: of equal
 * values, the first in row order. The library's own pool does the same, but ignores NaN. */
#include <stdlib.h>
#include <string.h>

#include "onednn.h"

struct onednn_pool {
    uint8_t *places; /* (batch, out): the maximum's place among the window's kernel x kernel inputs */
};

int pool_places_new(uint8_t **places, const struct net_layer *l, int batch, struct error *why)
{
    *places = memory_new((size_t)batch, shape_size(l->out), l->layer.name, why);
    return *places ? 0 : -1;
}

static int onednn_pool_init(struct host_operation *o, struct error *why)
{
    const struct net_layer *l = o->layer;
    struct onednn_pool *p = o->own = memory_new(1, sizeof *p, l->layer.name, why);
    return p ? pool_places_new(&p->places, l, o->batch, why) : -1;
}

/* The pixels of one window that lie inside the image, in row order: the first `count` of each. */
struct onednn_window {
    int count;
    const float *pixels[ONEDNN_POOL_MAX * ONEDNN_POOL_MAX];
    uint8_t places[ONEDNN_POOL_MAX * ONEDNN_POOL_MAX];
};

static void window_lay(struct onednn_window *w, const struct net_layer *l, int oy, int ox, const float *image)
{
    int kernel = l->layer.kernel, top = oy * l->layer.stride - l->pad_top, left = ox * l->layer.stride - l->pad_left;
    w->count = 0;
    for (int ky = top < 0 ? -top : 0; ky < kernel && top + ky < l->in.height; ky++)
        for (int kx = left < 0 ? -left : 0; kx < kernel && left + kx < l->in.width; kx++) {
            w->pixels[w->count] = image + ((size_t)(top + ky) * l->in.width + left + kx) * l->in.channels;
            w->places[w->count++] = (uint8_t)(ky * kernel + kx);
        }
}

void pool_image_forward(const struct vector_set *vectors, const struct net_layer *l, const float *image, float *y,
                        uint8_t *places)
{
    int channels = l->in.channels;
    struct onednn_window window;
    for (int oy = 0; oy < l->out.height; oy++)
        for (int ox = 0; ox < l->out.width; ox++, y += channels, places += channels) {
            window_lay(&window, l, oy, ox, image);
            vectors->pool_window(window.pixels, window.places, window.count, channels, y, places);
        }
}

/* The windows [first, last] along one side that contain input `i`. */
struct reach {
    int first, last;
};

static inline __attribute__((always_inline)) struct reach windows_of(int i, int pad, int kernel, int stride, int windows)
{
    int first = i + pad - kernel + 1, last = (i + pad) / stride;
    first = first <= 0 ? 0 : (first + stride - 1) / stride;
    return (struct reach){first, last < windows ? last : windows - 1};
}

/* Sums the gradients of the windows whose maximum is this pixel, for each channel. */
__attribute__((target_clones("avx512f", "avx2", "default")))
static void pixel_backward(const struct net_layer *l, int iy, int ix, const float *restrict dy,
                           const uint8_t *restrict places, float *restrict dx)
{
    int kernel = l->layer.kernel, stride = l->layer.stride, channels = l->in.channels;
    struct reach ys = windows_of(iy, l->pad_top, kernel, stride, l->out.height);
    struct reach xs = windows_of(ix, l->pad_left, kernel, stride, l->out.width);
    memset(dx, 0, channels * sizeof *dx);
    for (int oy = ys.first; oy <= ys.last; oy++)
        for (int ox = xs.first; ox <= xs.last; ox++) {
            int tap = (iy + l->pad_top - oy * stride) * kernel + ix + l->pad_left - ox * stride;
            size_t at = ((size_t)oy * l->out.width + ox) * channels;
            for (int c = 0; c < channels; c++)
                dx[c] += places[at + c] == tap ? dy[at + c] : 0;
        }
}

static int onednn_pool_forward(struct host_operation *o, struct error *why)
{
    (void)why;
    const struct net_layer *l = o->layer;
    struct onednn_pool *p = o->own;
    size_t in = shape_size(l->in), out = shape_size(l->out);
#pragma omp parallel for
    for (int n = 0; n < o->batch; n++)
        pool_image_forward(library_of(o)->vectors, l, o->x + n * in, o->y + n * out, p->places + n * out);
    return 0;
}

static int onednn_pool_backward(struct host_operation *o, struct error *why)
{
    (void)why;
    const struct net_layer *l = o->layer;
    const struct onednn_pool *p = o->own;
    size_t in = shape_size(l->in), out = shape_size(l->out);
    if (!o->dx)
        return 0;
#pragma omp parallel for
    for (int n = 0; n < o->batch; n++)
        for (int i = 0; i < l->in.height * l->in.width; i++)
            pixel_backward(l, i / l->in.width, i % l->in.width, o->dy + n * out, p->places + n * out,
                           o->dx + n * in + (size_t)i * l->in.channels);
    return 0;
}

static void onednn_pool_free(struct host_operation *o)
{
    struct onednn_pool *p = o->own;
    if (p)
        free(p->places);
    free(p);
}

const struct host_kind onednn_max_pool = {
    .layers = 1,
    .init = onednn_pool_init,
    .forward = onednn_pool_forward,
    .backward = onednn_pool_backward,
    .free = onednn_pool_free,
};
