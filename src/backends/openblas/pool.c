/* Max pooling over the part of each window that lies inside the image. */
#include <string.h>

#include "openblas.h"

/* The part of a window inside the image: rows [top, bottom), columns [left, right). */
struct openblas_window {
    int top, bottom, left, right;
};

static inline struct openblas_window openblas_window_at(const struct net_layer *l, int oy, int ox)
{
    int kernel = l->layer.kernel, top = oy * l->layer.stride - l->pad_top, left = ox * l->layer.stride - l->pad_left;
    return (struct openblas_window){
        .top = top < 0 ? 0 : top,
        .bottom = top + kernel > l->in.height ? l->in.height : top + kernel,
        .left = left < 0 ? 0 : left,
        .right = left + kernel > l->in.width ? l->in.width : left + kernel,
    };
}

/* One window, all channels. A NaN wins, so that it reaches the loss and is seen. */
static inline void openblas_window_forward(const struct net_layer *l, struct openblas_window w, const float *restrict image,
                                  float *restrict y)
{
    size_t channels = (size_t)l->in.channels;
    memcpy(y, image + ((size_t)w.top * l->in.width + w.left) * channels, channels * sizeof *y);
    for (int iy = w.top; iy < w.bottom; iy++)
        for (int ix = w.left; ix < w.right; ix++) {
            const float *x = image + ((size_t)iy * l->in.width + ix) * channels;
            for (size_t c = 0; c < channels; c++)
                y[c] = x[c] > y[c] || x[c] != x[c] ? x[c] : y[c];
        }
}

/* The gradient goes to the first maximum in row order; `rest` is the gradient not yet given to any place. */
static inline void openblas_window_backward(const struct net_layer *l, struct openblas_window w, const float *restrict image,
                                   const float *restrict y, float *restrict rest, float *restrict gradient)
{
    size_t channels = (size_t)l->in.channels;
    for (int iy = w.top; iy < w.bottom; iy++)
        for (int ix = w.left; ix < w.right; ix++) {
            size_t at = ((size_t)iy * l->in.width + ix) * channels;
            for (size_t c = 0; c < channels; c++) {
                float part = (float)(image[at + c] == y[c]) * rest[c];
                gradient[at + c] += part;
                rest[c] -= part;
            }
        }
}

__attribute__((target_clones("avx512f", "avx2", "default")))
static void openblas_image_forward(const struct net_layer *l, const float *image, float *y)
{
    for (int oy = 0; oy < l->out.height; oy++)
        for (int ox = 0; ox < l->out.width; ox++, y += l->out.channels)
            openblas_window_forward(l, openblas_window_at(l, oy, ox), image, y);
}

__attribute__((target_clones("avx512f", "avx2", "default")))
static void openblas_image_backward(const struct net_layer *l, const float *image, const float *y, const float *dy, float *rest,
                           float *gradient)
{
    memset(gradient, 0, shape_size(l->in) * sizeof *gradient);
    for (int oy = 0; oy < l->out.height; oy++)
        for (int ox = 0; ox < l->out.width; ox++, y += l->out.channels, dy += l->out.channels) {
            memcpy(rest, dy, l->out.channels * sizeof *rest);
            openblas_window_backward(l, openblas_window_at(l, oy, ox), image, y, rest, gradient);
        }
}

static int openblas_pool_forward(struct host_operation *o, struct error *why)
{
    (void)why;
    const struct net_layer *l = o->layer;
    size_t in = shape_size(l->in), out = shape_size(l->out);
    for (int n = 0; n < o->batch; n++)
        openblas_image_forward(l, o->x + n * in, o->y + n * out);
    return 0;
}

static int openblas_pool_backward(struct host_operation *o, struct error *why)
{
    (void)why;
    const struct net_layer *l = o->layer;
    size_t in = shape_size(l->in), out = shape_size(l->out);
    for (int n = 0; o->dx && n < o->batch; n++)
        openblas_image_backward(l, o->x + n * in, o->y + n * out, o->dy + n * out, o->scratch, o->dx + n * in);
    return 0;
}

static size_t openblas_pool_scratch(const struct net_layer *layer)
{
    return (size_t)layer->in.channels;
}

const struct host_kind openblas_max_pool = {
    .layers = 1,
    .scratch = openblas_pool_scratch,
    .forward = openblas_pool_forward,
    .backward = openblas_pool_backward,
};
