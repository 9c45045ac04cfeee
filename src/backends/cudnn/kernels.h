/* Our own kernels: for what no library fuses, or does in the right way.
 *
 * Each takes one struct by value. Its source is in kernels.inc, written once: nvcc compiles it for the device (kernels.cu), and
 * gcc for the tests, where the same functions run on the CPU. The work is divided into tiles, which the blocks take one after
 * another: any number of blocks is right, and results do not depend on it (except the parts of a penalty). A tile is a sequence
 * of phases: all threads of a block end phase p before any begins phase p + 1, and phases pass values on in the block's shared
 * memory. Blocks do not communicate, and every sum has a fixed order. Pools and norms are also compiled for the shapes of the
 * tutorial's model (kernels.instances.inc); launch.c uses those where they fit.
 *
 * Activations are (N,H,W,C), float or bfloat16 (`half`), passed as void pointers. All memory is device memory. Values move four at
 * a time if their arrays are aligned to that, else one at a time, with the same result. There are fewer than 2^32 images, rows
 * and pixels; and fewer than 2^32 values if a bias is added or rows change their number of channels. */
#ifndef BACKENDS_CUDNN_KERNELS_H
#define BACKENDS_CUDNN_KERNELS_H

#include "step.h"

#include <stddef.h>
#include <stdint.h>

#include "augment.h"

/* name, threads of a block, phases. The device function is kernel_<name>, its arguments struct <name>_arguments. */
#define KERNELS(KERNEL)                                                                                                \
    KERNEL(distort, 256, 8)         /* a tile is an image */                                                           \
    KERNEL(convert, 256, 1)         /* a tile is 1,024 values, also below if not given */                              \
    KERNEL(bias_relu, 256, 1)                                                                                          \
    KERNEL(pool_forward, 256, 1)    /* a part of an image; also backward */                                            \
    KERNEL(pool_backward, 256, 1)                                                                                      \
    KERNEL(norm_forward, 256, 2)    /* NORM_TILE / channels whole pixels; also backward */                             \
    KERNEL(norm_backward, 256, 4)                                                                                      \
    KERNEL(pool_norm_backward, 256, 4) /* some rows of the pool's output */                                            \
    KERNEL(norm_pool_forward, 256, 3) /* some neighbours in a row of the pool's output */                              \
    KERNEL(mask_bias, 256, 2)       /* one part's rows of 64 channels: parts * ceil(channels / 64) tiles */            \
    KERNEL(add, 256, 1)                                                                                                \
    KERNEL(centred_sums, 256, 2)    /* as mask_bias */                                                                 \
    KERNEL(batch_norm_forward, 256, 1) /* 256 values; also backward */                                                 \
    KERNEL(batch_norm_backward, 256, 1)                                                                                \
    KERNEL(finish, 256, 4)          /* a square of a filter, some biases, or values to check */                        \
    KERNEL(few_forward, 256, 5)     /* an image */                                                                     \
    KERNEL(few_backward, 256, 3)    /* 16 rows of weights; the loss */                                                 \
    KERNEL(loss, 256, 3)            /* one tile */                                                                     \
    KERNEL(update, 256, 6)          /* a tile a block */                                                               \
    KERNEL(results, 256, 3)         /* a step */

#define KERNEL_PHASES(name, threads, phases) PHASES_##name = phases,
enum { KERNELS(KERNEL_PHASES) };
#undef KERNEL_PHASES

/* What a pass needs: struct device_pass, and what follows from it. */
struct pass_control {
    uint64_t pass; /* its number: 0, 1, ... */
    uint64_t position, step, seed;
    float stop, rate, ema_decay;
};

/* The passes that the host has enqueued, on the device: pass p is in slot p & mask. *next is the number of the next pass: distort
 * reads it, and copies that pass's control to `present` for the later kernels; the loss advances it. So no kernel reads what it
 * writes, and all passes have the same arguments: a graph can hold several. */
struct pass_ring {
    const uint8_t *slots; /* slot_bytes each: struct pass_control, then samples (batch) */
    size_t slot_bytes;
    uint64_t mask; /* number of slots - 1; the number is a power of two */
    const uint64_t *next;
    struct pass_control *present;
};

/* What the update records of a step, for the results kernel. The penalty is the sum of its parts, one per block. */
enum { PENALTIES_MAX = 512 };
struct step_record {
    uint64_t step;
    float loss, correct, count, fault, stop;
    uint32_t parts;
    double penalties[PENALTIES_MAX];
};

