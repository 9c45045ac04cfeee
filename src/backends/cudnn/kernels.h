/* The kernels of our own: what no library fuses, or does in the right way.
 *
 * Each takes one struct by value. Its text is in kernels.inc, written once: nvcc compiles it for the device (kernels.cu),
 * and gcc for the tests, where the same functions run on the CPU. Its work falls into tiles, which the blocks take one
 * after another: any number of blocks is right, and results do not depend on it (but for the parts of a penalty). A tile
 * is a row of phases: phase p of all threads of a block ends before phase p + 1 of any of them begins, and what one phase
 * leaves to the next lies in the block's shared memory. Blocks know nothing of each other, and nothing is added up in an
 * order left to chance. Pools and norms are compiled once more for the shapes of the tutorial's model (kernels.instances.inc), and
 * launch.c takes those where they fit.
 *
 * Activations are (N,H,W,C), float or bfloat16 (`half`): void pointers here. Device memory throughout. Values move four at
 * a time where arrays are aligned to that; if not, one at a time, with the same result. There are fewer than 2^32 images,
 * rows, pixels; and values, where a bias is added or rows change their number of channels. */
#ifndef BACKENDS_CUDNN_KERNELS_H
#define BACKENDS_CUDNN_KERNELS_H

#include "step.h"

#include <stddef.h>
#include <stdint.h>

#include "augment.h"

/* name, threads of a block, phases. The device function is kernel_<name>, its arguments struct <name>_arguments. */
#define KERNELS(KERNEL)                                                                                                \
    KERNEL(distort, 256, 8)         /* a tile is an image */                                                           \
    KERNEL(convert, 256, 1)         /* 1,024 values, as where nothing is said */                                       \
    KERNEL(bias_relu, 256, 1)                                                                                          \
    KERNEL(pool_forward, 256, 1)    /* a part of an image */                                                           \
    KERNEL(pool_backward, 256, 1)                                                                                      \
    KERNEL(norm_forward, 256, 2)    /* NORM_TILE / channels pixels with all their channels */                          \
    KERNEL(norm_backward, 256, 4)                                                                                      \
    KERNEL(pool_norm_backward, 256, 4) /* some rows of the pool's output */                                            \
    KERNEL(norm_pool_forward, 256, 3) /* some neighbours in a row of the pool's output */                              \
    KERNEL(mask_bias, 256, 2)       /* one part's rows of 64 channels: parts * ceil(channels / 64) tiles */            \
    KERNEL(add, 256, 1)                                                                                                \
    KERNEL(centred_sums, 256, 2)    /* as mask_bias */                                                                 \
    KERNEL(batch_norm_forward, 256, 1) /* 256 values */                                                                \
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

/* What a pass is about: struct device_pass and what follows from it. */
struct pass_control {
    uint64_t pass; /* its number: 0, 1, ... */
    uint64_t position, step, seed;
    float stop, rate, ema_decay;
};

/* The passes that the host wrote ahead, on the device: pass p in slot p & mask. *next is the pass that comes: distort reads it, and
 * leaves that pass's control in `present` for the kernels behind it; the loss moves it on. So no kernel reads what it writes, and
 * the arguments are the same for all passes: a graph can hold several. */
struct pass_ring {
    const uint8_t *slots; /* slot_bytes each: struct pass_control, then samples (batch) */
    size_t slot_bytes;
    uint64_t mask; /* slots - 1: a power of two less 1 */
    const uint64_t *next;
    struct pass_control *present;
};

/* What the update leaves of a step, for the results kernel. The penalty is the sum of its parts, one of each block. */
enum { PENALTIES_MAX = 512 };
struct step_record {
    uint64_t step;
    float loss, correct, count, fault, stop;
    uint32_t parts;
    double penalties[PENALTIES_MAX];
};

/* Image i of the batch is sample p = position + i of the stream, where the next pass's control has the position: record
 * samples[i] of the images. Draws and arithmetic are those of src/data/distort.c, by the same text (augment.inc). y (batch,
 * crop_height, crop_width, y_channels): channels beyond the image's are 0. labels_out (batch). */
