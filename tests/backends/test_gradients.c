/* Gradients of weights, biases and input of every layer against central finite differences of sum(c * y), summed in double.
 * Values are chosen so that no difference crosses a kink (of the ReLU or the maximum): then convolution, dense and pool are
 * exactly linear between the two points. */
#include "fixture.h"

enum { SAMPLES = 24 }; /* values checked per tensor */

struct gradient_case {
    struct layer layer;
    struct shape input;
    int batch;
    float step;       /* to either side; large if the layer is linear, so that rounding matters little */
    double tolerance; /* of the largest difference quotient */
};

static double objective(struct rig *rig, const float *c)
{
    double sum = 0;
    rig_forward(rig);
    for (size_t i = 0; i < rig->output_count; i++)
        sum += (double)c[i] * rig->output[i];
    return sum;
}

/* The slope between value - step and value + step. */
static double central_difference(struct rig *rig, const float *c, float *value, float step)
{
    float middle = *value, right = middle + step, left = middle - step;
    *value = right;
    double above = objective(rig, c);
    *value = left;
    double below = objective(rig, c);
    *value = middle;
    return (above - below) / ((double)right - left);
}

/* Extrapolates from two step sizes to zero (Richardson): the error is of the fourth order. */
static double slope(struct rig *rig, const float *c, float *value, float step)
{
    return (4 * central_difference(rig, c, value, step) - central_difference(rig, c, value, 2 * step)) / 3;
}

static void check_tensor(struct rig *rig, const struct gradient_case *test, const char *what, float *values,
                         const float *gradients, size_t count, uint64_t *random)
{
    size_t samples = count < SAMPLES ? count : SAMPLES, at[SAMPLES];
    double expected[SAMPLES], largest = 0;
    for (size_t i = 0; i < count; i++)
        if (!isfinite(gradients[i]))
            fail_msg("gradient of %s[%zu] is %g", what, i, gradients[i]);
    for (size_t s = 0; s < samples; s++) {
        at[s] = count <= SAMPLES ? s : random_below(random, count);
        expected[s] = slope(rig, rig->output_gradient, &values[at[s]], test->step);
        largest = fmax(largest, fabs(expected[s]));
    }
    for (size_t s = 0; s < samples; s++)
        if (!(fabs(gradients[at[s]] - expected[s]) <= test->tolerance * largest))
            fail_msg("gradient of %s[%zu] is %.9g, the difference quotient %.9g; largest %.3g", what, at[s],
                     gradients[at[s]], expected[s], largest);
    if (count)
        assert_true(largest > 0);
}

static void check_trained(struct rig *rig, const struct gradient_case *test, uint64_t *random)
{
    for (const struct tensor *t = rig->net.tensors; t < rig->net.tensors + rig->net.tensor_count; t++)
        if (t->role == TENSOR_TRAINED)
            check_tensor(rig, test, t->name, rig->parameters + t->offset, rig->gradients + t->offset, t->count, random);
    check_tensor(rig, test, "input", rig->input, rig->input_gradient, rig->input_count, random);
}

/* Gives weight 0 to outputs that a step might move across the ReLU's kink. With inputs and weights in [-1, 1], a step in one of
 * them moves a sum by at most the step; the same layer without ReLU shows the sums. */
static void silence_kinks(struct rig *rig, const struct subject *subject)
{
    const struct gradient_case *test = subject->data;
    struct rig plain;
    struct layer layer = test->layer;
    layer.activation = ACTIVATION_NONE;
    rig_open(&plain, subject, &layer, test->input, test->batch);
    memcpy(plain.input, rig->input, rig->input_count * sizeof(float));
    memcpy(plain.parameters, rig->parameters, rig->net.parameters * sizeof(float));
    rig_forward(&plain);
    for (size_t i = 0; i < rig->output_count; i++)
        if (fabsf(plain.output[i]) < 2.01f * test->step)
            rig->output_gradient[i] = 0;
    rig_close(&plain);
}

