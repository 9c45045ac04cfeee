/* Layers against their definition in double, or against values computed by hand. */
#include "fixture.h"

#include "tower.h"

static double *doubles_new(size_t count)
{
    double *doubles = calloc(count, sizeof *doubles);
    assert_non_null(doubles);
    return doubles;
}

/* ---- local response normalisation: tf.nn.lrn's formula, in double ---- */

static double norm_scale(const struct layer *layer, const float *x, int channels, int c)
{
    double sum = 0;
    for (int j = c - layer->radius; j <= c + layer->radius; j++)
        if (j >= 0 && j < channels)
            sum += (double)x[j] * x[j];
    return layer->k + layer->alpha * sum;
}

static void test_norm(void **state)
{
    const struct subject *subject = *state;
    const struct layer *layer = subject->data;
    struct rig rig;
    uint64_t random = 11;
    rig_open(&rig, subject, layer, (struct shape){5, 7, 64}, 3);
    fill_random(rig.input, rig.input_count, &random);
    for (size_t i = 0; i < rig.input_count; i++)
        rig.input[i] *= 30; /* large enough for alpha = 0.001 / 9 to matter */
    fill_random(rig.output_gradient, rig.output_count, &random);
    double *y = doubles_new(rig.output_count), *dx = doubles_new(rig.input_count);
    for (size_t pixel = 0; pixel < rig.input_count; pixel += 64)
        for (int c = 0; c < 64; c++) {
            const float *x = rig.input + pixel, *dy = rig.output_gradient + pixel;
            double scale = norm_scale(layer, x, 64, c), power = pow(scale, -layer->beta);
            y[pixel + c] = x[c] * power;
            dx[pixel + c] += dy[c] * power;
            for (int j = c - layer->radius; j <= c + layer->radius; j++)
                if (j >= 0 && j < 64)
                    dx[pixel + j] -= dy[c] * x[c] * 2.0 * layer->alpha * layer->beta * x[j] * power / scale;
        }
    rig_forward(&rig);
    rig_backward(&rig);
    assert_close("output", rig.output, y, rig.output_count, 5e-6);
    assert_close("gradient of input", rig.input_gradient, dx, rig.input_count, 5e-6);
    free(y), free(dx);
    rig_close(&rig);
}

/* Sets all values to x. The result follows the formula while the sum of squares fits a float, and stays finite beyond. */
static void check_large_norm(struct rig *rig, float x)
{
    const struct layer *layer = &rig->net.layers[0].layer;
    const double scale = layer->k + layer->alpha * (2.0 * layer->radius + 1) * x * x;
    for (size_t i = 0; i < rig->input_count; i++)
        rig->input[i] = x;
    rig_forward(rig);
    rig_backward(rig);
    for (size_t i = 0; i < rig->input_count; i++)
        if (!isfinite(rig->output[i]) || !isfinite(rig->input_gradient[i]))
            fail_msg("of %g: output %g, gradient %g", x, rig->output[i], rig->input_gradient[i]);
    if (x < 6e18f)
        assert_close("output", rig->output + 4, (double[]){x * pow(scale, -layer->beta)}, 1, 1e-5);
}

static void test_large_norm(void **state)
{
    static const float values[] = {1e6f, 1e12f, 1e15f, 5e18f, 6.5e18f, 1e19f, 1e25f, 3e38f};
    const struct subject *subject = *state;
    struct rig rig;
    uint64_t random = 5;
    rig_open(&rig, subject, subject->data, (struct shape){1, 3, 16}, 1);
    fill_random(rig.output_gradient, rig.output_count, &random);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        check_large_norm(&rig, values[i]);
    rig_close(&rig);
}

/* NaN and infinity must reach the loss. */
static void test_norm_of_nan(void **state)
{
    static const float values[] = {NAN, INFINITY, -INFINITY};
    const struct subject *subject = *state;
    struct rig rig;
    rig_open(&rig, subject, subject->data, (struct shape){1, 3, 16}, 1);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        rig.input[20] = values[i];
        rig_forward(&rig);
        assert_false(isfinite(rig.output[20]));
    }
    rig_close(&rig);
}

/* ---- SAME padding and ties, by hand ---- */

/* A 4x4 image of 1..16. A 3x3 window with stride 2 reaches one pixel beyond the end and none before the beginning. */
static void open_window(struct rig *rig, const struct subject *subject, enum layer_kind kind)
{
    struct layer layer = {.name = "window", .kind = kind, .kernel = 3, .stride = 2,
                          .outputs = kind == LAYER_CONVOLUTION ? 1 : 0};
    rig_open(rig, subject, &layer, (struct shape){4, 4, 1}, 1);
    for (int i = 0; i < 16; i++)
        rig->input[i] = (float)(i + 1);
}

static void test_padding(void **state)
{
    const struct subject *subject = *state;
    struct rig rig;
    open_window(&rig, subject, LAYER_CONVOLUTION);
    for (int i = 0; i < 9; i++)
        rig.parameters[i] = 1;
    rig_forward(&rig);
    assert_close("sums", rig.output, (double[]){54, 45, 72, 54}, 4, 0);
    rig_close(&rig);

    open_window(&rig, subject, LAYER_MAX_POOL);
    rig_forward(&rig);
    assert_close("maxima", rig.output, (double[]){11, 12, 15, 16}, 4, 0);
    for (int i = 0; i < 16; i++)
        rig.input[i] -= 20; /* padding is not 0: it never wins */
    rig_forward(&rig);
    assert_close("negative maxima", rig.output, (double[]){-9, -8, -5, -4}, 4, 0);
    rig_close(&rig);
}

