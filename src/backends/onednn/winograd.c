/* Convolutions by minimal filtering; winograd.h has the algorithm. Each thread computes its share of the images, whose tiles it
 * takes in blocks that fit the second-level cache: transform, one matrix product per point, transform back. */
#include "winograd.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "onednn.h"
#include "products.h"

/* The matrix products of a block of tiles; their shapes depend on its number of tiles. */
struct block_products {
    struct product forward; /* m (tiles, out) = v (tiles, in) u (in, out) */
    struct product weights; /* du (in, out) += v^T dm */
    struct product data;    /* dv (tiles, in) = dm (tiles, out) u^T (out, in) */
};

/* A thread's images, [first, last), and its memory. */
struct winograd_worker {
    int first, last;
    float *v, *m;     /* transformed tiles: (points, block, in), (points, block, out) */
    float *du, *db;   /* gradient sums: (points, in, out), (out) */
    float *du_run;    /* du of the current run of tiles if it is not the first; NULL if there is only one run */
    float *sink;      /* the larger of (in) and (out): receives what is written to pixels outside an image */
};

struct winograd {
    const struct winograd_kernels *kernels;
    int points, tiles;     /* N x N; tiles per image */
    int block;             /* tiles per block */
    int run;               /* tiles per run. Gradients are summed in runs, then over them: two levels round less than one */
    size_t v_stride, m_stride, u_stride; /* floats between points; no power of two, or all points would share one cache set */
    int *inputs, *outputs; /* (tiles, points), (tiles, M x M): offsets in an image, in floats; -1: outside */
    float *zeros;
    float *u, *u_transposed, *weights_transposed; /* (points, in, out), (points, out, in), (R, R, out, in) */
    struct block_products *products;              /* (block + 1), indexed by the number of tiles; only those that occur are set */
    struct winograd_worker *workers;
    int worker_count;
};

enum { POINTS_MAX = 64, OUTPUTS_MAX = 16, GAP = 16, RUN_TILES = 576 };

bool winograd_applies(const struct net_layer *l)
{
    return l->layer.kind == LAYER_CONVOLUTION && l->layer.stride == 1 &&
           (l->layer.kernel == 3 || l->layer.kernel == 5) && l->in.channels % 16 == 0 && l->out.channels % 16 == 0;
}

/* ---- places ---- */

/* Lists the `size` x `size` pixels from (top, left) on, in an image of that shape. */
static void list_places(int *places, struct shape image, int top, int left, int size)
{
    for (int y = top; y < top + size; y++)
        for (int x = left; x < left + size; x++)
            *places++ = y < 0 || x < 0 || y >= image.height || x >= image.width
                            ? -1
                            : (y * image.width + x) * image.channels;
}

static void list_tiles(struct winograd *w, const struct net_layer *l)
{
    int m = w->kernels->outputs, n = m + w->kernels->weights_size - 1;
    int *input = w->inputs, *output = w->outputs;
    for (int top = 0; top < l->out.height; top += m)
        for (int left = 0; left < l->out.width; left += m, input += n * n, output += m * m) {
            list_places(input, l->in, top - l->pad_top, left - l->pad_left, n);
            list_places(output, l->out, top, left, m);
        }
}

static void point_at(float **pixels, const float *image, const int *places, int count, const float *outside)
{
    for (int i = 0; i < count; i++)
        pixels[i] = (float *)(places[i] < 0 ? outside : image + places[i]);
}

/* ---- memory ---- */

/* Tiles per block: as many as let both transformed blocks together about fill the second-level cache. */
static int block_size(const struct winograd *w, const struct net_layer *l, int tiles)
{
    enum { LEAST = 12, MOST = 48, USUAL_CACHE = 512 << 10 }; /* tiles; bytes, if the system does not tell */
    long cache = sysconf(_SC_LEVEL2_CACHE_SIZE);
    long tile = (long)sizeof(float) * w->points * (l->in.channels + l->out.channels);
    long fit = (cache > 0 ? cache : USUAL_CACHE) * 9 / 8 / tile;
    int block = fit < LEAST ? LEAST : fit > MOST ? MOST : (int)fit;
    return block < tiles ? block : tiles;
}

