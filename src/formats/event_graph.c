/* The graph that TensorBoard draws: a node for every operation, named with its scopes, and its inputs by their names. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "graph.pb-c.h"

enum { NAME_SIZE = 160, INPUTS_MAX = 32, RANK_MAX = 4 };

struct node {
    char name[NAME_SIZE];
    const char *operation, *device;
    int inputs, rank;
    char input[INPUTS_MAX][NAME_SIZE];
    int64_t size[RANK_MAX]; /* the shape of its output; -1: unknown */
};

/* The graph so far: a serialized GraphDef. */
struct drawing {
    const struct event_graph *graph;
    struct message_buffer nodes;
    int towers;
};

static void __attribute__((format(printf, 2, 3))) node_input(struct node *node, const char *format, ...)
{
    va_list values;
    if (node->inputs == INPUTS_MAX)
        return;
    va_start(values, format);
    vsnprintf(node->input[node->inputs++], NAME_SIZE, format, values);
    va_end(values);
}

static void __attribute__((format(printf, 3, 4))) node_begin(struct node *node, const char *operation, const char *format, ...)
{
    va_list values;
    *node = (struct node){.operation = operation};
    va_start(values, format);
    vsnprintf(node->name, sizeof node->name, format, values);
    va_end(values);
}

static void node_shape_images(struct node *node, int images, struct shape shape)
{
    node->rank = 4;
    node->size[0] = images > 0 ? images : -1;
    node->size[1] = shape.height;
    node->size[2] = shape.width;
    node->size[3] = shape.channels;
}

static void node_shape_tensor(struct node *node, const struct tensor *tensor)
{
    node->rank = tensor->rank;
    for (int i = 0; i < tensor->rank; i++)
        node->size[i] = tensor->size[i];
}

/* Sets the attribute with the shape of the node's output, which TensorBoard writes on the edges, and serializes the definition. */
static void definition_add(struct message_buffer *nodes, Tf__NodeDef *definition, Tf__TensorShape *shape)
{
    static const char key[] = "_output_shapes";
    Tf__AttrValue__ListValue list = TF__ATTR_VALUE__LIST_VALUE__INIT;
    Tf__AttrValue value = TF__ATTR_VALUE__INIT;
    Tf__Attr attribute = TF__ATTR__INIT, *attributes[] = {&attribute};
    Tf__GraphDef graph = TF__GRAPH_DEF__INIT;
    list.n_shape = 1;
    list.shape = &shape;
    value.value_case = TF__ATTR_VALUE__VALUE_LIST;
    value.list = &list;
    attribute.key = (char *)key;
    attribute.value = &value;
    definition->n_attr = 1;
    definition->attr = attributes;
    graph.n_node = 1;
    graph.node = &definition;
    message_buffer_add(nodes, &graph.base);
}

static void node_add(struct drawing *drawing, const struct node *node)
{
    static const char no_device[] = "";
    Tf__TensorShape__Dim dim[RANK_MAX], *dims[RANK_MAX];
    Tf__TensorShape shape = TF__TENSOR_SHAPE__INIT;
    Tf__NodeDef definition = TF__NODE_DEF__INIT;
    char *inputs[INPUTS_MAX];
    for (int i = 0; i < node->rank; i++) {
        dims[i] = &dim[i];
        tf__tensor_shape__dim__init(dims[i]);
        dim[i].size = node->size[i];
    }
    for (int i = 0; i < node->inputs; i++)
        inputs[i] = (char *)node->input[i];
    shape.n_dim = (size_t)node->rank;
    shape.dim = dims;
    definition.name = (char *)node->name;
    definition.op = (char *)node->operation;
    definition.device = (char *)(node->device ? node->device : no_device);
    definition.n_input = (size_t)node->inputs;
    definition.input = inputs;
    definition_add(&drawing->nodes, &definition, &shape);
}

/* ---- the parameters, and their update ---- */

static void draw_variable(struct drawing *drawing, const struct tensor *tensor)
{
    struct node node;
    node_begin(&node, "Variable", "%s", tensor->name);
    node_shape_tensor(&node, tensor);
    node_add(drawing, &node);
}

static void draw_update(struct drawing *drawing, const struct tensor *tensor)
{
    bool trained = tensor->role == TENSOR_TRAINED;
    struct node sum, update, average;
    node_begin(&sum, "AllReduce", "allreduce/%s", tensor->name);
    for (int tower = 0; tower < drawing->towers; tower++)
        node_input(&sum, "tower_%d/gradients/%s", tower, tensor->name);
    node_begin(&update, trained ? "ApplyGradientDescent" : "AssignMovingAverage", "update/%s", tensor->name);
    node_input(&update, "%s", tensor->name);
    node_input(&update, "allreduce/%s", tensor->name);
    if (trained)
        node_input(&update, "learning_rate");
    node_begin(&average, "ExponentialMovingAverage", "moving_average/%s", tensor->name);
    node_input(&average, "update/%s", tensor->name);
    for (int i = 0; i < 3; i++) {
        struct node *node = (struct node *[]){&sum, &update, &average}[i];
        node_shape_tensor(node, tensor);
        node_add(drawing, node);
    }
}

