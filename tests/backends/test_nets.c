/* A net with frozen layers, and with neighbours that would be fused if no other layer read the activation between them: its
 * gradients against finite differences, and those in bfloat16 against those in float. And a net of hundreds of layers. */
#include "fixture.h"
#include "tower.h"

enum { BATCH = 6, CHANNELS_IN = 3, CLASSES = 4, SAMPLES = 6 };

#define CONV(NAME, FROM, KERNEL, STRIDE, OUTPUTS)                                                                      \
    .name = NAME, .from = FROM, .kind = LAYER_CONVOLUTION, .kernel = KERNEL, .stride = STRIDE, .outputs = OUTPUTS

/* Three layers read stem's output, among them lrn; one sum is of an activation with itself. */
static const struct layer branches[] = {
    {CONV("stem", NULL, 3, 1, 8)},
    {.name = "lrn", .kind = LAYER_LRN, .radius = 2, .k = 1, .alpha = 0.3f, .beta = 0.75f},
    {CONV("left", "stem", 1, 1, 8), .frozen = true},
    {CONV("right", "stem", 3, 1, 8), .no_bias = true},
    {.name = "both", .kind = LAYER_ADD, .from = "left", .add = "right"},
    {.name = "all", .kind = LAYER_ADD, .add = "lrn"},
    {.name = "frozen", .kind = LAYER_BATCH_NORM, .epsilon = 0.01f, .frozen = true},
    {.name = "double", .kind = LAYER_ADD, .add = "frozen"},
    {.name = "logits", .kind = LAYER_DENSE},
};
static const struct model model = {"branches", "branches", 6, 6, branches, sizeof branches / sizeof *branches};