/* Image i of the batch is sample p = position + i of the stream, and record samples[i] of the images; position and samples are
 * the next pass's. Draws and arithmetic are those of src/data/distort.c, from the same source (augment.inc). y (batch,
 * crop_height, crop_width, y_channels): channels beyond the image's are 0. labels_out (batch). */
struct distort_arguments {
    struct pass_ring ring;
    const uint8_t *images, *labels; /* (records, height, width, channels), (records) */
    int window;                     /* the records lie in the slots; these point into slot 0 */
    struct augmentations augmentations;
    struct frame frame;
    int batch, y_channels, half;
    void *y;
    int32_t *labels_out;
};

/* y (rows, y_channels) = x (rows, x_channels): y's further channels are 0, x's are left out. Each is float or bfloat16. */
struct convert_arguments {
    const void *x;
    void *y;
    size_t rows;
    int x_channels, y_channels, x_half, y_half;
};

/* y (rows, channels) += bias (NULL: nothing), then max(0, .) with relu. */
struct bias_relu_arguments {
    void *y;
    const float *bias;
    size_t rows;
    int channels, relu, half;
};

/* A pool's input, output and windows. A place in a window fits a byte. */
enum { POOL_KERNEL_MAX = 15 };
struct pool_geometry {
    int height, width;         /* of the input */
    int out_height, out_width;
    int channels, kernel, stride, pad_top, pad_left;
};

/* Max pooling; places (batch, out_height, out_width, channels): ky * kernel + kx of the first maximum in row order. Padding
 * never wins. */
struct pool_forward_arguments {
    const void *x;
    void *y;
    uint8_t *places;
    struct pool_geometry window;
    size_t batch;
    int half;
};

/* dx (batch, height, width, channels): the sum of dy over the windows whose maximum this is. One thread adds up each element, in
 * the windows' order, without atomics. */
struct pool_backward_arguments {
    const void *dy;
    void *dx;
    const uint8_t *places;
    struct pool_geometry window;
    size_t batch;
    int half;
};

/* y = x * s^-beta, s = k + alpha * sum of x^2 over |j - c| <= radius (src/backends/openblas/lrn.c has both formulas). */
struct norm_rule {
    int channels; /* at most NORM_CHANNELS_MAX; a multiple of 4 together with a pool */
    int radius;
    float k, alpha, beta;
};
enum { NORM_CHANNELS_MAX = 1024, NORM_TILE = 2048, NORM_POOL_TILE = 3072, POOL_NORM_TILE = 3840 };

/* With places, the pool before the norm is computed too: x is the pool's input, and the norm's input is written to `pooled` for
 * the backward pass. */
struct norm_forward_arguments {
    const void *x;
    void *y, *pooled;
    uint8_t *places;
    struct pool_geometry window; /* the pool's */
    size_t pixels;
    struct norm_rule norm;
    int half;
};

/* With places, the pool after the norm is included: dy is the gradient of the pool's output. masks: x came from a ReLU, and dx is
 * 0 where x is. sums (tiles, channels): dx summed over each tile's pixels; or NULL. */
struct norm_backward_arguments {
    const void *x, *dy;
    void *dx;
    const uint8_t *places;
    struct pool_geometry window;
    float *sums;
    size_t pixels;
    struct norm_rule norm;
    int masks, half;
};

/* The backward pass of a norm and the pool before it: x is the norm's input, dx the gradient of the pool's input; the gradient
 * between is not stored, but masks and sums, as above, refer to it. A tile is at most `rows` rows of the pool's output; with the
 * (kernel - 1) / stride rows before them they have at most POOL_NORM_TILE values. */
struct pool_norm_backward_arguments {
    const void *x, *dy;
    void *dx;
    const uint8_t *places;
    struct pool_geometry window;
    float *sums;
    size_t batch;
    struct norm_rule norm;
    int rows, masks, half;
};

/* A norm and the pool after it; the activation between is not stored. A tile is at most `columns` neighbours in a row of y; their
 * windows, columns * stride + kernel - stride pixels by kernel, have at most NORM_POOL_TILE values. */
struct norm_pool_forward_arguments {
    const void *x;
    void *y;
    uint8_t *places;
    struct pool_geometry window;
    size_t batch;
    struct norm_rule norm;
    int columns, half;
};