static void draw_shared(struct drawing *drawing)
{
    const struct net *net = drawing->graph->net;
    struct node rate;
    node_begin(&rate, "ExponentialDecay", "learning_rate");
    node_add(drawing, &rate);
    for (int i = 0; i < net->tensor_count; i++) {
        draw_variable(drawing, &net->tensors[i]);
        if (net->tensors[i].role != TENSOR_FROZEN)
            draw_update(drawing, &net->tensors[i]);
    }
}

/* ---- a tower ---- */

static const struct {
    const char *forward, *to_input, *to_weights;
} operations[LAYER_KINDS] = {
    [LAYER_CONVOLUTION] = {"Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter"},
    [LAYER_MAX_POOL] = {"MaxPool", "MaxPoolGrad", NULL},
    [LAYER_LRN] = {"LRN", "LRNGrad", NULL},
    [LAYER_DENSE] = {"MatMul", "MatMul", "MatMul"},
    [LAYER_ADD] = {"Add", "Identity", NULL},
    [LAYER_BATCH_NORM] = {"FusedBatchNorm", "FusedBatchNormGrad", "FusedBatchNormGrad"},
};

static bool adds_biases(const struct net_layer *layer)
{
    return layer->biases && layer->layer.kind != LAYER_BATCH_NORM;
}

/* The last operation of a layer, whose output is the layer's. */
static const char *last_operation(const struct net_layer *layer)
{
    bool relu = layer->layer.activation == ACTIVATION_RELU;
    return relu ? "Relu" : adds_biases(layer) ? "BiasAdd" : operations[layer->layer.kind].forward;
}

static void input_from_layer(struct node *node, const struct net *net, int tower, int layer)
{
    if (layer == NET_INPUT)
        node_input(node, "tower_%d/images", tower);
    else
        node_input(node, "tower_%d/%s/%s", tower, net->layers[layer].layer.name, last_operation(&net->layers[layer]));
}

static void tower_node_add(struct drawing *drawing, int tower, struct node *node)
{
    node->device = drawing->graph->devices ? drawing->graph->devices[tower] : NULL;
    node_add(drawing, node);
}

/* Another operation on the output of the one in `node`. */
static void node_follow(struct drawing *drawing, int tower, struct node *node, const char *layer, const char *operation,
                        const struct tensor *biases)
{
    struct node next;
    node_begin(&next, operation, "tower_%d/%s/%s", tower, layer, operation);
    node_input(&next, "%s", node->name);
    if (biases)
        node_input(&next, "%s", biases->name);
    next.rank = node->rank;
    memcpy(next.size, node->size, sizeof next.size);
    tower_node_add(drawing, tower, &next);
    *node = next;
}

static void draw_forward(struct drawing *drawing, int tower, const struct net_layer *layer)
{
    const char *operation = operations[layer->layer.kind].forward, *name = layer->layer.name;
    struct node node;
    node_begin(&node, operation, "tower_%d/%s/%s", tower, name, operation);
    input_from_layer(&node, drawing->graph->net, tower, layer->from);
    if (layer->layer.kind == LAYER_ADD)
        input_from_layer(&node, drawing->graph->net, tower, layer->add);
    const struct tensor *tensors[] = {layer->weights, adds_biases(layer) ? NULL : layer->biases, layer->mean, layer->variance};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
        if (tensors[i])
            node_input(&node, "%s", tensors[i]->name);
    node_shape_images(&node, drawing->graph->images, layer->out);
    tower_node_add(drawing, tower, &node);
    if (adds_biases(layer))
        node_follow(drawing, tower, &node, name, "BiasAdd", layer->biases);
    if (layer->layer.activation == ACTIVATION_RELU)
        node_follow(drawing, tower, &node, name, "Relu", NULL);
}

/* The gradient of a layer's output comes from the layers that read it, or from the loss. */
static void draw_output_gradient(struct drawing *drawing, int tower, int index)
{
    const struct net *net = drawing->graph->net;
    const struct net_layer *layer = &net->layers[index];
    bool relu = layer->layer.activation == ACTIVATION_RELU;
    struct node node;
    node_begin(&node, relu ? "ReluGrad" : "Identity", "tower_%d/gradients/%s/output", tower, layer->layer.name);
    if (index == net->layer_count - 1)
        node_input(&node, "tower_%d/cross_entropy", tower);
    for (const struct net_layer *reader = layer + 1; reader < net->layers + net->layer_count; reader++)
        if (reader->from == index || (reader->layer.kind == LAYER_ADD && reader->add == index))
            node_input(&node, "tower_%d/gradients/%s/input", tower, reader->layer.name);
    if (relu)
        input_from_layer(&node, net, tower, index);
    node_shape_images(&node, drawing->graph->images, layer->out);
    tower_node_add(drawing, tower, &node);
}