/* Distinct integers in random order: a step of at most 0.2, doubled by slope(), changes no maximum. */
static void fill_distinct(float *values, size_t count, uint64_t *random)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (float)i - (float)(count / 2);
    for (size_t i = count - 1; i > 0; i--) {
        size_t other = random_below(random, i + 1);
        float value = values[i];
        values[i] = values[other], values[other] = value;
    }
}

static void test_gradients(void **state)
{
    const struct subject *subject = *state;
    const struct gradient_case *test = subject->data;
    struct rig rig;
    uint64_t random = 0x9E3779B97F4A7C15ull;

    const struct model model = {"test", "one layer", test->input.height, test->input.width, &test->layer, 1};
    skip_unsupported(subject->backend, &model);
    rig_open(&rig, subject, &test->layer, test->input, test->batch);
    if (test->layer.kind == LAYER_MAX_POOL)
        fill_distinct(rig.input, rig.input_count, &random);
    else
        fill_random(rig.input, rig.input_count, &random);
    fill_random(rig.parameters, rig.net.parameters, &random);
    fill_random(rig.output_gradient, rig.output_count, &random);
    if (test->layer.activation == ACTIVATION_RELU)
        silence_kinks(&rig, subject);

    rig_forward(&rig);
    rig_backward(&rig);
    check_trained(&rig, test, &random);
    rig_close(&rig);
}

/* An activation that two convolutions read, two batch norms, the sum of both branches, the sum of an activation with itself, and
 * a sum with an activation that another layer also reads. */
#define NET(ACTIVATION)                                                                                                \
    {                                                                                                                  \
        {.name = "stem", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 1, .outputs = 16, .no_bias = true},         \
        {.name = "norm1", .kind = LAYER_BATCH_NORM, .epsilon = 1e-3f, .keep = 0.9f, .activation = ACTIVATION},         \
        {.name = "a", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 1, .padding = PADDING_VALID, .outputs = 16,    \
         .no_bias = true},                                                                                             \
        {.name = "norm2", .kind = LAYER_BATCH_NORM, .epsilon = 1e-3f, .keep = 0.9f},                                   \
        {.name = "b", .kind = LAYER_CONVOLUTION, .from = "norm1", .kernel = 3, .stride = 1, .padding = PADDING_VALID,  \
         .outputs = 16},                                                                                               \
        {.name = "sum", .kind = LAYER_ADD, .add = "norm2", .activation = ACTIVATION},                                  \
        {.name = "double", .kind = LAYER_ADD, .add = "sum"},                                                           \
        {.name = "across", .kind = LAYER_ADD, .from = "b", .add = "double"},                                           \
        {.name = "logits", .kind = LAYER_DENSE, .no_bias = true},                                                      \
    }
static const struct layer smooth_net[] = NET(ACTIVATION_NONE), kinked_net[] = NET(ACTIVATION_RELU);
enum { NET_LAYERS = sizeof smooth_net / sizeof *smooth_net };

/* With ReLU, a step moves a few values across the kink, hence the larger tolerance; without the ReLU's mask the error would be
 * about a half. */
static void test_branches(void **state)
{
    const struct subject *subject = *state;
    const struct model model = {"branches", "two branches and their sums", 9, 8, subject->data, NET_LAYERS};
    bool kinked = subject->data == kinked_net;
    const struct gradient_case test = {.step = kinked ? 2e-3f : 0.1f, .tolerance = kinked ? 4e-2 : 1e-3};
    struct rig rig;
    uint64_t random = 7;
    skip_unsupported(subject->backend, &model);
    rig_open_model(&rig, subject, &model, 3, 10, 4, true);
    fill_random(rig.input, rig.input_count, &random);
    fill_random(rig.parameters, rig.net.parameters, &random);
    fill_random(rig.output_gradient, rig.output_count, &random);
    rig_forward(&rig);
    rig_backward(&rig);
    check_trained(&rig, &test, &random);
    rig_close(&rig);
}

