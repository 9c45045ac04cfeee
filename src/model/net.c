#include <limits.h>
#include <string.h>

#include "model.h"

enum { SIDE_MAX = 8192, CHANNELS_MAX = 65536 };

size_t shape_size(struct shape shape)
{
    return (size_t)shape.height * shape.width * shape.channels;
}

/* SAME: ceil(size / stride) outputs; what the windows reach beyond the input is split evenly,
 * the odd one behind (tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2). */
static int same_size(int size, int stride)
{
    return (size + stride - 1) / stride;
}

static int same_pad_before(int size, int kernel, int stride)
{
    int reach = (same_size(size, stride) - 1) * stride + kernel - size;
    return reach > 0 ? reach / 2 : 0;
}

static void lay_window(struct net_layer *l)
{
    int kernel = l->layer.kernel, stride = l->layer.stride;
    l->out.height = same_size(l->in.height, stride);
    l->out.width = same_size(l->in.width, stride);
    l->pad_top = same_pad_before(l->in.height, kernel, stride);
    l->pad_left = same_pad_before(l->in.width, kernel, stride);
}

static int lay_layer(struct net_layer *l, int classes, struct error *why)
{
    const struct layer *layer = &l->layer;
    if (layer->kind == LAYER_CONVOLUTION || layer->kind == LAYER_MAX_POOL) {
        if (layer->kernel < 1 || layer->stride < 1 || layer->kernel > SIDE_MAX || layer->stride > SIDE_MAX)
            return error_set(why, "layer %s: kernel %d and stride %d are not between 1 and %d", layer->name,
                             layer->kernel, layer->stride, SIDE_MAX);
        lay_window(l);
    }
    if (layer->kind == LAYER_NORM && (layer->radius < 0 || layer->radius > CHANNELS_MAX))
        return error_set(why, "layer %s: radius %d is not between 0 and %d", layer->name, layer->radius, CHANNELS_MAX);
    if (layer->kind == LAYER_CONVOLUTION || layer->kind == LAYER_DENSE) {
        l->layer.outputs = layer->outputs ? layer->outputs : classes;
        if (l->layer.outputs < 1 || l->layer.outputs > CHANNELS_MAX)
            return error_set(why, "layer %s: %d outputs are not between 1 and %d", layer->name, l->layer.outputs,
                             CHANNELS_MAX);
        l->bias_count = (size_t)l->layer.outputs;
    }
    if (layer->kind == LAYER_CONVOLUTION) {
        l->out.channels = l->layer.outputs;
        l->weight_count = (size_t)layer->kernel * layer->kernel * l->in.channels * l->out.channels;
        l->multiply_adds = (double)l->weight_count * l->out.height * l->out.width;
    }
    if (layer->kind == LAYER_DENSE) {
        l->out = (struct shape){1, 1, l->layer.outputs};
        l->weight_count = shape_size(l->in) * l->out.channels;
        l->multiply_adds = (double)l->weight_count;
    }
    return 0;
}

int net_init(struct net *net, const struct model *model, int channels, int classes, struct error *why)
{
    memset(net, 0, sizeof *net);
    if (model->layer_count < 1 || model->layer_count > NET_LAYERS_MAX)
        return error_set(why, "model %s: %d layers are not between 1 and %d", model->name, model->layer_count,
                         NET_LAYERS_MAX);
    if (model->height < 1 || model->width < 1 || channels < 1 || model->height > SIDE_MAX || model->width > SIDE_MAX ||
        channels > CHANNELS_MAX)
        return error_set(why, "model %s: images of %dx%dx%d cannot be laid out", model->name, model->height,
                         model->width, channels);
    net->model = model;
    net->classes = classes;
    net->layer_count = model->layer_count;
    net->input = (struct shape){model->height, model->width, channels};

    struct shape in = net->input;
    for (int i = 0; i < net->layer_count; i++) {
        struct net_layer *l = &net->layers[i];
        l->layer = model->layers[i];
        l->in = l->out = in;
        if (lay_layer(l, classes, why))
            return -1;
        l->weights = net->parameters;
        l->biases = l->weights + l->weight_count;
        net->parameters = l->biases + l->bias_count;
        if (net->parameters > INT_MAX / 2)
            return error_set(why, "model %s: %zu parameters up to layer %s do not fit one message", model->name,
                             net->parameters, l->layer.name);
        in = l->out;
    }
    return 0;
}

double net_forward_multiply_adds(const struct net *net)
{
    double sum = 0;
    for (int i = 0; i < net->layer_count; i++)
        sum += net->layers[i].multiply_adds;
    return sum;
}

double net_step_multiply_adds(const struct net *net)
{
    return 3 * net_forward_multiply_adds(net) - net->layers[0].multiply_adds;
}