static void open_net(struct rig *rig, const struct subject *subject, enum precision precision)
{
    uint64_t random = 21;
    struct plan_request request = {.batch = BATCH, .training = true, .input_gradient = true, .deterministic = true,
                                   .precision = precision};
    skip_unsupported(subject->backend, &model);
    rig_open_plan(rig, subject->backend, &model, CHANNELS_IN, CLASSES, request);
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

/* Central differences of two step sizes, extrapolated to zero. */
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

static void test_frozen_layers(void **state)
{
    const struct subject *subject = *state;
    struct rig rig;
    uint64_t random = 22;
    open_net(&rig, subject, PRECISION_FP32);
    for (int pass = 0; pass < 2; pass++) { /* the second pass must not depend on the first */
        rig_forward(&rig);
        rig_backward(&rig);
    }
    for (const struct tensor *t = rig.net.tensors; t < rig.net.tensors + rig.net.tensor_count; t++)
        if (t->role == TENSOR_TRAINED)
            check_slopes(&rig, t->name, rig.parameters + t->offset, rig.gradients + t->offset, t->count, &random);
    check_slopes(&rig, "the input", rig.input, rig.input_gradient, rig.input_count, &random);
    rig_close(&rig);
}

/* bfloat16 has 8 significant bits; gradients agree with those in float about that closely. */
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

/* ---- hundreds of layers, each of which returns its input: 1x1 convolutions with the identity as their weights ---- */

enum { MANY = 600, CHANNELS = 2, VALUES = BATCH * CHANNELS }; /* images of 1x1 */

static void identity_fill(const struct net *net, float *parameters)
{
    memset(parameters, 0, net->parameters * sizeof *parameters);
    for (int i = 0; i < net->layer_count; i++)
        for (size_t c = 0; c < CHANNELS; c++)
            parameters[net->layers[i].weights->offset + c * CHANNELS + c] = 1;
}

static void check_passes(const struct subject *subject, const struct model *many)
{
    struct rig rig;
    uint64_t random = 23;
    rig_open_model(&rig, subject, many, CHANNELS, CHANNELS, BATCH, true);
    fill_random(rig.input, rig.input_count, &random);
    fill_random(rig.output_gradient, rig.output_count, &random);
    identity_fill(&rig.net, rig.parameters);
    rig_forward(&rig);
    rig_backward(&rig);
    assert_close_floats("output", rig.output, rig.input, rig.output_count, 0);
    assert_close_floats("input gradient", rig.input_gradient, rig.output_gradient, rig.input_count, 0);
    for (int i = 1; i < MANY; i++)
        assert_close_floats("weights' gradient", rig.gradients + rig.net.layers[i].weights->offset, rig.gradients,
                            rig.net.layers[i].weights->count, 1e-5);
    rig_close(&rig);
}

/* A tower keeps times of each stage. */
static void check_tower(const struct subject *subject, const struct model *many)
{
    struct net net;
    struct tower tower;
    struct error why;
    float images[VALUES], logits[VALUES];
    uint64_t random = 24;
    must(net_init(&net, many, CHANNELS, CHANNELS, &why), &why);
    struct tower_request request = {.backend = subject->backend, .net = &net, .batch = BATCH};
    float *parameters = floats_new(net.parameters);
    identity_fill(&net, parameters);
    fill_random(images, VALUES, &random);
    must(tower_init(&tower, &request, &why), &why);
    must(tower_set_parameters(&tower, parameters, &why), &why);
    must(tower_forward(&tower, images, BATCH, logits, &why), &why);
    assert_close_floats("logits", logits, images, VALUES, 0);
    assert_true(tower.times[tower.plan.stage_count - 1].forward > 0);
    tower_zero_times(&tower);
    for (int i = 0; i < tower.plan.stage_count; i++)
        assert_true(tower.times[i].forward == 0 && tower.times[i].backward == 0);
    free(parameters);
    tower_free(&tower);
    net_free(&net);
}

/* A device's launches have tables of limited size: there it is refused. */
static void check_refusal(const struct subject *subject, const struct model *many)
{
    struct net net;
    struct plan plan;
    struct error why = {"(nothing)"};
    must(net_init(&net, many, CHANNELS, CHANNELS, &why), &why);
    const struct plan_request request = {.net = &net, .batch = BATCH, .training = true};
    assert_int_equal(subject->backend->plan(&plan, &request, &why), -1);
    assert_non_null(strstr(why.text, "a net of 600 layers: the cudnn backend computes at most"));
    net_free(&net);
}

static void test_many_layers(void **state)
{
    const struct subject *subject = *state;
    static struct layer layers[MANY];
    for (int i = 0; i < MANY; i++)
        layers[i] = (struct layer){CONV("l", NULL, 1, 1, CHANNELS)};
    const struct model many = {"many", "hundreds of layers", 1, 1, layers, MANY};
    if (subject->backend->device) {
        check_refusal(subject, &many);
        return;
    }
    check_passes(subject, &many);
    check_tower(subject, &many);
}

/* ---- a plan that keeps every layer's output ---- */

static void fill_rig(struct rig *rig)
{
    uint64_t random = 31;
    fill_random(rig->input, rig->input_count, &random);
    net_parameters(&rig->net, 7, rig->parameters);
}

/* The output of layer `last` is that of the net that ends there, computed by openblas; its parameters are the first ones. */
static void check_activation(struct rig *whole, int last)
{
    struct error why;
    struct rig part;
    struct model first = whole->model;
    first.layer_count = last + 1;
    rig_open_plan(&part, backend_find("openblas", &why), &first, 3, 10, (struct plan_request){.batch = BATCH});
    memcpy(part.parameters, whole->parameters, part.net.parameters * sizeof *part.parameters);
    memcpy(part.input, whole->input, part.input_count * sizeof *part.input);
    rig_forward(&part);
    float *found = floats_new(part.output_count);
    must(whole->backend->memory_download(found, whole->plan.activations[last], part.output_count, &why), &why);
    assert_close_floats(first.layers[last].name, found, part.output, part.output_count, 1e-4);
    free(found);
    rig_close(&part);
}

static void test_activations(void **state)
{
    const struct subject *subject = *state;
    struct error why;
    struct rig rig;
    const struct model *tutorial = model_find("tutorial", &why);
    skip_unsupported(subject->backend, tutorial);
    rig_open_plan(&rig, subject->backend, tutorial, 3, 10, (struct plan_request){.batch = BATCH, .separate = true});
    assert_int_equal(rig.plan.stage_count, tutorial->layer_count);
    fill_rig(&rig);
    rig_forward(&rig);
    for (int i = 0; i < tutorial->layer_count; i++)
        check_activation(&rig, i);
    rig_close(&rig);
}

static const struct backend_test tests[] = {
    {"gradients of branches and frozen layers", test_frozen_layers, NULL, false},
    {"branches and frozen layers in bfloat16", test_bfloat16, NULL, false},
    {"every layer's output", test_activations, NULL, false},
    {"a net of 600 layers", test_many_layers, NULL, false},
};

int main(int argc, char **argv)
{
    return run_on_backends(argc, argv, tests, sizeof tests / sizeof *tests);
}
