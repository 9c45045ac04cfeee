#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

enum { SIDE_MAX = 8192, CHANNELS_MAX = 65536, LAYER_TENSORS = 4 };

size_t shape_size(struct shape shape)
{
    return (size_t)shape.height * shape.width * shape.channels;
}

/* ---- shapes ---- */

/* SAME: the padding is split evenly before and after, with an odd one after
 * (tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2). */
static void lay_side(const struct layer *layer, int size, int *out, int *before)
{
    bool same = layer->padding == PADDING_SAME;
    *out = same ? (size - 1) / layer->stride + 1 : (size - layer->kernel) / layer->stride + 1;
    int reach = (*out - 1) * layer->stride + layer->kernel - size;
    *before = same && reach > 0 ? reach / 2 : 0;
}

static int lay_windows(struct net_layer *l, struct error *why)
{
    int kernel = l->layer.kernel, stride = l->layer.stride;
    if (kernel < 1 || stride < 1 || kernel > SIDE_MAX || stride > SIDE_MAX)
        return error_set(why, "layer %s: kernel %d and stride %d are not between 1 and %d", l->layer.name, kernel, stride,
                         SIDE_MAX);
    if (l->layer.padding == PADDING_VALID && (kernel > l->in.height || kernel > l->in.width))
        return error_set(why, "layer %s: a kernel of %d does not fit into %dx%d without padding", l->layer.name, kernel,
                         l->in.height, l->in.width);
    lay_side(&l->layer, l->in.height, &l->out.height, &l->pad_top);
    lay_side(&l->layer, l->in.width, &l->out.width, &l->pad_left);
    return 0;
}

static int lay_outputs(struct net_layer *l, int classes, struct error *why)
{
    l->layer.outputs = l->layer.outputs ? l->layer.outputs : classes;
    if (l->layer.outputs < 1 || l->layer.outputs > CHANNELS_MAX)
        return error_set(why, "layer %s: %d outputs are not between 1 and %d", l->layer.name, l->layer.outputs, CHANNELS_MAX);
    l->out.channels = l->layer.outputs;
    if (l->layer.kind == LAYER_DENSE)
        l->out.height = l->out.width = 1;
    return 0;
}

static int check_sum(const struct net *net, const struct net_layer *l, struct error *why)
{
    struct shape other = net->layers[l->add].out;
    if (other.height == l->in.height && other.width == l->in.width && other.channels == l->in.channels)
        return 0;
    return error_set(why, "layer %s: %dx%dx%d and %dx%dx%d cannot be added", l->layer.name, l->in.height, l->in.width,
                     l->in.channels, other.height, other.width, other.channels);
}

static int lay_layer(const struct net *net, struct net_layer *l, struct error *why)
{
    switch (l->layer.kind) {
    case LAYER_CONVOLUTION:
        return lay_windows(l, why) || lay_outputs(l, net->classes, why) ? -1 : 0;
    case LAYER_MAX_POOL:
        return lay_windows(l, why);
    case LAYER_DENSE:
        return lay_outputs(l, net->classes, why);
    case LAYER_LRN:
        if (l->layer.radius >= 0 && l->layer.radius <= CHANNELS_MAX)
            return 0;
        return error_set(why, "layer %s: radius %d is not between 0 and %d", l->layer.name, l->layer.radius, CHANNELS_MAX);
    case LAYER_ADD:
        return check_sum(net, l, why);
    case LAYER_BATCH_NORM:
        if (l->layer.epsilon > 0 && l->layer.keep >= 0 && l->layer.keep < 1)
            return 0;
        return error_set(why, "layer %s: epsilon %g must be above 0, keep %g between 0 and 1", l->layer.name, l->layer.epsilon,
                         l->layer.keep);
    default:
        return error_set(why, "layer %s: kind %d is unknown", l->layer.name, (int)l->layer.kind);
    }
}

/* ---- inputs ---- */

/* *input: the index of the earlier layer of that name; the one before layer i if name is NULL. Counts i among its readers. */
static int find_input(struct net *net, int i, const char *name, int *input, struct error *why)
{
    *input = i - 1;
    while (name && *input >= 0 && strcmp(net->layers[*input].layer.name, name))
        --*input;
    if (name && *input < 0)
        return error_set(why, "layer %s: there is no layer %s before it", net->layers[i].layer.name, name);
    if (*input >= 0)
        net->layers[*input].readers++;
    return 0;
}

static int find_inputs(struct net *net, int i, struct error *why)
{
    struct net_layer *l = &net->layers[i];
    l->add = NET_INPUT;
    if (!l->layer.add != (l->layer.kind != LAYER_ADD))
        return error_set(why, "layer %s: a layer to add is named by those that add, and by no other", l->layer.name);
    if (find_input(net, i, l->layer.from, &l->from, why) || (l->layer.add && find_input(net, i, l->layer.add, &l->add, why)))
        return -1;
    l->in = l->out = l->from == NET_INPUT ? net->input : net->layers[l->from].out;
    return 0;
}

static int check_readers(const struct net *net, struct error *why)
{
    for (int i = 0; i + 1 < net->layer_count; i++)
        if (!net->layers[i].readers)
            return error_set(why, "layer %s: no layer reads its output", net->layers[i].layer.name);
    return 0;
}

/* ---- tensors ---- */

