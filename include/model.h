/* Models (tables of layers), and nets (a model laid out for given images and classes).
 *
 * The table alone gives layout, initialisation, decay, checkpoint names and printed summary. To add a
 * model: a file in src/model with its table and recipe, and a line in src/model/model.c. */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum layer_kind {
    LAYER_CONVOLUTION, /* kernel x kernel, stride, padding; weights HWIO, biases, activation */
    LAYER_MAX_POOL,    /* kernel x kernel, stride, padding; a tie goes to the first in row order */
    LAYER_LRN,         /* local response normalisation over channels, as tf.nn.lrn */
    LAYER_DENSE,       /* weights (in, out), in = height * width * channels in NHWC order; biases, activation */
    LAYER_ADD,         /* the sum of two activations of the same shape; activation */
    LAYER_BATCH_NORM,  /* per channel: gamma * (x - mean) / sqrt(variance + epsilon) + beta; activation */
    LAYER_KINDS
};

/* SAME: windows extend beyond the edge; ceil(size / stride) outputs. VALID: they do not; 1 + floor((size - kernel) / stride). */
enum padding { PADDING_SAME, PADDING_VALID };

/* Applied to the layer's result; the gradient of RELU is 0 for outputs of 0. */
enum activation { ACTIVATION_NONE, ACTIVATION_RELU };

struct layer {
    const char *name; /* as in the checkpoint: /params/<name>/weights */
    enum layer_kind kind;
    const char *from; /* the earlier layer whose output it reads; NULL: the one before it in the table */
    const char *add;  /* LAYER_ADD: the earlier layer whose output is the second summand */
    int kernel, stride; /* convolution, pool */
    enum padding padding;
    int outputs;        /* convolution, dense: channels out; 0 = the number of classes */
    bool no_bias;       /* convolution, dense */
    enum activation activation;
    bool frozen;        /* its weights and biases stay as they were loaded */
    float stddev;       /* initial weights: normal, redrawn beyond two standard deviations */
    float bias;         /* initial value of the biases */
    float decay;        /* loss += decay / 2 * sum of squared weights */
    int radius;         /* LRN: x / (k + alpha * sum over [c - radius, c + radius] of x^2)^beta */
    float k, alpha, beta;
    float epsilon;      /* batch norm */
    float keep;         /* batch norm, each step: running = keep * running + (1 - keep) * the batch's */
};

struct model {
    const char *name;
    const char *about;  /* one line for the start block */
    int height, width;  /* of its input, the crop of an image, in pixels */
    const struct layer *layers;
    int layer_count;
};

/* The model of that name, or NULL with a sentence that lists the known names. */
const struct model *model_find(const char *name, struct error *why);

struct shape {
    int height, width, channels; /* an activation of N images is (N, height, width, channels) */
};

enum tensor_role {
    TENSOR_TRAINED, /* has a gradient; the optimizer updates it */
    /* A moving average over training batches: batch norm's mean and variance. In training the forward pass writes the sum over
     * the images of its batch into the flat gradient. All ranks' sums are added up with the gradients, and the update is
     * tensor += (1 - keep) * (sum / images - tensor). Evaluation uses it. */
    TENSOR_STATE,
    TENSOR_FROZEN /* has no gradient and never changes */
};

enum { TENSOR_RANK_MAX = 4 };

/* Parameters of a layer, and their place in the flat buffers. */
struct tensor {
    char name[64]; /* "conv1/weights"; in the checkpoint /params/conv1/weights */
    int layer;
    enum tensor_role role;
    int rank, size[TENSOR_RANK_MAX];
    const char *axis[TENSOR_RANK_MAX]; /* "H", "W", "I", "O", "in", "out" */
    size_t offset, count; /* floats */
    float stddev, value;  /* initial values: truncated normals of that deviation, or `value` if stddev is 0 */
    float decay, keep;    /* as in struct layer */
};

enum { NET_INPUT = -1 }; /* stands for the images in place of a layer's index */

/* A layer of a net: its table entry, inputs, shapes and tensors. */
struct net_layer {
    struct layer layer; /* outputs filled in */
    int from, add;      /* the layers whose outputs it reads; add: LAYER_ADD only */
    int readers;        /* number of layers that read its output */
    struct shape in, out;
    int pad_top, pad_left; /* padding above and left; below and right it is equal or one more */
    const struct tensor *weights, *biases; /* batch norm: gamma and beta (channels). NULL: none */
    const struct tensor *mean, *variance;  /* batch norm: (channels), STATE */
    double multiply_adds; /* per image, forward */
};

/* Flat buffers hold one tensor after the other, in layer order: first those that are TRAINED, then STATE, then FROZEN.
 * Parameters hold all of them, gradients the first two roles. An optimizer's state has room for all; the update changes the
 * TRAINED ones. */
struct net {
    const struct model *model;
    struct shape input;
    int classes;
    int layer_count, tensor_count;
    struct net_layer *layers;
    struct tensor *tensors; /* in layer order; weights before biases */
    size_t trained;    /* floats of the TRAINED tensors, which begin at 0 */
    size_t gradients;  /* floats of TRAINED and STATE: the length of a flat gradient */
    size_t parameters; /* floats of all: the length of flat parameters and shadows */
};

/* Lays the model out for images of `channels` channels (cropped to the model's height and width) and `classes` classes.
 * The model outlives the net. After a failure there is nothing to free. */
int net_init(struct net *net, const struct model *model, int channels, int classes, struct error *why);
void net_free(struct net *net); /* a zeroed net is allowed */

/* Fills in the initial parameters (net->parameters floats), each a pure function of (seed, its index). */
void net_parameters(const struct net *net, uint64_t seed, float *parameters);

/* Multiply-adds of convolutions and dense layers, per image: forward, and a whole training step
 * (forward + weight gradients + input gradients except the first layer's). */
double net_forward_multiply_adds(const struct net *net);
double net_step_multiply_adds(const struct net *net);

/* The offset at which the TRAINED tensors of layer `first` and later ones begin; net->trained if there are none. */
size_t net_trained_from(const struct net *net, int first);

/* Floats of a layer's tensors. */
size_t net_layer_parameters(const struct net *net, int layer);

size_t shape_size(struct shape shape);

#endif