struct distort_arguments {
    struct pass_ring ring;
    const uint8_t *images, *labels; /* (records, height, width, channels), (records) */
    int window;                     /* the records lie in the slots: these are slot 0's */
    struct augmentations augmentations;
    struct frame frame;
    int batch, y_channels, half;
    void *y;
    int32_t *labels_out;
};

/* y (rows, y_channels) = x (rows, x_channels), further channels 0 (or left out). x: float or bfloat16, y too. */
struct convert_arguments {
    const void *x;
    void *y;
    size_t rows;
    int x_channels, y_channels, x_half, y_half;
};

/* y (rows, channels) += bias (NULL: nothing), then max(0, .) where relu. */
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

/* dx (batch, height, width, channels): the sum of the dy of those windows whose place it is. Each element by one thread, in
 * the windows' order: no atomics. */
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
    int channels; /* at most NORM_CHANNELS_MAX; together with a pool a multiple of 4 */
    int radius;
    float k, alpha, beta;
};
enum { NORM_CHANNELS_MAX = 1024, NORM_TILE = 2048, NORM_POOL_TILE = 3072, POOL_NORM_TILE = 3840 };

/* With places, a pool before it is computed too: x is the pool's input, and pooled, the norm's, is written for the way back. */
struct norm_forward_arguments {
    const void *x;
    void *y, *pooled;
    uint8_t *places;
    struct pool_geometry window; /* the pool's */
    size_t pixels;
    struct norm_rule norm;
    int half;
};

/* With places, a pool behind it is gone back through too: dy is of the pool's output. masks: x came out of a ReLU, and dx is 0
 * where x is. sums (tiles, channels) of dx, of each tile's pixels; or NULL. */
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

/* Back through a norm and the pool before it: x is the norm's input, dx the gradient of the pool's input; what lies between is not
 * kept. masks, sums as above, the sums of the gradient between. A tile is `rows` rows (at most) of the pool's output; with the
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

/* A norm and the pool behind it: what lies between is not kept. A tile is `columns` neighbours (at most) in a row of y, and its
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

/* masked (rows, channels) = dy where y > 0 (all of dy without y), and the sums over rows in `parts` runs of neighbouring
 * rows, rows / parts (rounded up) long, the last ones perhaps shorter: sums (parts, channels). masked may be dy. Without
 * `masked` only sums are made, without `sums` they are not. */
struct mask_bias_arguments {
    const void *dy, *y; /* y: NULL where there was no ReLU */
    void *masked;
    float *sums;
    size_t rows;
    int channels, parts, dy_half, y_half, masked_half;
};

/* y (values) = a + b, then max(0, .) where relu. y may be a or b. */
struct add_arguments {
    const void *a, *b;
    void *y;
    size_t values;
    int relu, half;
};

/* Sums over the rows in parts, as mask_bias has them: of (x - mean)^2, or with dy of dy * (x - mean). The mean is totals / rows. */
struct centred_sums_arguments {
    const void *x, *dy; /* (rows, channels); dy: or NULL */
    const float *totals; /* (channels) */
    float *sums;         /* (parts, channels) */
    size_t rows;
    int channels, parts, half;
};

/* Of each channel (channels): its mean is mean * share, its variance variance * share. In training these are sums over the
 * rows, and share is 1 / rows; in evaluation they are the running averages, and share is 1. */
struct batch_moments {
    const float *mean, *variance;
    float share, epsilon;
};

/* y (rows, channels) = gamma * (x - mean) / sqrt(variance + epsilon) + beta, then max(0, .) where relu. mean_sums, variance_sums
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

/* Back through it, of the batch's own moments, behind its ReLU: dx (rows, channels), dgamma (channels), either may be NULL.
 * dbeta, products (channels): the sums over the rows of dy, and of dy * (x - mean). */
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
 *   with a filter  a convolution's weights' gradients HWIO are those of the filter, float or bfloat16
 *   with sums      the biases' gradients are the sums of `runs` rows (runs, out), in a fixed order
 *   with neither   [weights, end) is only checked; of_parameters: of the parameters
 * All values, those written too, are checked: each tile writes faults[tile], 1 where it met a number that is not finite, else 0.
 * faults may be NULL. */
