/* Dense layers of few outputs, by our own kernels on the flat parameters. They also add the bias and apply the ReLU of the dense
 * layer before them; the last layer also computes a training step's loss. */
#include "operations.h"

static int few_forward(struct cudnn_operation *o, struct error *why)
{
    const struct net_layer *l = o->layer;
    const struct cudnn_operation *before = o->before;
    struct few_forward_arguments arguments = {
        .x = o->x, .y = o->y, .weights = o->parameters + l->weights->offset, .batch = (size_t)o->batch,
        .in = (int)shape_size(l->in), .outs = l->out.channels, .x_half = o->x_half, .y_half = o->y_half,
    };
    if (before)
        arguments.bias = o->parameters + before->layer->biases->offset, arguments.relu = has_relu(before->layer);
    if (o->loss && o->loss->wanted)
        arguments.labels = o->loss->labels, arguments.gradient = o->loss->gradient, arguments.losses = o->loss->images;
    return kernel_launch(o->library, KERNEL_few_forward, arguments.batch, &arguments, why);
}

static int few_backward(struct cudnn_operation *o, float *gradients, struct error *why)
{
    const struct net_layer *l = o->layer;
    const struct cudnn_operation *before = o->before;
    struct few_backward_arguments arguments = {
        .x = o->x, .dy = o->dy, .dx = o->dx, .weights = o->parameters + l->weights->offset,
        .dweights = gradients + l->weights->offset, .batch = (size_t)o->batch, .in = (int)shape_size(l->in),
        .outs = l->out.channels, .x_half = o->x_half,
        .y_half = o->y_half,
    };
    if (before && is_trained(before->layer))
        arguments.dbias = gradients + before->layer->biases->offset;
    arguments.masks = before && has_relu(before->layer);
    if (o->loss && o->loss->wanted) {
        arguments.losses = o->loss->images, arguments.tail = o->loss->tail, arguments.control = o->loss->control,
        arguments.next = o->loss->next;
        o->loss->wanted = false;
    }
    return kernel_launch(o->library, KERNEL_few_backward, shape_size(l->in) / FEW_ROWS + 1 + !!arguments.tail, &arguments, why);
}

const struct cudnn_operation_kind cudnn_dense_few_kind = {.forward = few_forward, .backward = few_backward};
