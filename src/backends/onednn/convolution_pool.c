/* A convolution and the max pool that follows it, as the first two layers of a net.
 *
 * The forward pass takes a few images at a time, so that the convolution's output is pooled while it is in the cache; no other
 * layer reads it. ReLU commutes with the maximum, so it is applied to the pool's output, which is smaller.
 *
 * In the backward pass only one place of each window has a gradient. So the gradient of the weights is a sum over windows and
 * channels: dy times the patch of the image under that place. With windows of 3x3 and stride 2 this is a quarter of the dense
 * product's work, and the gradient of the convolution's output is never stored. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "onednn.h"

enum { LANES = 16 };

struct convolution_pool {
    struct weighted forward;
    int chunk;         /* images at a time in the forward pass; divides the batch */
    float *between;    /* (chunk, convolution's out) */
    uint8_t *places;   /* (batch, pool's out) */
    int padded_width;  /* of an image with its zero padding */
    size_t image_size; /* of such an image, floats */
    float *images;     /* (batch, image_size) and LANES floats more, since patches are read in whole LANES */
    int row, row_size; /* of a patch: kernel * channels in; rounded up to LANES */
    float *sums;       /* (channels out, kernel, row_size): the weights' gradient */
    int32_t *windows;  /* (pool's out height, width): where in an image the window's first patch begins */
    int32_t *steps;    /* (pool's kernel, kernel): from there to the patch of that place */
};

/* The largest divisor of the batch up to two images per thread, so that a chunk's convolution output stays in the caches. */
static int choose_chunk(int batch)
{
    int chunk = 2 * omp_get_max_threads();
    while (chunk > 1 && batch % chunk)
        chunk--;
    return chunk;
}

static void lay_patches(struct convolution_pool *own, const struct net_layer *l)
{
    const struct net_layer *pool = l + 1;
    int stride = l->layer.stride * l->in.channels, line = stride * own->padded_width;
    for (int y = 0; y < pool->out.height; y++)
        for (int x = 0; x < pool->out.width; x++)
            own->windows[y * pool->out.width + x] = (y * pool->layer.stride - pool->pad_top) * line +
                                                    (x * pool->layer.stride - pool->pad_left) * stride;
    for (int y = 0; y < pool->layer.kernel; y++)
        for (int x = 0; x < pool->layer.kernel; x++)
            own->steps[y * pool->layer.kernel + x] = y * line + x * stride;
}

static int init_backward(struct host_operation *o, struct error *why)
{
    const struct net_layer *l = o->layer, *pool = l + 1;
    struct convolution_pool *own = o->own;
    const char *name = l->layer.name;
    int padded_height = (l->out.height - 1) * l->layer.stride + l->layer.kernel;
    own->padded_width = (l->out.width - 1) * l->layer.stride + l->layer.kernel;
    own->image_size = (size_t)padded_height * own->padded_width * l->in.channels;
    own->row = l->layer.kernel * l->in.channels;
    own->row_size = (own->row + LANES - 1) / LANES * LANES;
    size_t windows = (size_t)pool->out.height * pool->out.width, steps = (size_t)pool->layer.kernel * pool->layer.kernel;
    size_t sums = (size_t)l->out.channels * l->layer.kernel * own->row_size;
    if (!(own->images = memory_new(o->batch * own->image_size + LANES, sizeof(float), name, why)) ||
        !(own->sums = memory_new(sums, sizeof(float), name, why)) ||
        !(own->windows = memory_new(windows, sizeof(int32_t), name, why)) ||
        !(own->steps = memory_new(steps, sizeof(int32_t), name, why)))
        return -1;
    lay_patches(own, l);
    o->backward_operations = 2.0 * o->batch * (double)windows * (double)l->weights->count;
    return 0;
}

static int convolution_pool_init(struct host_operation *o, struct error *why)
{
    const struct net_layer *l = o->layer;
    struct convolution_pool *own = o->own = memory_new(1, sizeof *own, l->layer.name, why);
    if (!own)
        return -1;
    own->chunk = choose_chunk(o->batch);
    own->between = memory_new((size_t)own->chunk, shape_size(l->out) * sizeof(float), l->layer.name, why);
    if (!own->between || pool_places_new(&own->places, l + 1, o->batch, why))
        return -1;
    struct host_operation of_chunk = *o;
    of_chunk.batch = own->chunk;
    of_chunk.y = own->between;
    if (weighted_init_forward(&own->forward, &of_chunk, false, why))
        return -1;
    return o->dy ? init_backward(o, why) : 0;
}

static int convolution_pool_prepare(struct host_operation *o, struct error *why)
{
    struct convolution_pool *own = o->own;
    const float *biases = host_parameters(o, o->layer->biases);
    if (biases && primitive_point(&own->forward.primitive, DNNL_ARG_BIAS, biases, why))
        return -1;
    return weighted_take(&own->forward, host_parameters(o, o->layer->weights), why);
}

static int convolution_pool_forward(struct host_operation *o, struct error *why)
{
    const struct net_layer *l = o->layer, *pool = l + 1;
    struct convolution_pool *own = o->own;
    size_t in = shape_size(l->in), between = shape_size(l->out), out = shape_size(pool->out);
    for (int first = 0; first < o->batch; first += own->chunk) {
        if (primitive_point(&own->forward.primitive, DNNL_ARG_SRC, o->x + first * in, why) ||
            primitive_run(&own->forward.primitive, why))
            return -1;
#pragma omp parallel for
        for (int n = 0; n < own->chunk; n++) {
            float *y = o->y + (first + n) * out;
            pool_image_forward(library_of(o)->vectors, pool, own->between + n * between, y, own->places + (first + n) * out);
            if (l->layer.activation == ACTIVATION_RELU)
                host_relu_forward(y, out);
        }
    }
    return 0;
}