/* masked (rows, channels) = dy where y > 0, else 0 (without y: dy). sums (parts, channels): masked, summed over `parts` runs of
 * neighbouring rows, each rows / parts (rounded up) long, the last ones perhaps shorter. masked may be dy. masked or sums may be
 * NULL: it is not made. */
struct mask_bias_arguments {
    const void *dy, *y; /* y: NULL if there was no ReLU */
    void *masked;
    float *sums;
    size_t rows;
    int channels, parts, dy_half, y_half, masked_half;
};

/* y (values) = a + b, then max(0, .) with relu. y may be a or b. */
struct add_arguments {
    const void *a, *b;
    void *y;
    size_t values;
    int relu, half;
};

/* Sums over the rows in parts, as in mask_bias: of (x - mean)^2 or, with dy, of dy * (x - mean). The mean is totals / rows. */
struct centred_sums_arguments {
    const void *x, *dy; /* (rows, channels); dy: or NULL */
    const float *totals; /* (channels) */
    float *sums;         /* (parts, channels) */
    size_t rows;
    int channels, parts, half;
};

/* For each channel, mean * share is the mean and variance * share the variance. In training they are sums over the rows, and
 * share is 1 / rows; in evaluation and in frozen layers they are the running averages, and share is 1. */
struct batch_moments {
    const float *mean, *variance;
    float share, epsilon;
};

/* y (rows, channels) = gamma * (x - mean) / sqrt(variance + epsilon) + beta, then max(0, .) with relu. mean_sums, variance_sums
 * (channels): mean and variance, times `images`; or NULL. */
struct batch_norm_forward_arguments {
    const void *x;
    void *y;
    struct batch_moments moments;
    const float *gamma, *beta; /* (channels) */
    float *mean_sums, *variance_sums;
    float images;
    size_t rows;
    int channels, relu, half;
};

/* The backward pass, with the batch's own moments; dy is already masked by the ReLU. dx (rows, channels) and dgamma (channels)
 * may be NULL. dbeta, products (channels): the sums over the rows of dy, and of dy * (x - mean). */
struct batch_norm_backward_arguments {
    const void *x, *dy;
    void *dx;
    struct batch_moments moments;
    const float *gamma, *dbeta, *products;
    float *dgamma;
    size_t rows;
    int channels, half;
};

/* The end of the backward pass, in one launch. A part is a layer's slice of the flat gradients:
 *   with a filter  the gradients of a convolution's weights (HWIO) are copied from the filter's, float or bfloat16
 *   with sums      the biases' gradients are the sums of `runs` rows (runs, out), in a fixed order
 *   with neither   [weights, end) is only checked; of_parameters: it is a range of the parameters
 * All values, those written too, are checked: each tile sets faults[tile] to 1 if it met a number that is not finite, else to 0.
 * faults may be NULL. */
enum { FINISH_SQUARE = 32, FINISH_BIASES = 8, FINISH_VALUES = 8192 }; /* a tile: outputs and taps; biases; values */
struct finish_part {
    const void *filter; /* (out, kernel, kernel, y_in), or NULL */
    const float *sums;
    uint32_t weights, biases, end;
    uint32_t tile, squares; /* its first tile; how many of its tiles, the first ones, are the filter's */
    int in, out, y_in, runs;
    uint16_t kernel;
    uint8_t half, of_parameters;
};
enum { FINISH_PARTS_MAX = 66 };
struct finish_arguments {
    float *gradients;
    const float *parameters;
    uint32_t *faults;
    uint32_t tiles; /* of all parts */
    int part_count;
    struct finish_part parts[FINISH_PARTS_MAX];
};

static inline uint32_t finish_groups(size_t count, size_t by)
{
    return (uint32_t)((count + by - 1) / by);
}

/* Appends a part, with its tiles. */
static inline void finish_add(struct finish_arguments *a, struct finish_part part)
{
    size_t taps = (size_t)part.kernel * part.kernel * (size_t)part.y_in;
    part.tile = a->tiles;
    part.squares = part.filter ? finish_groups(taps, FINISH_SQUARE) * finish_groups((size_t)part.out, FINISH_SQUARE) : 0;
    a->tiles += part.squares;
    a->tiles += part.sums ? finish_groups((size_t)part.out, FINISH_BIASES) : 0;
    a->tiles += part.sums || part.filter ? 0 : finish_groups(part.end - part.weights, FINISH_VALUES);
    a->parts[a->part_count++] = part;
}

