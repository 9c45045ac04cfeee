/* Nets that branch and keep a state, on every backend that can compute them: gradients against finite differences of the whole
 * net, a batch norm's sums by their definition. */
#include "fixture.h"

enum { BATCH = 6, CHANNELS_IN = 3, CLASSES = 4, SAMPLES = 6 };

#define CONV(NAME, FROM, KERNEL, STRIDE, OUTPUTS)                                                                      \
    .name = NAME, .from = FROM, .kind = LAYER_CONVOLUTION, .kernel = KERNEL, .stride = STRIDE, .outputs = OUTPUTS
#define NORM(NAME, FROM) .name = NAME, .from = FROM, .kind = LAYER_BATCH_NORM, .epsilon = 0.01f, .keep = 0.9f

/* A residual block of one convolution, whose input two layers read; VALID padding; a convolution and a dense layer without bias. */
static const struct layer residual[] = {
    {CONV("stem", NULL, 3, 1, 8), .padding = PADDING_VALID, .no_bias = true},
    {NORM("norm0", NULL)},
    {CONV("conv1", NULL, 3, 1, 8), .no_bias = true},
    {NORM("norm1", NULL)},
    {.name = "sum", .kind = LAYER_ADD, .add = "norm0"},
    {CONV("shrink", NULL, 3, 2, 6), .padding = PADDING_VALID},
    {.name = "local", .kind = LAYER_DENSE, .outputs = 20, .no_bias = true},
    {.name = "logits", .kind = LAYER_DENSE},
};
/* Three readers of one activation, a sum of an activation with itself, a layer that is frozen. */
static const struct layer branches[] = {
    {CONV("stem", NULL, 3, 1, 8)},
    {.name = "lrn", .kind = LAYER_LRN, .radius = 2, .k = 1, .alpha = 0.3f, .beta = 0.75f},
    {CONV("left", "stem", 1, 1, 8), .frozen = true},
    {CONV("right", "stem", 3, 1, 8), .no_bias = true},
    {.name = "both", .kind = LAYER_ADD, .from = "left", .add = "right"},
    {.name = "all", .kind = LAYER_ADD, .add = "lrn"},
    {NORM("frozen", NULL), .frozen = true},
    {.name = "double", .kind = LAYER_ADD, .add = "frozen"},
    {.name = "logits", .kind = LAYER_DENSE},
};
static const struct model models[] = {
    {"residual", "a residual block", 8, 8, residual, sizeof residual / sizeof *residual},
    {"branches", "branches", 6, 6, branches, sizeof branches / sizeof *branches},
};

static void open_net(struct rig *rig, const struct subject *subject, enum precision precision)
{
    uint64_t random = 21;
    struct error why;
    const struct model *model = subject->data;
    struct plan_request request = {.batch = BATCH, .training = true, .input_gradient = true, .deterministic = true,
                                   .precision = precision};
    if (backend_supports(subject->backend, model, &why)) {
        print_message("%s\n", why.text);
        skip();
    }
    rig_open_plan(rig, subject->backend, model, CHANNELS_IN, CLASSES, request);
    fill_random(rig->input, rig->input_count, &random);
    fill_random(rig->output_gradient, rig->output_count, &random);
    fill_random(rig->parameters, rig->net.parameters, &random);
    for (int i = 0; i < rig->net.layer_count; i++) {
        const struct tensor *t = rig->net.layers[i].variance;
        for (size_t k = 0; t && k < t->count; k++)
            rig->parameters[t->offset + k] = fabsf(rig->parameters[t->offset + k]) + 0.5f;
    }
}

static double objective(struct rig *rig)
{
    double sum = 0;
    rig_forward(rig);
    for (size_t i = 0; i < rig->output_count; i++)
        sum += (double)rig->output_gradient[i] * rig->output[i];
    return sum;
}

/* Two central differences extrapolated to none. */
static double slope(struct rig *rig, float *value, float step)
{
    const float factors[] = {step, -step, 2 * step, -2 * step};
    double sums[4], at[4];
    float middle = *value;
    for (int i = 0; i < 4; i++) {
        *value = middle + factors[i];
        at[i] = *value;
        sums[i] = objective(rig);
    }
    *value = middle;
    return (4 * (sums[0] - sums[1]) / (at[0] - at[1]) - (sums[2] - sums[3]) / (at[2] - at[3])) / 3;
}

