/* The kernels of our own: what no library fuses, or does in the right way.
 *
 * Each takes one struct by value. Its text is in kernels.inc, written once: nvcc compiles it for the device (kernels.cu),
 * and gcc for the tests, where the same functions run on the CPU. Its work falls into tiles, which the blocks take one
 * after another: any number of blocks is right, and results do not depend on it (but for the parts of a penalty). A tile
 * is a row of phases: phase p of all threads of a block ends before phase p + 1 of any of them begins, and what one phase
 * leaves to the next lies in the block's shared memory. Blocks know nothing of each other, and nothing is added up in an
 * order left to chance.
 *
 * Activations are (N,H,W,C), float or bfloat16 (`half`): void pointers here. Device memory throughout. Values move four at
 * a time where arrays are aligned to that; if not, one at a time, with the same result. There are fewer than 2^32 images,
 * rows, pixels; and values, where a bias is added or rows change their number of channels. */
#ifndef BACKENDS_CUDNN_KERNELS_H
#define BACKENDS_CUDNN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* name, threads of a block, phases. The device function is kernel_<name>, its arguments struct <name>_arguments. */
#define KERNELS(KERNEL)                                                                                                \
    KERNEL(distort, 256, 6)         /* a tile is an image */                                                           \
    KERNEL(convert, 256, 1)         /* 1,024 values, as where nothing is said */                                       \
    KERNEL(bias_relu, 256, 1)                                                                                          \
    KERNEL(pool_forward, 256, 1)    /* a part of an image */                                                           \
    KERNEL(pool_backward, 256, 1)                                                                                      \
    KERNEL(norm_forward, 256, 2)    /* some pixels with all their channels */                                          \
    KERNEL(norm_backward, 256, 3)                                                                                      \
    KERNEL(mask_bias, 256, 2)       /* one part's rows of 64 channels: parts * ceil(channels / 64) tiles */            \
    KERNEL(weights_forward, 256, 2) /* a square of 32 outputs, 32 taps */                                              \
    KERNEL(weights_backward, 256, 2)                                                                                   \
    KERNEL(loss, 256, 3)            /* one tile */                                                                     \
    KERNEL(update, 256, 3)          /* a tile a block */                                                               \
    KERNEL(update_end, 256, 3)      /* one tile */

/* What a pass is about, on the device: written before each pass, read by the kernels (struct device_pass and what follows
 * from it). */
struct pass_control {
    uint64_t position, step, seed;
    float stop, rate, ema_decay;
};

/* A step's result on the device: struct device_result. */
struct step_record {
    uint64_t step;
    float loss, correct, count, fault, stop, unused;
    double penalty;
};

/* Image i of the batch is sample p = control->position + i of the stream: record samples[i] of the images. Draws and arithmetic
 * to the bit as src/data/distort.c. y (batch, crop_height, crop_width, y_channels): channels beyond the image's are 0.
 * labels_out (batch). */
struct distort_arguments {
    const uint8_t *images, *labels; /* (records, height, width, channels), (records) */
    const uint32_t *samples;        /* (batch) */
    const struct pass_control *control;
    int batch, height, width, channels; /* 1 to 4 */
    int crop_height, crop_width, y_channels, half;
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

/* y (rows, channels) += bias, then max(0, .) where relu. */
struct bias_relu_arguments {
    void *y;
    const float *bias;
    size_t rows;
    int channels, relu, half;
};

struct window {
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
    struct window window;
    size_t batch;
    int half;
};

/* dx (batch, height, width, channels): the sum of the dy of those windows whose place it is. Each element by one thread, in
 * the windows' order: no atomics. */
struct pool_backward_arguments {
    const void *dy;
    void *dx;
    const uint8_t *places;
    struct window window;
    size_t batch;
    int half;
};

/* y = x * s^-beta, s = k + alpha * sum of x^2 over |j - c| <= radius (src/backends/openblas/norm.c has both formulas). */
struct norm {
    int channels; /* at most NORM_CHANNELS_MAX */
    int radius;
    float k, alpha, beta;
};
enum { NORM_CHANNELS_MAX = 1024 };
struct norm_forward_arguments {
    const void *x;
    void *y;
    size_t pixels;
    struct norm norm;
    int half;
};
struct norm_backward_arguments {
    const void *x, *dy;
    void *dx;
    size_t pixels;
    struct norm norm;
    int half;
};

/* masked (rows, channels) = dy where y > 0 (all of dy without y), and the sums over rows in `parts` runs of neighbouring
 * rows, rows / parts (rounded up) long, the last ones perhaps shorter: sums (parts, channels). masked may be dy; without it
 * only sums are made. */
struct mask_bias_arguments {
    const void *dy, *y; /* y: NULL where there was no ReLU */
    void *masked;
    float *sums;
    size_t rows;
    int channels, parts, dy_half, y_half, masked_half;
};

/* A convolution's weights HWIO float -> filter (out, kernel, kernel, y_in), channels beyond `in` 0. */
struct weights_forward_arguments {
    const float *weights;
    void *filter;
    int kernel, in, out, y_in, half;
};

/* The filter's gradient back, and the bias's: gradient of weights HWIO, of biases (out): the sums over parts, in a fixed
 * order. */
struct weights_backward_arguments {
    const void *filter; /* (out, kernel, kernel, y_in) */
    float *weights;     /* NULL: only biases (a dense layer) */
    const float *sums;  /* (parts, out) */
    float *biases;
    int kernel, in, out, y_in, parts, half;
};

/* Softmax cross-entropy as src/backends/host.c: gradient (batch, classes) = softmax - one-hot (0 beyond count); the tail of the
 * parcel: loss, correct, count, fault, stop (parallel.h). Exponentials are floats, sums double, in a fixed order. gradient,
 * control may be NULL (evaluation, no stop). A label that is none makes the loss NaN. */
struct loss_arguments {
    const float *logits; /* (batch, classes) */
    const int32_t *labels;
    float *gradient, *tail;
    const struct pass_control *control;
    int batch, count, classes;
};

/* The update of optimize.h, to the bit; decay of the segments, 0 elsewhere. With a tail (parallel.h), scale is 1 / its count,
 * and nothing is changed where it has a fault or a loss that is not finite. With a control, rate and ema_decay are the
 * control's. Without gradients the parameters stay, and only shadows move. penalties (blocks): each block's part of
 * decay / 2 * sum of p^2, before. */
struct decay_segment {
    size_t first, last; /* [first, last) of the parameters */
    float decay;
};
enum { DECAY_SEGMENTS_MAX = 64 };
struct update_arguments {
    float *parameters;
    const float *gradients; /* or NULL */
    float *shadows;         /* or NULL */
    const float *tail;      /* or NULL */
    const struct pass_control *control; /* or NULL */
    float rate, scale, ema_decay;
    double *penalties;
    size_t count;
    int segment_count;
    struct decay_segment segments[DECAY_SEGMENTS_MAX];
};

/* The result of the step into ring[step % ring_length]. */
struct update_end_arguments {
    const float *tail;
    const double *penalties; /* (parts) */
    const struct pass_control *control;
    struct step_record *ring;
    int parts, ring_length;
};

#endif