/* A dense layer of at most FEW_OUTPUTS outputs: y (batch, outs) = x (batch, in) weights (in, outs) + the biases, which follow the
 * weights. With bias (in), x lacks the previous layer's: x += bias, then max(0, .) with relu, is stored in x. */
enum { FEW_OUTPUTS = 16, FEW_ROWS = 16 }; /* FEW_ROWS: rows of weights per tile, backward */

/* correct: 1 or 0. */
struct image_result {
    double loss, correct;
};

/* With labels (batch), y are logits, and each image's loss and the gradient of y (batch, outs; y's type) are computed as in
 * struct loss_arguments. */
struct few_forward_arguments {
    void *x, *y;
    const float *bias, *weights;
    const int32_t *labels; /* or NULL */
    void *gradient;
    struct image_result *losses;
    size_t batch;
    int in, outs, relu, x_half, y_half;
};

/* dweights are followed by the biases' gradients. dx (or NULL) is 0 where x is, with masks. dbias (in): the sums of dx, or NULL.
 * With a tail, the losses of all images are added up in it, bit for bit as in struct loss_arguments. */
struct few_backward_arguments {
    const void *x, *dy;
    void *dx;
    const float *weights;
    float *dweights, *dbias;
    const struct image_result *losses;
    float *tail; /* or NULL */
    const struct pass_control *control; /* or NULL: no stop */
    uint64_t *next; /* with a control, set to the next pass (struct pass_ring) */
    size_t batch;
    int in, outs, masks, x_half, y_half;
};

/* Softmax cross-entropy as in src/backends/host.c: gradient (batch, classes) = softmax - one-hot (0 beyond count). tail: loss,
 * correct, count, fault and stop of the parcel (parcel.h). Exponentials are floats, sums double, in a fixed order. gradient and
 * control may be NULL (evaluation; no stop). With a control, *next is set to the next pass (struct pass_ring). An invalid label
 * makes the loss NaN. */
struct loss_arguments {
    const float *logits; /* (batch, classes) */
    const int32_t *labels;
    float *gradient, *tail;
    const struct pass_control *control;
    uint64_t *next;
    int batch, count, classes;
};

/* A layer's slice of the parameters, and the copies of it that a library needs (NULL: none), which the update keeps up to date.
 * filter: a convolution's weights as (out, kernel, kernel, y_in), float or bfloat16, leaving channels beyond `in` alone; or, with
 * kernel 0, a dense layer's weights in bfloat16. bias: the biases in bfloat16. */
struct slice {
    uint32_t weights, biases, end; /* [weights, biases), [biases, end) of the parameters */
    float decay;                   /* of the weights */
    void *filter, *bias;
    int kernel, in, out, y_in, half;
};
enum { SLICES_MAX = 64 };

/* The update of optimize.h, bit for bit, and then the copies. With a tail (parcel.h), scale is 1 / its count. If the tail has a
 * fault or a loss that is not finite, or one of `faults` (finish's) is not 0, nothing is changed and the record's fault is 1.
 * With a control, ema_decay is the control's, and so is rate unless keeps_rate. Without gradients the parameters stay, and only
 * shadows and copies follow them. The result goes into ring[step % ring_length], or ring[0] without a control. It has each
 * block's part of the penalty, decay / 2 * sum of p^2 of the parameters before the update. No ring: no result. At most
 * PENALTIES_MAX blocks. Slices are in order and do not overlap. */
struct update_arguments {
    float *parameters;
    const float *gradients; /* or NULL */
    float *shadows;         /* or NULL */
    const float *tail;      /* or NULL */
    const uint32_t *faults; /* (fault_count) */
    const struct pass_control *control; /* or NULL */
    float rate, scale, ema_decay;
    struct step_record *ring;
    size_t count;
    int ring_length, slice_count, fault_count, keeps_rate;
    struct slice slices[SLICES_MAX];
};

/* The results of steps first, first + 1, ..., from their records; the parts of a penalty are added in a fixed order. */
struct results_arguments {
    const struct step_record *ring;
    struct step_result *results; /* (count) */
    uint64_t first;
    int ring_length, count;
};

#endif
