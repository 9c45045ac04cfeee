/* The gradient of a bias: sums over rows, in parts, so that many blocks work and the order is always the same. */
#include "operations.h"

enum { ROWS_AT_ONCE = 512, ROWS_A_PART = 64, CHANNELS_A_BLOCK = 64 };

int bias_parts(size_t rows)
{
    size_t parts = rows <= ROWS_AT_ONCE ? 1 : (rows + ROWS_A_PART - 1) / ROWS_A_PART;
    return parts > BIAS_PARTS_MAX ? BIAS_PARTS_MAX : (int)parts;
}

int bias_mask(const struct operation *o, size_t rows, void *masked, bool masked_half, float *sums, struct error *why)
{
    struct mask_bias_arguments arguments = {
        .dy = o->dy, .y = o->layer->layer.activation == ACTIVATION_RELU ? o->y : NULL, .masked = masked, .sums = sums, .rows = rows,
        .channels = o->layer->out.channels, .parts = bias_parts(rows),
        .dy_half = o->y_half, .y_half = o->y_half, .masked_half = masked_half,
    };
    size_t groups = ((size_t)arguments.channels + CHANNELS_A_BLOCK - 1) / CHANNELS_A_BLOCK;
    return kernel_launch(o->library, KERNEL_mask_bias, (size_t)arguments.parts * groups, &arguments, why);
}