static int worker_init(struct winograd *w, struct winograd_worker *worker, const struct host_operation *o, struct error *why)
{
    const struct net_layer *l = o->layer;
    size_t points = (size_t)w->points;
    int larger = l->in.channels > l->out.channels ? l->in.channels : l->out.channels;
    if (!(worker->v = memory_new(points, w->v_stride * sizeof(float), l->layer.name, why)) ||
        !(worker->m = memory_new(points, w->m_stride * sizeof(float), l->layer.name, why)) ||
        !(worker->sink = memory_new((size_t)larger, sizeof(float), l->layer.name, why)))
        return -1;
    if (o->dy && (!(worker->du = memory_new(points, w->u_stride * sizeof(float), l->layer.name, why)) ||
                  !(worker->db = memory_new((size_t)l->out.channels, sizeof(float), l->layer.name, why))))
        return -1;
    if (o->dy && (worker->last - worker->first) * w->tiles > w->run &&
        !(worker->du_run = memory_new(points, w->u_stride * sizeof(float), l->layer.name, why)))
        return -1;
    return 0;
}

static int init_shared(struct winograd *w, const struct host_operation *o, struct error *why)
{
    const struct net_layer *l = o->layer;
    const char *name = l->layer.name;
    size_t points = (size_t)w->points, tiles = (size_t)w->tiles, m = (size_t)w->kernels->outputs;
    if (!(w->inputs = memory_new(tiles, points * sizeof(int), name, why)) ||
        !(w->outputs = memory_new(tiles, m * m * sizeof(int), name, why)) ||
        !(w->zeros = memory_new((size_t)(l->in.channels + l->out.channels), sizeof(float), name, why)) ||
        !(w->u = memory_new(points, w->u_stride * sizeof(float), name, why)))
        return -1;
    if (o->dx && (!(w->u_transposed = memory_new(points, w->u_stride * sizeof(float), name, why)) ||
                  !(w->weights_transposed = memory_new(l->weights->count, sizeof(float), name, why))))
        return -1;
    list_tiles(w, l);
    return 0;
}

/* Makes the products of full blocks and of the remainder of each worker's tiles. */
static int init_products(struct winograd *w, const struct host_operation *o, struct error *why)
{
    int in = o->layer->in.channels, out = o->layer->out.channels;
    w->products = memory_new((size_t)w->block + 1, sizeof *w->products, o->layer->layer.name, why);
    if (!w->products)
        return -1;
    for (int i = 0; i < w->worker_count; i++) {
        int tiles = (w->workers[i].last - w->workers[i].first) * w->tiles;
        int sizes[] = {tiles < w->block ? tiles : w->block, tiles % w->block};
        for (int j = 0; j < 2; j++)
            if (sizes[j])
                w->products[sizes[j]] = (struct block_products){
                    .forward = product_of((struct product_shape){sizes[j], out, in, false}),
                    .weights = product_of((struct product_shape){in, out, sizes[j], true}),
                    .data = product_of((struct product_shape){sizes[j], in, out, false}),
                };
    }
    return 0;
}

static int winograd_init(struct host_operation *o, struct error *why)
{
    const struct net_layer *l = o->layer;
    struct winograd *w = o->own = memory_new(1, sizeof *w, l->layer.name, why);
    if (!w)
        return -1;
    w->kernels = library_of(o)->vectors->winograd[l->layer.kernel == 5];
    int m = w->kernels->outputs, n = m + w->kernels->weights_size - 1;
    w->points = n * n;
    w->tiles = ((l->out.height + m - 1) / m) * ((l->out.width + m - 1) / m);
    w->worker_count = omp_get_max_threads() < o->batch ? omp_get_max_threads() : o->batch;
    w->block = block_size(w, l, (o->batch + w->worker_count - 1) / w->worker_count * w->tiles);
    w->run = (RUN_TILES + w->block - 1) / w->block * w->block;
    w->v_stride = (size_t)w->block * l->in.channels + GAP;
    w->m_stride = (size_t)w->block * l->out.channels + GAP;
    w->u_stride = (size_t)l->in.channels * l->out.channels + GAP;
    w->workers = memory_new((size_t)w->worker_count, sizeof *w->workers, l->layer.name, why);
    if (!w->workers || init_shared(w, o, why))
        return -1;
    for (int i = 0; i < w->worker_count; i++) {
        w->workers[i].first = (int)((int64_t)o->batch * i / w->worker_count);
        w->workers[i].last = (int)((int64_t)o->batch * (i + 1) / w->worker_count);
        if (worker_init(w, &w->workers[i], o, why))
            return -1;
    }
    o->forward_operations = 2.0 * o->batch * w->tiles * w->points * l->in.channels * l->out.channels;
    o->backward_operations = (o->dx ? 2 : 1) * o->forward_operations;
    return init_products(w, o, why);
}