enum { FINISH_SQUARE = 32, FINISH_BIASES = 8, FINISH_VALUES = 8192 }; /* a tile: outputs and taps; biases; values */
struct finish_part {
    const void *filter; /* (out, kernel, kernel, y_in), or NULL */
    const float *sums;
    uint32_t weights, biases, end;
    uint32_t tile, squares; /* its first tile; of the tiles, those of the filter, which come first */
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

/* Adds a part behind the others, with its tiles. */
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

/* A dense layer of at most FEW_OUTPUTS outputs: y (batch, outs) = x (batch, in) weights (in, outs) + the biases, which lie behind
 * the weights. With bias (in), x is still without it: x += bias, then max(0, .) where relu, stays there. */
enum { FEW_OUTPUTS = 16, FEW_ROWS = 16 }; /* FEW_ROWS: of weights, a tile backward */

/* correct: 1 or 0. */
struct image_result {
    double loss, correct;
};

/* With labels (batch), y are logits: each image's loss, and the gradient of y (batch, outs), of y's type, as struct
 * loss_arguments has them. */
struct few_forward_arguments {
    void *x, *y;
    const float *bias, *weights;
    const int32_t *labels; /* or NULL */
    void *gradient;
    struct image_result *losses;
    size_t batch;
    int in, outs, relu, x_half, y_half;
};

/* dweights, and behind them the biases' gradients; dx (or NULL), where masks 0 where x is; dbias (in), the sums of dx, or NULL.
 * With a tail, the losses of all images are added up in it, to the bits of struct loss_arguments. */
struct few_backward_arguments {
    const void *x, *dy;
    void *dx;
    const float *weights;
    float *dweights, *dbias;
    const struct image_result *losses;
    float *tail; /* or NULL */
    const struct pass_control *control; /* or NULL: no stop */
    uint64_t *next; /* with a control it becomes the pass behind it (struct pass_ring) */
    size_t batch;
    int in, outs, masks, x_half, y_half;
};

/* Softmax cross-entropy as src/backends/host.c: gradient (batch, classes) = softmax - one-hot (0 beyond count); the tail of the
 * parcel: loss, correct, count, fault, stop (parcel.h). Exponentials are floats, sums double, in a fixed order. gradient,
 * control may be NULL (evaluation, no stop). With a control, *next becomes the pass behind it (struct pass_ring). A label that is
 * none makes the loss NaN. */
struct loss_arguments {
    const float *logits; /* (batch, classes) */
    const int32_t *labels;
    float *gradient, *tail;
    const struct pass_control *control;
    uint64_t *next;
    int batch, count, classes;
};

/* A layer's slice of the parameters, and the copies of them that a library wants (NULL: none), which the update keeps: of a
 * convolution's weights HWIO the filter (out, kernel, kernel, y_in), float or bfloat16, channels beyond `in` left alone; of a
 * dense layer's the same in bfloat16 (kernel 0); of biases the same in bfloat16. */
struct slice {
    uint32_t weights, biases, end; /* [weights, biases), [biases, end) of the parameters */
    float decay;                   /* of the weights */
    void *filter, *bias;
    int kernel, in, out, y_in, half;
};
enum { SLICES_MAX = 64 };

/* The update of optimize.h, to the bit, and the copies after it. With a tail (parcel.h), scale is 1 / its count. Nothing is
 * changed, and the record's fault is 1, where the tail has a fault or a loss that is not finite, or one of `faults` (finish's) is
 * not 0: the whole update or none of it. With a control, ema_decay is the control's, and rate too unless keeps_rate. Without
 * gradients the parameters stay, and only shadows and copies follow them. The result goes into ring[step % ring_length], the
 * first record without a control; each block's part of the penalty, decay / 2 * sum of p^2, before. No ring: no result. At most
 * PENALTIES_MAX blocks. Slices are in order, and do not overlap. */
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

/* Of the records of the steps first, first + 1, ..., each with its penalty, whose parts are added in a fixed order. */
struct results_arguments {
    const struct step_record *ring;
    struct step_result *results; /* (count) */
    uint64_t first;
    int ring_length, count;
};

#endif
