/* The gradient of a bias: sums over rows, split into parts so that many blocks work, and always in the same order. */
#include "operations.h"

enum { ROWS_AT_ONCE = 512, ROWS_A_PART = 64, CHANNELS_A_BLOCK = 64 };

int bias_parts(size_t rows)
{
    size_t parts = rows <= ROWS_AT_ONCE ? 1 : (rows + ROWS_A_PART - 1) / ROWS_A_PART;
    return parts > BIAS_PARTS_MAX ? BIAS_PARTS_MAX : (int)parts;
}

size_t bias_blocks(size_t rows, int channels)
{
    return (size_t)bias_parts(rows) * (((size_t)channels + CHANNELS_A_BLOCK - 1) / CHANNELS_A_BLOCK);
}

int bias_mask(const struct cudnn_operation *o, size_t rows, void *masked, bool masked_half, float *sums, struct error *why)
{
    struct mask_bias_arguments arguments = {
        .dy = o->dy, .y = has_relu(o->layer) ? o->y : NULL, .masked = masked, .sums = sums, .rows = rows,
        .channels = o->layer->out.channels, .parts = bias_parts(rows),
        .dy_half = o->y_half, .y_half = o->y_half, .masked_half = masked_half,
    };
    return kernel_launch(o->library, KERNEL_mask_bias, bias_blocks(rows, arguments.channels), &arguments, why);
}
