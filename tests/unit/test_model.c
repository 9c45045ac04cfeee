/* Models: the tutorial's layout, tensors and initial parameters, branches, SAME padding, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

static struct net tutorial_net(void)
{
    struct net net;
    struct error why;
    const struct model *model = model_find("tutorial", &why);
    assert_non_null(model);
    if (net_init(&net, model, 3, 10, &why))
        fail_msg("%s", why.text);
    return net;
}

static float *parameters_of(const struct net *net, uint64_t seed)
{
    float *parameters = malloc(net->parameters * sizeof *parameters);
    assert_non_null(parameters);
    net_parameters(net, seed, parameters);
    return parameters;
}

/* ---- the tutorial's layout ---- */

static void assert_shape(struct shape shape, int height, int width, int channels)
{
    assert_int_equal(shape.height, height);
    assert_int_equal(shape.width, width);
    assert_int_equal(shape.channels, channels);
}

static void test_layout(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int height, width, channels;
    } expected[] = {
        {"conv1", 24, 24, 64}, {"pool1", 12, 12, 64}, {"norm1", 12, 12, 64}, {"conv2", 12, 12, 64},        {"norm2", 12, 12, 64},
        {"pool2", 6, 6, 64},   {"local3", 1, 1, 384}, {"local4", 1, 1, 192}, {"softmax_linear", 1, 1, 10},
    };
    struct net net = tutorial_net();
    assert_int_equal(net.layer_count, sizeof expected / sizeof *expected);
    assert_shape(net.input, 24, 24, 3);
    for (int i = 0; i < net.layer_count; i++) {
        const struct net_layer *l = &net.layers[i];
        assert_string_equal(l->layer.name, expected[i].name);
        assert_int_equal(l->from, i - 1);
        assert_int_equal(l->readers, i < net.layer_count - 1);
        assert_shape(l->in, i ? expected[i - 1].height : 24, i ? expected[i - 1].width : 24,
                     i ? expected[i - 1].channels : 3);
        assert_shape(l->out, expected[i].height, expected[i].width, expected[i].channels);
    }
    net_free(&net);
}

/* Tensors are in layer order, weights before biases, with the shapes of TensorFlow's checkpoint of the tutorial. */
static void test_tensors(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int layer, rank, size[4];
        const char *axis[4];
        float stddev, value, decay;
    } expected[] = {
        {"conv1/weights", 0, 4, {5, 5, 3, 64}, {"H", "W", "I", "O"}, 0.05f, 0, 0},
        {"conv1/biases", 0, 1, {64}, {"out"}, 0, 0, 0},
        {"conv2/weights", 3, 4, {5, 5, 64, 64}, {"H", "W", "I", "O"}, 0.05f, 0, 0},
        {"conv2/biases", 3, 1, {64}, {"out"}, 0, 0.1f, 0},
        {"local3/weights", 6, 2, {2304, 384}, {"in", "out"}, 0.04f, 0, 0.004f},
        {"local3/biases", 6, 1, {384}, {"out"}, 0, 0.1f, 0},
        {"local4/weights", 7, 2, {384, 192}, {"in", "out"}, 0.04f, 0, 0.004f},
        {"local4/biases", 7, 1, {192}, {"out"}, 0, 0.1f, 0},
        {"softmax_linear/weights", 8, 2, {192, 10}, {"in", "out"}, 1 / 192.0f, 0, 0},
        {"softmax_linear/biases", 8, 1, {10}, {"out"}, 0, 0, 0},
    };
    struct net net = tutorial_net();
    size_t place = 0;
    assert_int_equal(net.tensor_count, sizeof expected / sizeof *expected);
    for (int i = 0; i < net.tensor_count; i++) {
        const struct tensor *t = &net.tensors[i];
        size_t count = 1;
        assert_string_equal(t->name, expected[i].name);
        assert_int_equal(t->layer, expected[i].layer);
        assert_int_equal(t->role, TENSOR_TRAINED);
        assert_int_equal(t->rank, expected[i].rank);
        for (int axis = 0; axis < t->rank; axis++) {
            assert_int_equal(t->size[axis], expected[i].size[axis]);
            assert_string_equal(t->axis[axis], expected[i].axis[axis]);
            count *= (size_t)t->size[axis];
        }
        assert_int_equal(t->count, count);
        assert_int_equal(t->offset, place);
        assert_true(t->stddev == expected[i].stddev && t->value == expected[i].value && t->decay == expected[i].decay);
        assert_int_equal(net_trained_from(&net, t->layer), net.layers[t->layer].weights->offset);
        place += count;
    }
    assert_int_equal(place, 1068298);
    assert_int_equal(net_trained_from(&net, net.layer_count), place);
    assert_true(net.trained == place && net.gradients == place && net.parameters == place);
    net_free(&net);
}