static void winograd_free(struct host_operation *o)
{
    struct winograd *w = o->own;
    if (!w)
        return;
    for (int i = 0; w->workers && i < w->worker_count; i++) {
        struct winograd_worker *worker = &w->workers[i];
        free(worker->v), free(worker->m), free(worker->du), free(worker->db), free(worker->du_run);
        free(worker->sink);
    }
    free(w->inputs), free(w->outputs), free(w->zeros);
    free(w->u), free(w->u_transposed), free(w->weights_transposed);
    free(w->products), free(w->workers), free(w);
}

/* ---- steps ---- */

/* (R, R, in, out) to (R, R, out, in) */
static void transpose_channels(const float *weights, float *transposed, size_t in, size_t out, size_t places)
{
    for (size_t p = 0; p < places; p++)
        for (size_t i = 0; i < in; i++)
            for (size_t j = 0; j < out; j++)
                transposed[(p * out + j) * in + i] = weights[(p * in + i) * out + j];
}

static int winograd_prepare(struct host_operation *o, struct error *why)
{
    (void)why;
    struct winograd *w = o->own;
    size_t in = o->layer->in.channels, out = o->layer->out.channels, r = w->kernels->weights_size;
    const float *weights = host_parameters(o, o->layer->weights);
    w->kernels->weights(weights, in * out, in * out, w->u, w->u_stride);
    if (o->dx) {
        transpose_channels(weights, w->weights_transposed, in, out, r * r);
        w->kernels->weights(w->weights_transposed, in * out, in * out, w->u_transposed, w->u_stride);
    }
    return 0;
}

/* The image of a tile; tiles are numbered across all images of a worker. */
static const float *image_of(const struct winograd *w, const struct winograd_worker *worker, int tile, const float *images,
                             struct shape shape)
{
    return images + (size_t)(worker->first + tile / w->tiles) * shape_size(shape);
}

static void transform_inputs(const struct host_operation *o, struct winograd_worker *worker, int first, int count)
{
    const struct winograd *w = o->own;
    struct shape in = o->layer->in;
    float *pixels[POINTS_MAX];
    for (int t = 0; t < count; t++) {
        const int *places = w->inputs + (first + t) % w->tiles * w->points;
        point_at(pixels, image_of(w, worker, first + t, o->x, in), places, w->points, w->zeros);
        w->kernels->input(pixels, in.channels, worker->v + (size_t)t * in.channels, w->v_stride);
    }
}

static void forward_block(const struct host_operation *o, struct winograd_worker *worker, int first, int count)
{
    const struct winograd *w = o->own;
    const struct net_layer *l = o->layer;
    int pixel_count = w->kernels->outputs * w->kernels->outputs;
    float *pixels[OUTPUTS_MAX];
    transform_inputs(o, worker, first, count);
    for (size_t p = 0; p < (size_t)w->points; p++)
        product_run(&w->products[count].forward, worker->v + p * w->v_stride, w->u + p * w->u_stride,
                    worker->m + p * w->m_stride);
    for (int t = 0; t < count; t++) {
        const int *places = w->outputs + (first + t) % w->tiles * pixel_count;
        point_at(pixels, image_of(w, worker, first + t, o->y, l->out), places, pixel_count, worker->sink);
        w->kernels->output(worker->m + (size_t)t * l->out.channels, w->m_stride, l->out.channels,
                           l->biases ? host_parameters(o, l->biases) : w->zeros, l->layer.activation == ACTIVATION_RELU, pixels);
    }
}

static int winograd_forward(struct host_operation *o, struct error *why)
{
    (void)why;
    const struct winograd *w = o->own;
#pragma omp parallel for schedule(static, 1)
    for (int i = 0; i < w->worker_count; i++) {
        struct winograd_worker *worker = &w->workers[i];
        int tiles = (worker->last - worker->first) * w->tiles;
        for (int first = 0; first < tiles; first += w->block)
            forward_block(o, worker, first, tiles - first < w->block ? tiles - first : w->block);
    }
    return 0;
}

static void transform_output_gradients(const struct host_operation *o, struct winograd_worker *worker, int first, int count)
{
    const struct winograd *w = o->own;
    const struct net_layer *l = o->layer;
    int pixel_count = w->kernels->outputs * w->kernels->outputs;
    float *pixels[OUTPUTS_MAX], *outputs[OUTPUTS_MAX];
    for (int t = 0; t < count; t++) {
        const int *places = w->outputs + (first + t) % w->tiles * pixel_count;
        point_at(pixels, image_of(w, worker, first + t, o->dy, l->out), places, pixel_count, w->zeros);
        point_at(outputs, image_of(w, worker, first + t, o->y, l->out), places, pixel_count, w->zeros);
        w->kernels->output_gradient(pixels, l->layer.activation == ACTIVATION_RELU ? outputs : NULL, l->out.channels,
                                    worker->m + (size_t)t * l->out.channels, w->m_stride, worker->db);
    }
}