#define CONVOLUTION(KERNEL, STRIDE, OUTPUTS, RELU)                                                                    \
    {.name = "convolution", .kind = LAYER_CONVOLUTION, .kernel = KERNEL, .stride = STRIDE, .outputs = OUTPUTS,        \
     .activation = RELU ? ACTIVATION_RELU : ACTIVATION_NONE}
#define POOL(KERNEL, STRIDE)                                                                                          \
    {.name = "pool", .kind = LAYER_MAX_POOL, .kernel = KERNEL, .stride = STRIDE}
#define NORM(RADIUS, K, ALPHA, BETA)                                                                                  \
    {.name = "norm", .kind = LAYER_LRN, .radius = RADIUS, .k = K, .alpha = ALPHA, .beta = BETA}
#define DENSE(OUTPUTS, RELU)                                                                                          \
    {.name = "dense", .kind = LAYER_DENSE, .outputs = OUTPUTS, .activation = RELU ? ACTIVATION_RELU : ACTIVATION_NONE}

static const struct {
    const char *name;
    struct gradient_case test;
} cases[] = {
    {"gradients of convolution 5x5, 7x7x3 to 16, batch 3", {CONVOLUTION(5, 1, 16, false), {7, 7, 3}, 3, 0.1f, 1e-4}},
    {"gradients of convolution 5x5 + ReLU, 12x12x16 to 48, batch 3",
     {CONVOLUTION(5, 1, 48, true), {12, 12, 16}, 3, 0.5f, 1e-4}},
    {"gradients of convolution 5x5 + ReLU, 12x12x64 to 64, batch 1",
     {CONVOLUTION(5, 1, 64, true), {12, 12, 64}, 1, 0.5f, 1e-4}},
    {"gradients of convolution 5x5 stride 2 + ReLU, 13x13x3 to 64, batch 16",
     {CONVOLUTION(5, 2, 64, true), {13, 13, 3}, 16, 0.1f, 1e-4}},
    {"gradients of convolution 3x3 + ReLU, 13x13x48 to 16, batch 3",
     {CONVOLUTION(3, 1, 16, true), {13, 13, 48}, 3, 0.5f, 1e-4}},
    {"gradients of convolution 3x3 stride 2, 12x12x16 to 3, batch 16",
     {CONVOLUTION(3, 2, 3, false), {12, 12, 16}, 16, 0.1f, 1e-4}},
    {"gradients of convolution 1x1 stride 2 + ReLU, 7x9x5 to 7, batch 3",
     {CONVOLUTION(1, 2, 7, true), {7, 9, 5}, 3, 0.05f, 1e-4}},
    {"gradients of convolution 11x11, 7x5x3 to 16, batch 1", {CONVOLUTION(11, 1, 16, false), {7, 5, 3}, 1, 0.1f, 1e-4}},
    {"gradients of max pool 3x3 stride 2, 24x24x16, batch 3", {POOL(3, 2), {24, 24, 16}, 3, 0.2f, 1e-4}},
    {"gradients of max pool 3x3 stride 2, 12x12x64, batch 1", {POOL(3, 2), {12, 12, 64}, 1, 0.2f, 1e-4}},
    {"gradients of max pool 3x3 stride 2, 7x7x3, batch 16", {POOL(3, 2), {7, 7, 3}, 16, 0.2f, 1e-4}},
    {"gradients of max pool 2x2 stride 2, 7x12x5, batch 3", {POOL(2, 2), {7, 12, 5}, 3, 0.2f, 1e-4}},
    {"gradients of max pool 3x3 stride 1, 5x7x16, batch 1", {POOL(3, 1), {5, 7, 16}, 1, 0.2f, 1e-4}},
    {"gradients of norm, the tutorial's, 12x12x64, batch 3",
     {NORM(4, 1, 0.001f / 9, 0.75f), {12, 12, 64}, 3, 0.1f, 1e-4}},
    {"gradients of norm with strong neighbours, 6x6x64, batch 1",
     {NORM(4, 1, 0.3f, 0.75f), {6, 6, 64}, 1, 0.05f, 2e-4}},
    {"gradients of norm, radius 2, beta 0.5, 7x7x16, batch 16", {NORM(2, 2, 0.5f, 0.5f), {7, 7, 16}, 16, 0.05f, 2e-4}},
    {"gradients of norm, window beyond all 3 channels, batch 1", {NORM(4, 1, 0.3f, 0.75f), {5, 5, 3}, 1, 0.05f, 2e-4}},
    {"gradients of convolution 3x3 stride 2, VALID, no bias + ReLU, 10x7x16 to 16, batch 3",
     {{.name = "conv", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 2, .padding = PADDING_VALID, .outputs = 16,
       .no_bias = true, .activation = ACTIVATION_RELU}, {10, 7, 16}, 3, 0.5f, 1e-4}},
    {"gradients of convolution 5x5, VALID, no bias + ReLU, 12x9x16 to 32, batch 3",
     {{.name = "conv", .kind = LAYER_CONVOLUTION, .kernel = 5, .stride = 1, .padding = PADDING_VALID, .outputs = 32,
       .no_bias = true, .activation = ACTIVATION_RELU}, {12, 9, 16}, 3, 0.5f, 1e-4}},
    {"gradients of frozen convolution 3x3 + ReLU, 9x8x16 to 16, batch 3",
     {{.name = "conv", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 1, .outputs = 16, .frozen = true,
       .activation = ACTIVATION_RELU}, {9, 8, 16}, 3, 0.5f, 1e-4}},
    {"gradients of frozen dense + ReLU, 5x4x3 to 20, batch 3",
     {{.name = "dense", .kind = LAYER_DENSE, .outputs = 20, .frozen = true, .activation = ACTIVATION_RELU},
      {5, 4, 3}, 3, 0.1f, 1e-4}},
    {"gradients of frozen batch norm, 5x4x7, batch 3",
     {{.name = "norm", .kind = LAYER_BATCH_NORM, .epsilon = 2, .frozen = true}, {5, 4, 7}, 3, 0.05f, 2e-4}},
    {"gradients of max pool 3x3 stride 2, VALID, 10x7x5, batch 3",
     {{.name = "pool", .kind = LAYER_MAX_POOL, .kernel = 3, .stride = 2, .padding = PADDING_VALID}, {10, 7, 5}, 3, 0.2f, 1e-4}},
    {"gradients of batch norm, 5x4x7, batch 3",
     {{.name = "norm", .kind = LAYER_BATCH_NORM, .epsilon = 1e-3f, .keep = 0.9f}, {5, 4, 7}, 3, 0.05f, 2e-4}},
    {"gradients of dense, no bias + ReLU, 5x4x3 to 20, batch 3",
     {{.name = "dense", .kind = LAYER_DENSE, .outputs = 20, .no_bias = true, .activation = ACTIVATION_RELU},
      {5, 4, 3}, 3, 0.1f, 1e-4}},
    {"gradients of dense, 6x6x64 to 48, batch 16", {DENSE(48, false), {6, 6, 64}, 16, 0.1f, 1e-4}},
    {"gradients of dense + ReLU, 7x7x3 to 64, batch 3", {DENSE(64, true), {7, 7, 3}, 3, 0.1f, 1e-4}},
    {"gradients of dense + ReLU, 1x1x192 to the classes, batch 1", {DENSE(0, true), {1, 1, 192}, 1, 0.1f, 1e-4}},
};

enum { CASES = sizeof cases / sizeof *cases };

int main(int argc, char **argv)
{
    struct backend_test tests[CASES + 2];
    for (int i = 0; i < CASES; i++)
        tests[i] = (struct backend_test){cases[i].name, test_gradients, &cases[i].test,
                                         cases[i].test.layer.kind == LAYER_CONVOLUTION};
    tests[CASES] = (struct backend_test){"gradients of branches, sums and batch norm", test_branches, smooth_net, true};
    tests[CASES + 1] = (struct backend_test){"gradients of branches with ReLU", test_branches, kinked_net, true};
    return run_on_backends(argc, argv, tests, CASES + 2);
}