/* A block with a shortcut: TRAINED tensors come first, and STATE and FROZEN ones after all of these. */
static void test_branches_and_roles(void **state)
{
    (void)state;
    static const struct layer layers[] = {
        {.name = "stem", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 1, .outputs = 4, .frozen = true, .no_bias = true},
        {.name = "a", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 2, .padding = PADDING_VALID, .outputs = 6, .no_bias = true},
        {.name = "bn", .kind = LAYER_BATCH_NORM, .epsilon = 1e-3f, .keep = 0.75f},
        {.name = "b", .kind = LAYER_CONVOLUTION, .from = "stem", .kernel = 3, .stride = 2, .padding = PADDING_VALID, .outputs = 6},
        {.name = "sum", .kind = LAYER_ADD, .add = "bn", .activation = ACTIVATION_RELU},
        {.name = "logits", .kind = LAYER_DENSE},
    };
    static const struct {
        const char *name;
        enum tensor_role role;
        size_t offset, count;
        float value;
    } expected[] = {
        {"stem/weights", TENSOR_FROZEN, 1432, 108, 0}, {"a/weights", TENSOR_TRAINED, 0, 216, 0},
        {"bn/gamma", TENSOR_TRAINED, 216, 6, 1},       {"bn/beta", TENSOR_TRAINED, 222, 6, 0},
        {"bn/mean", TENSOR_STATE, 1420, 6, 0},         {"bn/variance", TENSOR_STATE, 1426, 6, 1},
        {"b/weights", TENSOR_TRAINED, 228, 216, 0},    {"b/biases", TENSOR_TRAINED, 444, 6, 0},
        {"logits/weights", TENSOR_TRAINED, 450, 960, 0}, {"logits/biases", TENSOR_TRAINED, 1410, 10, 0},
    };
    const struct model model = {"block", "a block with a shortcut", 9, 10, layers, 6};
    struct net net;
    struct error why;
    assert_int_equal(net_init(&net, &model, 3, 10, &why), 0);
    assert_shape(net.layers[1].out, 4, 4, 6);
    assert_int_equal(net.layers[0].readers, 2);
    assert_int_equal(net.layers[3].from, 0);
    assert_true(net.layers[4].from == 3 && net.layers[4].add == 2);
    assert_int_equal(net.tensor_count, sizeof expected / sizeof *expected);
    for (int i = 0; i < net.tensor_count; i++) {
        const struct tensor *t = &net.tensors[i];
        assert_string_equal(t->name, expected[i].name);
        assert_int_equal(t->role, expected[i].role);
        assert_int_equal(t->offset, expected[i].offset);
        assert_int_equal(t->count, expected[i].count);
        assert_true(t->value == expected[i].value);
    }
    assert_true(net.trained == 1420 && net.gradients == 1432 && net.parameters == 1540);
    assert_int_equal(net_trained_from(&net, 4), 450);
    assert_null(net.layers[1].biases);
    net_free(&net);
}

static void test_operations(void **state)
{
    (void)state;
    struct net net = tutorial_net();
    double conv1 = 24 * 24 * 4800.0, all = conv1 + 12 * 12 * 102400.0 + 2304 * 384 + 384 * 192 + 192 * 10;
    assert_true(net.layers[0].multiply_adds == conv1);
    assert_true(net.layers[1].multiply_adds == 0);
    assert_true(net_forward_multiply_adds(&net) == all);
    assert_true(net_step_multiply_adds(&net) == 3 * all - conv1); /* without the images' gradient */
    net_free(&net);
}