static void test_ties(void **state)
{
    const struct subject *subject = *state;
    struct rig rig;
    open_window(&rig, subject, LAYER_MAX_POOL);
    float tied[16] = {0, 5, 5, 0,
                      5, 5, 5, 5,
                      0, 5, 0, 0,
                      0, 0, 0, 0};
    memcpy(rig.input, tied, sizeof tied);
    for (int i = 0; i < 4; i++)
        rig.output_gradient[i] = (float)(1 << i);
    rig_forward(&rig);
    rig_backward(&rig);
    double expected[16] = {0, 1, 2, 0, /* the first in row order, in each window */
                           0, 0, 0, 0,
                           0, 4, 8, 0,
                           0, 0, 0, 0};
    assert_close("gradient of input", rig.input_gradient, expected, 16, 0);
    rig_close(&rig);
}

/* Two images of two pixels: their mean is 3, their variance 3.5. */
static const struct layer batch_norm = {.name = "norm", .kind = LAYER_BATCH_NORM, .epsilon = 0.5f, .keep = 0.75f};
static const struct model batch_norm_model = {"norm", "one layer", 1, 2, &batch_norm, 1};

static void open_batch_norm(struct rig *rig, const struct subject *subject, bool training)
{
    skip_unsupported(subject->backend, &batch_norm_model);
    rig_open_model(rig, subject, &batch_norm_model, 1, 10, 2, training);
    memcpy(rig->input, (float[]){1, 2, 3, 6}, 4 * sizeof(float));
    const struct net_layer *l = &rig->net.layers[0];
    rig->parameters[l->weights->offset] = 2, rig->parameters[l->biases->offset] = 1;
    rig->parameters[l->mean->offset] = 1, rig->parameters[l->variance->offset] = 3.5f;
}

/* Training uses the batch's mean and variance, and writes them times its number of images; evaluation uses the state. */
static void test_batch_norm(void **state)
{
    const struct subject *subject = *state;
    struct rig rig;
    open_batch_norm(&rig, subject, true);
    rig_forward(&rig);
    assert_close("training", rig.output, (double[]){-1, 0, 1, 4}, 4, 1e-6);
    rig_backward(&rig);
    assert_close("sums of the mean", rig.gradients + rig.net.layers[0].mean->offset, (double[]){2 * 3}, 1, 1e-6);
    assert_close("sums of the variance", rig.gradients + rig.net.layers[0].variance->offset, (double[]){2 * 3.5}, 1, 1e-6);
    rig_close(&rig);

    open_batch_norm(&rig, subject, false);
    rig_forward(&rig);
    assert_close("evaluation", rig.output, (double[]){1, 2, 3, 6}, 4, 1e-6);
    rig_close(&rig);
}

/* keep = 0.75: the state moves a quarter of the way to the batch's value. */
static void test_state_update(void **state)
{
    const struct subject *subject = *state;
    struct error why;
    struct net net;
    struct tower tower;
    skip_unsupported(subject->backend, &batch_norm_model);
    must(net_init(&net, &batch_norm_model, 1, 10, &why), &why);
    struct tower_request request = {.backend = subject->backend, .net = &net, .batch = 2, .training = true};
    must(tower_init(&tower, &request, &why), &why);
    float parameters[4], sums[4] = {0};
    double penalty;
    parameters[net.layers[0].weights->offset] = 2, parameters[net.layers[0].biases->offset] = 1;
    parameters[net.layers[0].mean->offset] = 1, parameters[net.layers[0].variance->offset] = 1.5f;
    sums[net.layers[0].weights->offset] = 10, sums[net.layers[0].mean->offset] = 6, sums[net.layers[0].variance->offset] = 7;
    must(tower_set_parameters(&tower, parameters, &why), &why);
    must(tower_update(&tower, sums, 2, &(struct step){.rate = 0.1f}, &penalty, &why), &why);
    must(tower_get_parameters(&tower, parameters, &why), &why);
    assert_close("parameters", parameters, (double[]){2 - 0.1 * 5, 1, 1 + 0.25 * (3 - 1), 1.5 + 0.25 * (3.5 - 1.5)}, 4, 1e-6);
    assert_true(penalty == 0);
    tower_free(&tower);
    net_free(&net);
}

static const struct layer norm_tutorial = {.name = "n", .kind = LAYER_LRN, .radius = 4, .k = 1, .alpha = 0.001f / 9,
                                           .beta = 0.75f};
static const struct layer norm_other = {.name = "n", .kind = LAYER_LRN, .radius = 2, .k = 2, .alpha = 0.1f,
                                         .beta = 0.5f};

static const struct backend_test tests[] = {
    {"norm of the tutorial, as defined", test_norm, &norm_tutorial, false},
    {"norm with other constants, as defined", test_norm, &norm_other, false},
    {"norm of large values, the tutorial's", test_large_norm, &norm_tutorial, false},
    {"norm of large values, other constants", test_large_norm, &norm_other, false},
    {"norm of what is not finite", test_norm_of_nan, &norm_tutorial, false},
    {"SAME padding is 0 before and 1 after", test_padding, NULL, false},
    {"a tie's gradient goes to the first maximum", test_ties, NULL, false},
    {"batch norm, as defined", test_batch_norm, NULL, false},
    {"a state is a moving average", test_state_update, NULL, false},
};

int main(int argc, char **argv)
{
    return run_on_backends(argc, argv, tests, sizeof tests / sizeof *tests);
}