static void draw_input_gradient(struct drawing *drawing, int tower, const struct net_layer *layer)
{
    struct node node;
    node_begin(&node, operations[layer->layer.kind].to_input, "tower_%d/gradients/%s/input", tower, layer->layer.name);
    node_input(&node, "tower_%d/gradients/%s/output", tower, layer->layer.name);
    if (layer->weights)
        node_input(&node, "%s", layer->weights->name);
    node_shape_images(&node, drawing->graph->images, layer->in);
    tower_node_add(drawing, tower, &node);
}

static void draw_tensor_gradient(struct drawing *drawing, int tower, const struct tensor *tensor)
{
    const struct net *net = drawing->graph->net;
    const struct net_layer *layer = &net->layers[tensor->layer];
    bool is_biases = adds_biases(layer) && tensor == layer->biases;
    const char *operation = is_biases ? "BiasAddGrad" : operations[layer->layer.kind].to_weights;
    struct node node;
    node_begin(&node, operation, "tower_%d/gradients/%s", tower, tensor->name);
    node_input(&node, "tower_%d/gradients/%s/output", tower, layer->layer.name);
    if (!is_biases)
        input_from_layer(&node, net, tower, layer->from);
    if (tensor->decay > 0)
        node_input(&node, "tower_%d/weight_decay/%s", tower, tensor->name);
    node_shape_tensor(&node, tensor);
    tower_node_add(drawing, tower, &node);
}

static void draw_loss(struct drawing *drawing, int tower)
{
    const struct net *net = drawing->graph->net;
    struct node node, total;
    node_begin(&total, "AddN", "tower_%d/total_loss", tower);
    node_input(&total, "tower_%d/cross_entropy", tower);
    node_begin(&node, "SparseSoftmaxCrossEntropyWithLogits", "tower_%d/cross_entropy", tower);
    input_from_layer(&node, net, tower, net->layer_count - 1);
    node_input(&node, "tower_%d/labels", tower);
    tower_node_add(drawing, tower, &node);
    for (int i = 0; i < net->tensor_count; i++)
        if (net->tensors[i].decay > 0) {
            node_begin(&node, "L2Loss", "tower_%d/weight_decay/%s", tower, net->tensors[i].name);
            node_input(&node, "%s", net->tensors[i].name);
            node_input(&total, "%s", node.name);
            tower_node_add(drawing, tower, &node);
        }
    tower_node_add(drawing, tower, &total);
}

static void draw_tower(struct drawing *drawing, int tower)
{
    const struct net *net = drawing->graph->net;
    struct node images, labels;
    node_begin(&images, "DistortedImages", "tower_%d/images", tower);
    node_shape_images(&images, drawing->graph->images, net->input);
    tower_node_add(drawing, tower, &images);
    node_begin(&labels, "Labels", "tower_%d/labels", tower);
    labels.rank = 1;
    labels.size[0] = images.size[0];
    tower_node_add(drawing, tower, &labels);
    for (int i = 0; i < net->layer_count; i++)
        draw_forward(drawing, tower, &net->layers[i]);
    draw_loss(drawing, tower);
    for (int i = net->layer_count - 1; i >= 0; i--) {
        draw_output_gradient(drawing, tower, i);
        if (net->layers[i].from != NET_INPUT)
            draw_input_gradient(drawing, tower, &net->layers[i]);
    }
    for (int i = 0; i < net->tensor_count; i++)
        if (net->tensors[i].role != TENSOR_FROZEN)
            draw_tensor_gradient(drawing, tower, &net->tensors[i]);
}

int event_file_append_graph(struct event_file *file, const struct event_graph *graph, struct error *why)
{
    struct drawing drawing = {.graph = graph, .towers = graph->ranks < EVENT_TOWERS_MAX ? graph->ranks : EVENT_TOWERS_MAX};
    Tf__Event message = TF__EVENT__INIT;
    draw_shared(&drawing);
    for (int tower = 0; tower < drawing.towers; tower++)
        draw_tower(&drawing, tower);
    message.what_case = TF__EVENT__WHAT_GRAPH_DEF;
    message.graph_def = (ProtobufCBinaryData){.len = drawing.nodes.size, .data = drawing.nodes.data};
    int status = drawing.nodes.no_memory ? error_set(why, "%s: there is no memory for the graph", file->name)
                                         : event_file_append_message(file, &message, why);
    free(drawing.nodes.data);
    return status;
}