static void test_classes_and_channels(void **state)
{
    (void)state;
    struct net net;
    struct error why;
    assert_int_equal(net_init(&net, model_find("tutorial", &why), 1, 7, &why), 0);
    assert_int_equal(net.layers[net.layer_count - 1].out.channels, 7);
    assert_int_equal(net.layers[0].weights->count, 5 * 5 * 64);
    assert_int_equal(net.parameters, 1068298 - 2 * 5 * 5 * 64 - 3 * 193);
    net_free(&net);
}

/* ---- SAME padding, as defined by tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2 ---- */

static void test_padding(void **state)
{
    (void)state;
    static const struct {
        int size, kernel, stride, out, before;
    } cases[] = {
        {24, 5, 1, 24, 2}, {24, 3, 2, 12, 0}, {12, 3, 2, 6, 0}, {7, 3, 2, 4, 1},  {5, 3, 1, 5, 1},  {8, 2, 2, 4, 0},
        {7, 2, 2, 4, 0},   {7, 2, 1, 7, 0},   {5, 4, 1, 5, 1},  {9, 2, 4, 3, 0},  {8, 1, 2, 4, 0},  {9, 4, 3, 3, 0},
        {10, 4, 3, 4, 1},  {1, 5, 1, 1, 2},   {1, 3, 2, 1, 1},  {7, 11, 1, 7, 5}, {13, 5, 2, 7, 2}, {12, 5, 2, 6, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int turned = 0; turned < 2; turned++) {
            struct layer layer = {.name = "l", .kind = turned ? LAYER_MAX_POOL : LAYER_CONVOLUTION,
                                  .kernel = cases[i].kernel, .stride = cases[i].stride, .outputs = turned ? 0 : 2};
            int height = turned ? 40 : cases[i].size, width = turned ? cases[i].size : 40;
            struct model model = {"m", "one layer", height, width, &layer, 1};
            struct net net;
            struct error why;
            assert_int_equal(net_init(&net, &model, 2, 10, &why), 0);
            const struct net_layer *l = &net.layers[0];
            assert_int_equal(turned ? l->out.width : l->out.height, cases[i].out);
            assert_int_equal(turned ? l->pad_left : l->pad_top, cases[i].before);
            assert_int_equal(l->out.channels, 2);
            net_free(&net);
        }
}

/* ---- initial parameters ---- */

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The largest distance between the empirical distribution and the truncated normal distribution. */
static double distribution_distance(const float *values, size_t count, double stddev)
{
    float *sorted = malloc(count * sizeof *sorted);
    assert_non_null(sorted);
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_floats);
    double worst = 0, inside = erf(sqrt(2)); /* within two deviations */
    for (size_t i = 0; i < count; i++) {
        double expected = 0.5 + 0.5 * erf(sorted[i] / stddev / sqrt(2)) / inside;
        worst = fmax(worst, fabs(expected - (double)i / (double)count));
        worst = fmax(worst, fabs(expected - (double)(i + 1) / (double)count));
    }
    free(sorted);
    return worst;
}

/* Mean and deviation may differ by five standard errors, and the distance may be 1.95 / sqrt(n), which chance exceeds once in 1,000
 * times (Kolmogorov). */
static void check_weights(const struct tensor *t, const float *weights)
{
    double n = (double)t->count, stddev = t->stddev, sum = 0, squares = 0, largest = 0;
    const double truncated = 0.8796256610342398 * stddev; /* deviation of a normal distribution cut at two deviations */
    for (size_t i = 0; i < t->count; i++) {
        sum += weights[i];
        squares += (double)weights[i] * weights[i];
        largest = fmax(largest, fabs(weights[i]));
    }
    double mean = sum / n, deviation = sqrt(squares / n - mean * mean);
    double distance = distribution_distance(weights, t->count, stddev);
    printf("# %s: mean %.1e, deviation %.6f of %.6f, largest %.4f, distribution %.1e\n", t->name, mean, deviation,
           truncated, largest, distance);
    assert_true(largest < 2 * stddev * (1 + 1e-6));
    assert_true(largest > 1.95 * stddev);
    assert_true(fabs(mean) < 5 * truncated / sqrt(n));
    assert_true(fabs(deviation - truncated) < 5 * truncated / sqrt(2 * n));
    assert_true(distance < 1.95 / sqrt(n));
}