/* Copies image n into its padded image; the zeros around it stay. */
static void pad_image(const struct host_operation *o, int n)
{
    const struct net_layer *l = o->layer;
    const struct convolution_pool *own = o->own;
    size_t line = (size_t)l->in.width * l->in.channels, padded_line = (size_t)own->padded_width * l->in.channels;
    float *image = own->images + n * own->image_size;
    int height = (int)(own->image_size / padded_line);
    for (int y = 0; y < l->in.height && y + l->pad_top < height; y++)
        memcpy(image + (y + l->pad_top) * padded_line + (size_t)l->pad_left * l->in.channels,
               o->x + ((size_t)n * l->in.height + y) * line, line * sizeof(float));
}

/* sums (rows, size) += the sum over i of d[i] times the patch at p[i]. Taking four at a time loads and stores sums only once. */
static inline __attribute__((always_inline)) void add_patches(const float *const p[4], const float d[4], size_t pitch,
                                                              int rows, int size, float *restrict sums)
{
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < size; i++)
            sums[row * size + i] += (d[0] * p[0][row * pitch + i] + d[1] * p[1][row * pitch + i]) +
                                    (d[2] * p[2][row * pitch + i] + d[3] * p[3][row * pitch + i]);
}

/* Windows [first, first + 4) of one image, channels [from, to). A window after the last counts as 0. */
static inline __attribute__((always_inline)) void windows_backward(const struct host_operation *o, int n, int first,
                                                                   int from, int to, int row_size)
{
    const struct net_layer *l = o->layer, *pool = l + 1;
    const struct convolution_pool *own = o->own;
    int windows = pool->out.height * pool->out.width, rows = l->layer.kernel;
    size_t channels = l->out.channels, pitch = (size_t)own->padded_width * l->in.channels;
    const float *image[4], *dy[4];
    const uint8_t *places[4];
    float counts[4];
    for (int i = 0; i < 4; i++) {
        size_t w = first + i < windows ? first + i : windows - 1, at = (n * (size_t)windows + w) * channels;
        image[i] = own->images + n * own->image_size + own->windows[w];
        dy[i] = o->dy + at;
        places[i] = own->places + at;
        counts[i] = first + i < windows;
    }
    for (int c = from; c < to; c++) {
        const float *p[4];
        float d[4];
        for (int i = 0; i < 4; i++) {
            p[i] = image[i] + own->steps[places[i][c]];
            d[i] = counts[i] * dy[i][c];
        }
        add_patches(p, d, pitch, rows, row_size, own->sums + (size_t)c * rows * row_size);
    }
}

__attribute__((target_clones("avx512f", "avx2", "default")))
static void patches_backward(const struct host_operation *o, int n, int from, int to)
{
    const struct convolution_pool *own = o->own;
    const struct shape out = (o->layer + 1)->out;
    if (own->row_size == LANES)
        for (int first = 0; first < out.height * out.width; first += 4)
            windows_backward(o, n, first, from, to, LANES);
    else
        for (int first = 0; first < out.height * out.width; first += 4)
            windows_backward(o, n, first, from, to, own->row_size);
}

static int convolution_pool_backward(struct host_operation *o, struct error *why)
{
    (void)why;
    const struct net_layer *l = o->layer, *pool = l + 1;
    struct convolution_pool *own = o->own;
    size_t out = shape_size(pool->out), patch = (size_t)l->layer.kernel * own->row_size;
    int channels = l->out.channels;
    float *weights = host_gradients(o, l->weights), *biases = host_gradients(o, l->biases);
    if (l->layer.activation == ACTIVATION_RELU)
        relu_backward(o->dy, o->y, o->batch * out);
    if (!weights)
        return 0;
    if (biases)
        bias_gradient(biases, o->dy, o->batch * out / channels, channels);
#pragma omp parallel for
    for (int n = 0; n < o->batch; n++)
        pad_image(o, n);
    memset(own->sums, 0, channels * patch * sizeof(float));
#pragma omp parallel for
    for (int first = 0; first < channels; first += LANES)
        for (int n = 0; n < o->batch; n++)
            patches_backward(o, n, first, first + LANES < channels ? first + LANES : channels);
    for (int c = 0; c < channels; c++)
        for (int row = 0; row < l->layer.kernel; row++)
            for (int i = 0; i < own->row; i++)
                weights[((size_t)row * own->row + i) * channels + c] = own->sums[c * patch + row * own->row_size + i];
    return 0;
}

static void convolution_pool_free(struct host_operation *o)
{
    struct convolution_pool *own = o->own;
    if (!own)
        return;
    weighted_free(&own->forward);
    free(own->between);
    free(own->places);
    free(own->images);
    free(own->sums);
    free(own->windows);
    free(own->steps);
    free(own);
}

const struct host_kind onednn_convolution_pool = {
    .layers = 2,
    .init = convolution_pool_init,
    .prepare = convolution_pool_prepare,
    .forward = convolution_pool_forward,
    .backward = convolution_pool_backward,
    .free = convolution_pool_free,
};
