/* Convolutions: the windows of some output rows are gathered into a matrix with one row per window (im2col), and multiplied by the
 * weights, which already are a matrix (HWIO). */
#include <cblas.h>
#include <string.h>

#include "openblas.h"

enum { BLOCK = 1 << 18 }; /* floats of gathered windows: 1 MiB, to stay in the second-level cache */

static int window_size(const struct net_layer *l)
{
    return l->layer.kernel * l->layer.kernel * l->in.channels;
}

/* The number of output rows whose windows fill a block. */
static int block_rows(const struct net_layer *l)
{
    size_t rows = BLOCK / ((size_t)l->out.width * window_size(l));
    return rows < 1 ? 1 : rows > (size_t)l->out.height ? l->out.height : (int)rows;
}

static size_t openblas_convolution_scratch(const struct net_layer *l)
{
    return (size_t)block_rows(l) * l->out.width * window_size(l);
}

/* One row of a window: kernel * channels floats. `inside` of them, after the first `before`, lie in the image at `offset`; the rest
 * is padding. */
struct window_row {
    size_t before, inside, offset;
};

static inline struct window_row window_row_at(const struct net_layer *l, int oy, int ox, int ky)
{
    int y = oy * l->layer.stride - l->pad_top + ky, x = ox * l->layer.stride - l->pad_left;
    int left = x < 0 ? -x : 0;
    int right = x + l->layer.kernel > l->in.width ? l->in.width - x : l->layer.kernel;
    if (y < 0 || y >= l->in.height)
        return (struct window_row){0};
    size_t channels = (size_t)l->in.channels;
    return (struct window_row){left * channels, (right - left) * channels,
                               ((size_t)y * l->in.width + x + left) * channels};
}

static void gather_windows(const struct net_layer *l, const float *image, int first, int rows, float *windows)
{
    size_t length = (size_t)l->layer.kernel * l->in.channels;
    for (int oy = first; oy < first + rows; oy++)
        for (int ox = 0; ox < l->out.width; ox++)
            for (int ky = 0; ky < l->layer.kernel; ky++, windows += length) {
                struct window_row row = window_row_at(l, oy, ox, ky);
                if (row.inside < length)
                    memset(windows, 0, length * sizeof *windows);
                memcpy(windows + row.before, image + row.offset, row.inside * sizeof *windows);
            }
}

/* The transpose of gathering: adds the windows onto the image. */
__attribute__((target_clones("avx512f", "avx2", "default")))
static void scatter_windows(const struct net_layer *l, const float *restrict windows, int first, int rows,
                            float *restrict image)
{
    size_t length = (size_t)l->layer.kernel * l->in.channels;
    for (int oy = first; oy < first + rows; oy++)
        for (int ox = 0; ox < l->out.width; ox++)
            for (int ky = 0; ky < l->layer.kernel; ky++, windows += length) {
                struct window_row row = window_row_at(l, oy, ox, ky);
                for (size_t i = 0; i < row.inside; i++)
                    image[row.offset + i] += windows[row.before + i];
            }
}

static int openblas_convolution_forward(struct host_operation *o, struct error *why)
{
    (void)why;
    const struct net_layer *l = o->layer;
    size_t in = shape_size(l->in), out = shape_size(l->out), line = (size_t)l->out.width * l->out.channels;
    int window = window_size(l), channels = l->out.channels, block = block_rows(l);
    const float *weights = host_parameters(o, l->weights), *biases = host_parameters(o, l->biases);

    for (int n = 0; n < o->batch; n++) {
        float *y = o->y + n * out;
        openblas_bias_set(y, biases, out / channels, channels);
        for (int first = 0; first < l->out.height; first += block) {
            int rows = first + block < l->out.height ? block : l->out.height - first;
            gather_windows(l, o->x + n * in, first, rows, o->scratch);
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows * l->out.width, channels, window, 1,
                        o->scratch, window, weights, channels, 1, y + first * line, channels);
        }
        if (l->layer.activation == ACTIVATION_RELU)
            host_relu_forward(y, out);
    }
    return 0;
}

/* One block of one image: adds to the gradient of the weights (dw; NULL: none) and to that of the image. */
static void block_backward(struct host_operation *o, int n, int first, int rows, float *dw)
{
    const struct net_layer *l = o->layer;
    size_t in = shape_size(l->in), line = (size_t)l->out.width * l->out.channels;
    int window = window_size(l), channels = l->out.channels, count = rows * l->out.width;
    const float *dy = o->dy + n * shape_size(l->out) + first * line;

    if (dw) {
        gather_windows(l, o->x + n * in, first, rows, o->scratch);
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, window, channels, count, 1, o->scratch, window, dy, channels,
                    1, dw, channels);
    }
    if (!o->dx)
        return;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, count, window, channels, 1, dy, channels,
                host_parameters(o, l->weights), channels, 0, o->scratch, window);
    scatter_windows(l, o->scratch, first, rows, o->dx + n * in);
}

static int openblas_convolution_backward(struct host_operation *o, struct error *why)
{
    (void)why;
    const struct net_layer *l = o->layer;
    size_t out = shape_size(l->out);
    int channels = l->out.channels, block = block_rows(l);
    float *dw = host_gradients(o, l->weights), *db = host_gradients(o, l->biases);

    if (dw)
        memset(dw, 0, l->weights->count * sizeof *dw);
    if (db)
        memset(db, 0, l->biases->count * sizeof *db);
    if (o->dx)
        memset(o->dx, 0, o->batch * shape_size(l->in) * sizeof *o->dx);
    for (int n = 0; n < o->batch; n++) {
        float *dy = o->dy + n * out;
        if (l->layer.activation == ACTIVATION_RELU)
            host_relu_backward(dy, o->y + n * out, out);
        if (db)
            openblas_bias_gradient(db, dy, out / channels, channels);
        for (int first = 0; first < l->out.height; first += block)
            block_backward(o, n, first, first + block < l->out.height ? block : l->out.height - first, dw);
    }
    return 0;
}

const struct host_kind openblas_convolution = {
    .layers = 1,
    .scratch = openblas_convolution_scratch,
    .forward = openblas_convolution_forward,
    .backward = openblas_convolution_backward,
};