static void test_weights(void **state)
{
    (void)state;
    struct net net = tutorial_net();
    float *parameters = parameters_of(&net, 1);
    for (const struct tensor *t = net.tensors; t < net.tensors + net.tensor_count; t++)
        if (t->rank > 1)
            check_weights(t, parameters + t->offset);
        else
            for (size_t b = 0; b < t->count; b++)
                assert_true(parameters[t->offset + b] == t->value);
    free(parameters);
    net_free(&net);
}

/* Initial parameters are a pure function of (seed, index): another seed changes nearly all; adding later layers changes none. */
static void test_seed(void **state)
{
    (void)state;
    struct net net = tutorial_net(), other;
    struct error why;
    float *first = parameters_of(&net, 1), *again = parameters_of(&net, 1), *second = parameters_of(&net, 2);
    assert_memory_equal(first, again, net.parameters * sizeof(float));
    const struct tensor *local3 = net.layers[6].weights;
    size_t same = 0;
    double product = 0, squares = 0;
    for (size_t i = local3->offset; i < local3->offset + local3->count; i++) {
        same += first[i] == second[i];
        product += (double)first[i] * second[i];
        squares += (double)first[i] * first[i];
    }
    assert_true(same < 100);
    assert_true(fabs(product) < 5 * squares / sqrt((double)local3->count));

    assert_int_equal(net_init(&other, net.model, 3, 100, &why), 0);
    float *more = parameters_of(&other, 1);
    assert_memory_equal(first, more, net.layers[8].biases->offset * sizeof(float));
    free(first), free(again), free(second), free(more);
    net_free(&net);
    net_free(&other);
}

/* ---- refusals ---- */

static void refused(const struct model *model, int channels, int classes, const char *words)
{
    struct net net;
    struct error why = {"(nothing)"};
    assert_int_equal(net_init(&net, model, channels, classes, &why), -1);
    if (!strstr(why.text, words))
        fail_msg("'%s' is not in the sentence '%s'", words, why.text);
    assert_null(strchr(why.text, '\n'));
}

static void refused_layer(struct layer layer, const char *words)
{
    layer.name = "odd";
    const struct model model = {"m", "one layer", 8, 8, &layer, 1};
    refused(&model, 3, 10, words);
    assert_non_null(strstr(words, "odd"));
}

static void test_refused_layers(void **state)
{
    (void)state;
    const int kinds[] = {LAYER_CONVOLUTION, LAYER_MAX_POOL}, wrong[] = {0, -1, 8193, 2147483647};
    char words[64];
    for (int k = 0; k < 2; k++)
        for (int w = 0; w < 4; w++) {
            snprintf(words, sizeof words, "layer odd: kernel %d and stride 1 are not between 1 and 8192", wrong[w]);
            refused_layer((struct layer){.kind = kinds[k], .kernel = wrong[w], .stride = 1, .outputs = 4}, words);
            snprintf(words, sizeof words, "layer odd: kernel 3 and stride %d are not between 1 and 8192", wrong[w]);
            refused_layer((struct layer){.kind = kinds[k], .kernel = 3, .stride = wrong[w], .outputs = 4}, words);
        }
    refused_layer((struct layer){.kind = LAYER_DENSE, .outputs = -1}, "layer odd: -1 outputs");
    refused_layer((struct layer){.kind = LAYER_CONVOLUTION, .kernel = 1, .stride = 1, .outputs = 65537},
                  "layer odd: 65537 outputs are not between 1 and 65536");
    refused_layer((struct layer){.kind = LAYER_LRN, .radius = -1}, "layer odd: radius -1 is not between");
    refused_layer((struct layer){.kind = LAYER_MAX_POOL, .kernel = 9, .stride = 1, .padding = PADDING_VALID},
                  "layer odd: a kernel of 9 does not fit into 8x8 without padding");
    refused_layer((struct layer){.kind = LAYER_BATCH_NORM, .epsilon = 1, .keep = 1},
                  "layer odd: epsilon 1 must be above 0, keep 1");
    refused_layer((struct layer){.kind = LAYER_DENSE, .from = "b"}, "layer odd: there is no layer b before it");
    refused_layer((struct layer){.kind = LAYER_ADD}, "layer odd: a layer to add");
    refused_layer((struct layer){.kind = LAYER_DENSE, .add = "b"}, "layer odd: a layer to add");
    refused_layer((struct layer){.kind = LAYER_KINDS}, "layer odd: kind 6 is unknown");
}