/* Adds the tensor LAYER/what. t: all members are set but name, layer, offset and count. */
static const struct tensor *tensor_add(struct net *net, int layer, const char *what, struct tensor t)
{
    struct tensor *tensor = &net->tensors[net->tensor_count++];
    snprintf(t.name, sizeof t.name, "%s/%s", net->layers[layer].layer.name, what);
    t.layer = layer;
    t.count = 1;
    for (int i = 0; i < t.rank; i++)
        t.count *= (size_t)t.size[i];
    *tensor = t;
    return tensor;
}

static void add_weights_and_biases(struct net *net, int i)
{
    struct net_layer *l = &net->layers[i];
    const struct layer *layer = &l->layer;
    struct tensor weights = {.rank = 2, .size = {(int)shape_size(l->in), l->out.channels}, .axis = {"in", "out"},
                             .stddev = layer->stddev, .decay = layer->decay};
    if (layer->kind == LAYER_CONVOLUTION) {
        weights.rank = 4;
        memcpy(weights.size, (int[]){layer->kernel, layer->kernel, l->in.channels, l->out.channels}, sizeof weights.size);
        memcpy(weights.axis, (const char *[]){"H", "W", "I", "O"}, sizeof weights.axis);
    }
    weights.role = layer->frozen ? TENSOR_FROZEN : TENSOR_TRAINED;
    l->weights = tensor_add(net, i, "weights", weights);
    l->multiply_adds = (double)l->weights->count * l->out.height * l->out.width;
    if (!layer->no_bias)
        l->biases = tensor_add(net, i, "biases", (struct tensor){.role = weights.role, .rank = 1, .size = {l->out.channels},
                                                                 .axis = {"out"}, .value = layer->bias});
}

static void add_batch_norm(struct net *net, int i)
{
    struct net_layer *l = &net->layers[i];
    struct tensor t = {.role = l->layer.frozen ? TENSOR_FROZEN : TENSOR_TRAINED, .rank = 1, .size = {l->out.channels},
                       .axis = {"out"}, .keep = l->layer.keep};
    struct tensor state = t;
    t.value = 1;
    l->weights = tensor_add(net, i, "gamma", t);
    t.value = 0;
    l->biases = tensor_add(net, i, "beta", t);
    state.role = l->layer.frozen ? TENSOR_FROZEN : TENSOR_STATE;
    l->mean = tensor_add(net, i, "mean", state);
    state.value = 1;
    l->variance = tensor_add(net, i, "variance", state);
}

static void add_tensors(struct net *net, int i)
{
    if (net->layers[i].layer.kind == LAYER_CONVOLUTION || net->layers[i].layer.kind == LAYER_DENSE)
        add_weights_and_biases(net, i);
    if (net->layers[i].layer.kind == LAYER_BATCH_NORM)
        add_batch_norm(net, i);
}

static size_t place_tensors(struct net *net, enum tensor_role role, size_t offset)
{
    for (int i = 0; i < net->tensor_count; i++)
        if (net->tensors[i].role == role) {
            net->tensors[i].offset = offset;
            offset += net->tensors[i].count;
        }
    return offset;
}

size_t net_trained_from(const struct net *net, int first)
{
    for (int i = 0; i < net->tensor_count; i++)
        if (net->tensors[i].layer >= first && net->tensors[i].role == TENSOR_TRAINED)
            return net->tensors[i].offset;
    return net->trained;
}

size_t net_layer_parameters(const struct net *net, int layer)
{
    size_t sum = 0;
    for (int i = 0; i < net->tensor_count; i++)
        sum += net->tensors[i].layer == layer ? net->tensors[i].count : 0;
    return sum;
}

/* ---- the net ---- */

static int check_model(const struct model *model, int channels, struct error *why)
{
    if (model->layer_count < 1)
        return error_set(why, "model %s: %d layers: there must be at least 1", model->name, model->layer_count);
    if (model->height < 1 || model->width < 1 || channels < 1 || model->height > SIDE_MAX || model->width > SIDE_MAX ||
        channels > CHANNELS_MAX)
        return error_set(why, "model %s: images of %dx%dx%d cannot be laid out", model->name, model->height, model->width,
                         channels);
    return 0;
}

static int add_layers(struct net *net, struct error *why)
{
    size_t sum = 0;
    for (int i = 0; i < net->layer_count; i++) {
        struct net_layer *l = &net->layers[i];
        l->layer = net->model->layers[i];
        if (find_inputs(net, i, why) || lay_layer(net, l, why))
            return -1;
        add_tensors(net, i);
        sum += net_layer_parameters(net, i);
        if (sum > INT_MAX / 2)
            return error_set(why, "model %s: %zu parameters up to layer %s do not fit one message", net->model->name, sum,
                             l->layer.name);
    }
    return check_readers(net, why);
}

int net_init(struct net *net, const struct model *model, int channels, int classes, struct error *why)
{
    *net = (struct net){.model = model, .classes = classes, .layer_count = model->layer_count,
                        .input = {model->height, model->width, channels}};
    if (check_model(model, channels, why))
        return -1;
    net->layers = memory_new((size_t)net->layer_count, sizeof *net->layers, "the net's layers", why);
    net->tensors = memory_new((size_t)net->layer_count * LAYER_TENSORS, sizeof *net->tensors, "the net's tensors", why);
    if (!net->layers || !net->tensors || add_layers(net, why)) {
        net_free(net);
        return -1;
    }
    net->trained = place_tensors(net, TENSOR_TRAINED, 0);
    net->gradients = place_tensors(net, TENSOR_STATE, net->trained);
    net->parameters = place_tensors(net, TENSOR_FROZEN, net->gradients);
    return 0;
}

void net_free(struct net *net)
{
    free(net->layers);
    free(net->tensors);
    *net = (struct net){0};
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
