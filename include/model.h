/* Models: a table of layers, and what follows from it for given images and classes.
 *
 * The table is layout, initialisation, decay, checkpoint names and printed summary at once; a new
 * model is one file in src/model with one table, and a line in src/model/model.c. */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum layer_kind {
    LAYER_CONVOLUTION, /* kernel x kernel, stride, SAME padding, bias; weights HWIO */
    LAYER_MAX_POOL,    /* kernel x kernel, stride, SAME padding; a tie goes to the first in row order */
    LAYER_NORM,        /* local response normalisation over channels, as tf.nn.lrn */
    LAYER_DENSE,       /* bias; weights (in, out), in = height * width * channels in NHWC order */
};

struct layer {
    const char *name; /* as in the checkpoint: /params/<name>/weights */
    enum layer_kind kind;
    int kernel, stride; /* convolution, pool */
    int outputs;        /* convolution, dense: channels out; 0 = the number of classes */
    bool relu;          /* convolution, dense: max(0, x) after the bias */
    float stddev;       /* weights: normal, redrawn beyond two standard deviations */
    float bias;         /* initial value of the biases */
    float decay;        /* loss += decay / 2 * sum of squared weights */
    int radius;         /* norm: x / (k + alpha * sum over [c - radius, c + radius] of x^2)^beta */
    float k, alpha, beta;
};

struct model {
    const char *name;
    const char *about;  /* one line for the start block */
    int height, width;  /* of the crop that is trained on, pixels */
    const struct layer *layers;
    int layer_count;
};

/* The model of that name, or NULL with a sentence that lists the names there are. */
const struct model *model_find(const char *name, struct error *why);

struct shape {
    int height, width, channels; /* an activation of N images is (N, height, width, channels) */
};

enum { NET_LAYERS_MAX = 64 };

/* A layer in its place: its shapes, and its slices of the flat parameter buffer. */
struct net_layer {
    struct layer layer; /* outputs filled in */
    struct shape in, out;
    int pad_top, pad_left; /* SAME padding before; the rest (possibly one more) comes after */
    size_t weights, weight_count; /* offset and length in floats; 0 long where there are none */
    size_t biases, bias_count;
    double multiply_adds; /* an image, forward */
};

struct net {
    const struct model *model;
    struct shape input;
    int classes;
    int layer_count;
    struct net_layer layers[NET_LAYERS_MAX];
    size_t parameters; /* length of the flat buffers of parameters, gradients, shadows */
};

/* Lays the model out for images of `channels` channels (cropped to the model's height and width)
 * and so many classes. Parameters lie in layer order, weights before biases. */
int net_init(struct net *net, const struct model *model, int channels, int classes, struct error *why);

/* The initial parameters (net->parameters floats), each a pure function of (seed, its index). */
void net_parameters(const struct net *net, uint64_t seed, float *parameters);

/* Multiply-adds of convolutions and dense layers, an image: forward, and a whole training step
 * (forward + weight gradients + input gradients except the first layer's). */
double net_forward_multiply_adds(const struct net *net);
double net_step_multiply_adds(const struct net *net);

size_t shape_size(struct shape shape);

#endif