static void test_refused_branches(void **state)
{
    (void)state;
    struct layer layers[] = {{.name = "a", .kind = LAYER_CONVOLUTION, .kernel = 1, .stride = 1, .outputs = 2},
                             {.name = "b", .kind = LAYER_CONVOLUTION, .kernel = 1, .stride = 1, .outputs = 3},
                             {.name = "c", .kind = LAYER_ADD, .add = "a"}};
    const struct model model = {"m", "three layers", 8, 8, layers, 3};
    refused(&model, 3, 10, "layer c: 8x8x3 and 8x8x2 cannot be added");
    layers[2] = (struct layer){.name = "c", .kind = LAYER_MAX_POOL, .kernel = 1, .stride = 1, .from = "a"};
    refused(&model, 3, 10, "layer b: no layer reads its output");
}

/* A net may have any number of layers. */
static void test_thousand_layers(void **state)
{
    (void)state;
    enum { LAYERS = 1000, FIRST = 3 * 2 + 2, EACH = 2 * 2 + 2 }; /* parameters of the first layer, and of each other */
    static struct layer layers[LAYERS];
    for (int i = 0; i < LAYERS; i++)
        layers[i] = (struct layer){.name = "l", .kind = LAYER_CONVOLUTION, .kernel = 1, .stride = 1, .outputs = 2};
    const struct model model = {"deep", "many layers", 8, 8, layers, LAYERS};
    struct net net;
    struct error why;
    assert_int_equal(net_init(&net, &model, 3, 10, &why), 0);
    assert_int_equal(net.layer_count, LAYERS);
    assert_int_equal(net.tensor_count, 2 * LAYERS);
    assert_int_equal(net.parameters, FIRST + (LAYERS - 1) * EACH);
    for (int i = 1; i < LAYERS; i++) {
        assert_int_equal(net.layers[i].from, i - 1);
        assert_int_equal(net.layers[i].weights->offset, FIRST + (i - 1) * EACH);
    }
    net_free(&net);
}

static void test_refused_models(void **state)
{
    (void)state;
    struct layer layers[] = {{.name = "l", .kind = LAYER_MAX_POOL, .kernel = 1, .stride = 1}};
    struct model model = {"odd", "one layer", 8, 8, layers, 0};
    refused(&model, 3, 10, "model odd: 0 layers: there must be at least 1");
    model.layer_count = -1;
    refused(&model, 3, 10, "model odd: -1 layers");
    model.layer_count = 1;
    refused(&model, 0, 10, "model odd: images of 8x8x0");
    refused(&model, 65537, 10, "model odd: images of 8x8x65537");
    model.height = 0;
    refused(&model, 3, 10, "model odd: images of 0x8x3");
    model.height = 8193;
    refused(&model, 3, 10, "model odd: images of 8193x8x3");
    model.height = 8;
    layers[0] = (struct layer){.name = "logits", .kind = LAYER_DENSE};
    refused(&model, 3, 0, "layer logits: 0 outputs");
}

/* The number of parameters overflows: 512 layers of 2^58 weights. */
static void test_too_many_parameters(void **state)
{
    (void)state;
    enum { LAYERS = 512 };
    static struct layer layers[LAYERS];
    for (int i = 0; i < LAYERS; i++)
        layers[i] = (struct layer){.name = "l", .kind = LAYER_CONVOLUTION, .kernel = 8192, .stride = 1,
                                   .outputs = 65536};
    struct model model = {"huge", "for no machine", 8192, 8192, layers, LAYERS};
    refused(&model, 65536, 10, "model huge: 288230376151777280 parameters up to layer l do not fit one message");
}

static void test_unknown_model(void **state)
{
    (void)state;
    struct error why = {""};
    assert_null(model_find("resnet", &why));
    assert_string_equal(why.text, "--model resnet: there is no such model (there is: tutorial)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_branches_and_roles),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_classes_and_channels),
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_refused_layers),
        cmocka_unit_test(test_refused_branches),
        cmocka_unit_test(test_thousand_layers),
        cmocka_unit_test(test_refused_models),
        cmocka_unit_test(test_too_many_parameters),
        cmocka_unit_test(test_unknown_model),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