static void check_slopes(struct rig *rig, const char *what, float *values, const float *gradients, size_t count, uint64_t *random)
{
    size_t at[SAMPLES];
    double expected[SAMPLES], largest = 0;
    for (int s = 0; s < SAMPLES; s++) {
        at[s] = random_below(random, count);
        expected[s] = slope(rig, &values[at[s]], 0.01f);
        largest = fmax(largest, fabs(expected[s]));
    }
    for (int s = 0; s < SAMPLES; s++)
        if (!(fabs(gradients[at[s]] - expected[s]) <= 2e-3 * largest))
            fail_msg("gradient of %s[%zu] is %.9g, the difference quotient %.9g; largest %.3g", what, at[s], gradients[at[s]],
                     expected[s], largest);
    assert_true(largest > 0);
}

static void test_gradients(void **state)
{
    const struct subject *subject = *state;
    struct rig rig;
    uint64_t random = 22;
    open_net(&rig, subject, PRECISION_FP32);
    for (int pass = 0; pass < 2; pass++) { /* the second must not see the first */
        rig_forward(&rig);
        rig_backward(&rig);
    }
    for (const struct tensor *t = rig.net.tensors; t < rig.net.tensors + rig.net.tensor_count; t++)
        if (t->role == TENSOR_TRAINED)
            check_slopes(&rig, t->name, rig.parameters + t->offset, rig.gradients + t->offset, t->count, &random);
    check_slopes(&rig, "the input", rig.input, rig.input_gradient, rig.input_count, &random);
    rig_close(&rig);
}

/* bfloat16 has 8 bits: gradients agree with those in float about so far. */
static void test_bfloat16(void **state)
{
    const struct subject *subject = *state;
    struct rig half, whole;
    if (!subject->backend->device) {
        print_message("a CPU computes in float only\n");
        skip();
    }
    open_net(&half, subject, PRECISION_BF16);
    open_net(&whole, subject, PRECISION_FP32);
    rig_forward(&half), rig_backward(&half);
    rig_forward(&whole), rig_backward(&whole);
    assert_close_floats("output", half.output, whole.output, whole.output_count, 0.03);
    for (const struct tensor *t = whole.net.tensors; t < whole.net.tensors + whole.net.tensor_count; t++)
        if (t->role != TENSOR_FROZEN)
            assert_close_floats(t->name, half.gradients + t->offset, whole.gradients + t->offset, t->count, 0.05);
    rig_close(&half), rig_close(&whole);
}

/* One batch norm: with its moments by their definition, and the sums of its running averages. */
static void test_a_state(void **state)
{
    enum { PIXELS = BATCH * 5 * 4, CHANNELS = 7 };
    static const struct layer layer = {NORM("norm", NULL), .activation = ACTIVATION_RELU};
    const struct subject *subject = *state;
    struct rig rig;
    double mean[CHANNELS] = {0}, variance[CHANNELS] = {0}, y[PIXELS * CHANNELS];
    uint64_t random = 23;
    rig_open(&rig, subject, &layer, (struct shape){5, 4, CHANNELS}, BATCH);
    const struct net_layer *l = &rig.net.layers[0];
    fill_random(rig.input, rig.input_count, &random);
    fill_random(rig.parameters, rig.net.parameters, &random);
    for (int i = 0; i < PIXELS * CHANNELS; i++)
        mean[i % CHANNELS] += (double)rig.input[i] / PIXELS;
    for (int i = 0; i < PIXELS * CHANNELS; i++)
        variance[i % CHANNELS] += pow(rig.input[i] - mean[i % CHANNELS], 2) / PIXELS;
    for (int i = 0; i < PIXELS * CHANNELS; i++) {
        int c = i % CHANNELS;
        double normal = (rig.input[i] - mean[c]) / sqrt(variance[c] + layer.epsilon);
        y[i] = fmax(0, rig.parameters[l->weights->offset + (size_t)c] * normal + rig.parameters[l->biases->offset + (size_t)c]);
    }
    rig_forward(&rig);
    rig_backward(&rig);
    assert_close("output", rig.output, y, rig.output_count, 1e-5);
    for (int c = 0; c < CHANNELS; c++)
        mean[c] *= BATCH, variance[c] *= BATCH;
    assert_close("sum of means", rig.gradients + l->mean->offset, mean, CHANNELS, 1e-5);
    assert_close("sum of variances", rig.gradients + l->variance->offset, variance, CHANNELS, 1e-5);
    rig_close(&rig);
}

static const struct backend_test tests[] = {
    {"gradients of a residual block", test_gradients, &models[0], false},
    {"gradients of branches and a frozen layer", test_gradients, &models[1], false},
    {"a residual block in bfloat16", test_bfloat16, &models[0], false},
    {"branches and a frozen layer in bfloat16", test_bfloat16, &models[1], false},
    {"a batch norm's output and the sums of its state", test_a_state, NULL, false},
};

int main(int argc, char **argv)
{
    return run_on_backends(argc, argv, tests, sizeof tests / sizeof *tests);
}
