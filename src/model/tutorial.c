/* TensorFlow's "Advanced CNN" tutorial for CIFAR-10: tensorflow/models, cifar10.py, inference(). */
#include "models.h"

static const struct layer layers[] = {
    {.name = "conv1", .kind = LAYER_CONVOLUTION, .kernel = 5, .stride = 1, .outputs = 64, .activation = ACTIVATION_RELU,
     .stddev = 5e-2f},
    {.name = "pool1", .kind = LAYER_MAX_POOL, .kernel = 3, .stride = 2},
    {.name = "norm1", .kind = LAYER_LRN, .radius = 4, .k = 1, .alpha = 0.001f / 9, .beta = 0.75f},
    {.name = "conv2", .kind = LAYER_CONVOLUTION, .kernel = 5, .stride = 1, .outputs = 64, .activation = ACTIVATION_RELU,
     .stddev = 5e-2f, .bias = 0.1f},
    {.name = "norm2", .kind = LAYER_LRN, .radius = 4, .k = 1, .alpha = 0.001f / 9, .beta = 0.75f},
    {.name = "pool2", .kind = LAYER_MAX_POOL, .kernel = 3, .stride = 2},
    {.name = "local3", .kind = LAYER_DENSE, .outputs = 384, .activation = ACTIVATION_RELU,
     .stddev = 0.04f, .bias = 0.1f, .decay = 0.004f},
    {.name = "local4", .kind = LAYER_DENSE, .outputs = 192, .activation = ACTIVATION_RELU,
     .stddev = 0.04f, .bias = 0.1f, .decay = 0.004f},
    {.name = "softmax_linear", .kind = LAYER_DENSE, .stddev = 1 / 192.0f},
};

const struct model model_tutorial = {
    .name = "tutorial",
    .about = "TensorFlow's Advanced CNN tutorial: two convolutions, two dense layers, softmax",
    .height = 24,
    .width = 24,
    .layers = layers,
    .layer_count = sizeof layers / sizeof *layers,
};

const struct recipe recipe_tutorial = {
    .batch_size = 128,
    .max_steps = 100000,
    .learning_rate = 0.1,
    .lr_decay_factor = 0.1,
    .lr_decay_epochs = 350,
    .ema_decay = 0.9999,
};