/* Tiles overlap, so each image is cleared before its first tile is added. */
static void add_input_gradients(const struct host_operation *o, struct winograd_worker *worker, int first, int count)
{
    const struct winograd *w = o->own;
    struct shape in = o->layer->in;
    float *pixels[POINTS_MAX];
    for (int t = 0; t < count; t++) {
        int place = (first + t) % w->tiles;
        float *image = (float *)image_of(w, worker, first + t, o->dx, in);
        if (place == 0)
            memset(image, 0, shape_size(in) * sizeof *image);
        point_at(pixels, image, w->inputs + place * w->points, w->points, worker->sink);
        w->kernels->input_gradient(worker->v + (size_t)t * in.channels, w->v_stride, in.channels, pixels);
    }
}

static void backward_block(const struct host_operation *o, struct winograd_worker *worker, int first, int count)
{
    const struct winograd *w = o->own;
    float *du = first < w->run ? worker->du : worker->du_run;
    transform_inputs(o, worker, first, count);
    transform_output_gradients(o, worker, first, count);
    for (size_t p = 0; p < (size_t)w->points; p++) {
        float *v = worker->v + p * w->v_stride, *m = worker->m + p * w->m_stride;
        product_run(&w->products[count].weights, v, m, du + p * w->u_stride);
        if (o->dx) /* dv overwrites v */
            product_run(&w->products[count].data, m, w->u_transposed + p * w->u_stride, v);
    }
    if (o->dx)
        add_input_gradients(o, worker, first, count);
}

/* Adds a run's sums to du, and clears them for the next run. */
__attribute__((target_clones("avx512f", "avx2", "default")))
static void add_run(float *restrict du, float *restrict run, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        du[i] += run[i];
        run[i] = 0;
    }
}

static void worker_backward(const struct host_operation *o, struct winograd_worker *worker)
{
    const struct winograd *w = o->own;
    int tiles = (worker->last - worker->first) * w->tiles;
    size_t sums = (size_t)w->points * w->u_stride;
    memset(worker->du, 0, sums * sizeof(float));
    memset(worker->db, 0, (size_t)o->layer->out.channels * sizeof(float));
    for (int first = 0; first < tiles; first += w->block) {
        backward_block(o, worker, first, tiles - first < w->block ? tiles - first : w->block);
        if (first >= w->run && ((first + w->block) % w->run == 0 || first + w->block >= tiles))
            add_run(worker->du, worker->du_run, sums);
    }
}

/* Adds all workers' sums to the first one's, always in the same order. */
static void add_workers(const struct winograd *w, size_t count, size_t channels)
{
    struct winograd_worker *all = w->workers;
#pragma omp parallel for
    for (size_t i = 0; i < count; i++)
        for (int j = 1; j < w->worker_count; j++)
            all[0].du[i] += all[j].du[i];
    for (size_t i = 0; i < channels; i++)
        for (int j = 1; j < w->worker_count; j++)
            all[0].db[i] += all[j].db[i];
}

static int winograd_backward(struct host_operation *o, struct error *why)
{
    (void)why;
    const struct winograd *w = o->own;
    const struct net_layer *l = o->layer;
    size_t pairs = (size_t)l->in.channels * l->out.channels;
#pragma omp parallel for schedule(static, 1)
    for (int i = 0; i < w->worker_count; i++)
        worker_backward(o, &w->workers[i]);
    add_workers(w, (size_t)w->points * w->u_stride, (size_t)l->out.channels);
    float *dw = host_gradients(o, l->weights), *db = host_gradients(o, l->biases);
    if (dw)
        w->kernels->weights_gradient(w->workers[0].du, w->u_stride, pairs, dw, pairs);
    if (db)
        memcpy(db, w->workers[0].db, (size_t)l->out.channels * sizeof(float));
    return 0;
}

const struct host_kind onednn_winograd = {
    .layers = 1,
    .init = winograd_init,
    .prepare = winograd_prepare,
    .forward = winograd_forward,
    .backward = winograd_backward,
    .free = winograd_free,
};
