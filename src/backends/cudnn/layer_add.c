/* The sum of two activations, by our own kernels. */
#include "operations.h"

static size_t values_of(const struct cudnn_operation *o)
{
    return (size_t)o->batch * shape_size(o->layer->out);
}

static int cudnn_add_forward(struct cudnn_operation *o, struct error *why)
{
    return kernel_add_values(o->library, o->x, o->added, o->y, values_of(o), o->x_half, has_relu(o->layer), why);
}

/* Both inputs get the same gradient: that of the output, masked by the ReLU. */
static int cudnn_add_backward(struct cudnn_operation *o, float *gradients, struct error *why)
{
    (void)gradients;
    size_t rows = values_of(o) / (size_t)o->layer->out.channels;
    if (o->dx && bias_mask(o, rows, o->dx, o->x_half, NULL, why))
        return -1;
    return o->dadded && o->dadded != o->dx ? bias_mask(o, rows, o->dadded, o->x_half, NULL, why) : 0;
}

const struct cudnn_operation_kind cudnn_add_kind = {.forward = cudnn_add_forward, .backward = cudnn_add_backward};
