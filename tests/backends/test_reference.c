/* Every operation on every backend, against the results of TensorFlow's own operations. */
#include "agreement.h"

/* The operations in operations.h5, which also has their shapes. */
static const struct layer operations[] = {
    {.name = "conv5x5_relu", .kind = LAYER_CONVOLUTION, .kernel = 5, .stride = 1, .activation = ACTIVATION_RELU},
    {.name = "conv5x5_relu_wide", .kind = LAYER_CONVOLUTION, .kernel = 5, .stride = 1, .activation = ACTIVATION_RELU},
    {.name = "conv5x5_rgb", .kind = LAYER_CONVOLUTION, .kernel = 5, .stride = 1, .activation = ACTIVATION_RELU},
    {.name = "conv3x3_relu", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 1, .activation = ACTIVATION_RELU},
    {.name = "conv3x3_linear", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 1},
    {.name = "conv1x1", .kind = LAYER_CONVOLUTION, .kernel = 1, .stride = 1},
    {.name = "conv5x5_stride2", .kind = LAYER_CONVOLUTION, .kernel = 5, .stride = 2, .activation = ACTIVATION_RELU},
    {.name = "conv3x3_stride2", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 2},
    {.name = "max_pool_3x3_stride2", .kind = LAYER_MAX_POOL, .kernel = 3, .stride = 2},
    {.name = "max_pool_3x3_stride2_odd", .kind = LAYER_MAX_POOL, .kernel = 3, .stride = 2},
    {.name = "max_pool_2x2_stride2", .kind = LAYER_MAX_POOL, .kernel = 2, .stride = 2},
    {.name = "max_pool_3x3_stride1", .kind = LAYER_MAX_POOL, .kernel = 3, .stride = 1},
    {.name = "max_pool_negative", .kind = LAYER_MAX_POOL, .kernel = 3, .stride = 2},
    {.name = "max_pool_ties", .kind = LAYER_MAX_POOL, .kernel = 3, .stride = 2},
    {.name = "norm_tutorial", .kind = LAYER_LRN, .radius = 4, .k = 1, .alpha = 0.001f / 9, .beta = 0.75f},
    {.name = "norm_large_input", .kind = LAYER_LRN, .radius = 4, .k = 1, .alpha = 0.001f / 9, .beta = 0.75f},
    {.name = "norm_few_channels", .kind = LAYER_LRN, .radius = 4, .k = 1, .alpha = 0.001f / 9, .beta = 0.75f},
    {.name = "norm_other", .kind = LAYER_LRN, .radius = 2, .k = 2, .alpha = 0.1f, .beta = 0.5f},
    {.name = "dense", .kind = LAYER_DENSE},
    {.name = "dense_relu", .kind = LAYER_DENSE, .activation = ACTIVATION_RELU},
    {.name = "dense_relu_wide", .kind = LAYER_DENSE, .activation = ACTIVATION_RELU},
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

/* ---- an operation ---- */

/* Opens a net of that layer alone, with the file's shapes. */
static void open_operation(struct rig *rig, struct h5 *h5, const struct subject *subject, struct layer *layer,
                           bool training)
{
    struct h5_shape in, out;
    size_t count;
    free(reference_drawn(h5, layer->name, "input", &in, &count));
    free(reference_drawn(h5, layer->name, "output_gradient", &out, &count));
    layer->outputs = (int)out.size[out.rank - 1];
    struct model model = {.name = layer->name, .height = (int)in.size[1], .width = (int)in.size[2], .layers = layer,
                          .layer_count = 1};
    rig_open_model(rig, subject, &model, (int)in.size[3], layer->outputs, (int)in.size[0], training);
}

static void draw_tensor(struct h5 *h5, const char *name, const char *tensor, float *to, size_t count)
{
    size_t drawn_count;
    float *drawn = reference_drawn(h5, name, tensor, NULL, &drawn_count);
    assert_int_equal(drawn_count, count);
    memcpy(to, drawn, count * sizeof *to);
    free(drawn);
}

/* Two cases change the drawn input: one so that padding must not win, one so that there are many ties. */
static void change_input(const char *name, float *input, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(name, "max_pool_negative"))
            input[i] = -fabsf(input[i]) - 1;
        else if (!strcmp(name, "max_pool_ties"))
            input[i] = floorf(2 * input[i]);
}

static void draw_operation(struct rig *rig, struct h5 *h5, const char *name)
{
    const struct net_layer *l = &rig->net.layers[0];
    draw_tensor(h5, name, "input", rig->input, rig->input_count);
    change_input(name, rig->input, rig->input_count);
    draw_tensor(h5, name, "output_gradient", rig->output_gradient, rig->output_count);
    if (l->weights)
        draw_tensor(h5, name, "weights", rig->parameters + l->weights->offset, l->weights->count);
    if (l->biases)
        draw_tensor(h5, name, "biases", rig->parameters + l->biases->offset, l->biases->count);
}

static void check_tensor(const struct experiment *e, struct h5 *h5, const char *tensor, const float *found,
                         size_t count)
{
    size_t expected_count;
    float *expected = reference_read(h5, H5_FLOAT, NULL, &expected_count, "/%s/%s", e->name, tensor);
    assert_int_equal(expected_count, count);
    check_near(e, tensor, found, expected, count);
    free(expected);
}

/* The former contents of the gradient buffer must not matter. */
static void spoil_gradients(struct rig *rig)
{
    struct error why;
    for (size_t i = 0; i < rig->net.parameters; i++)
        rig->gradients[i] = NAN;
    must(rig->backend->memory_upload(rig->device_gradients, rig->gradients, rig->net.parameters, &why), &why);
}

static void check_training(const struct experiment *e, struct rig *rig, struct h5 *h5)
{
    const struct net_layer *l = &rig->net.layers[0];
    rig_forward(rig);
    check_tensor(e, h5, "output", rig->output, rig->output_count);
    spoil_gradients(rig);
    rig_backward(rig);
    check_tensor(e, h5, "input_gradient", rig->input_gradient, rig->input_count);
    if (l->weights)
        check_tensor(e, h5, "weights_gradient", rig->gradients + l->weights->offset, l->weights->count);
    if (l->biases)
        check_tensor(e, h5, "biases_gradient", rig->gradients + l->biases->offset, l->biases->count);
}

/* Forward and backward, twice: the second pass must not depend on the first. Then forward in a plan for evaluation, which may be
 * computed differently. */
static void test_operation(void **state)
{
    const struct subject *subject = *state;
    struct layer layer = *(const struct layer *)subject->data;
    struct experiment e = {subject->backend, layer.name};
    struct h5 *h5 = reference_open("operations.h5");
    struct rig rig;
    open_operation(&rig, h5, subject, &layer, true);
    draw_operation(&rig, h5, layer.name);
    check_training(&e, &rig, h5);
    check_training(&e, &rig, h5);
    rig_close(&rig);

    open_operation(&rig, h5, subject, &layer, false);
    draw_operation(&rig, h5, layer.name);
    rig_forward(&rig);
    check_tensor(&e, h5, "output", rig.output, rig.output_count);
    rig_close(&rig);
    reference_close(h5);
}

/* ---- the loss ---- */

/* The loss of the first `count` images alone. */
static void check_loss(const struct experiment *e, struct rig *rig, struct h5 *h5, const int32_t *labels, int count)
{
    struct error why;
    struct loss_sums sums;
    size_t length;
    char name[32];
    float *loss = reference_read(h5, H5_FLOAT, NULL, &length, "/%s/loss_%d", e->name, count);
    int64_t *correct = reference_read(h5, H5_INT64, NULL, &length, "/%s/correct_%d", e->name, count);
    must(e->backend->loss(&rig->plan, labels, count, &sums, &why), &why);
    check_number(e, "loss", sums.loss, *loss, *loss);
    assert_int_equal(sums.correct, *correct);
    assert_int_equal(sums.count, count);
    must(e->backend->memory_download(rig->output_gradient, rig->plan.output_gradient, rig->output_count, &why), &why);
    snprintf(name, sizeof name, "logits_gradient_%d", count);
    check_tensor(e, h5, name, rig->output_gradient, rig->output_count);
    free(loss);
    free(correct);
}

static void test_loss(void **state)
{
    const struct subject *subject = *state;
    struct experiment e = {subject->backend, subject->data};
    const struct layer layer = {.name = "logits", .kind = LAYER_DENSE};
    struct h5 *h5 = reference_open("operations.h5");
    struct error why;
    struct rig rig;
    int32_t labels[8];
    size_t count;
    rig_open(&rig, subject, &layer, (struct shape){1, 1, 10}, 8);
    draw_tensor(h5, e.name, "logits", rig.output, rig.output_count);
    must(e.backend->memory_upload(rig.plan.output, rig.output, rig.output_count, &why), &why);
    int64_t *stored = reference_read(h5, H5_INT64, NULL, &count, "/%s/labels", e.name);
    assert_int_equal(count, 8);
    for (int i = 0; i < 8; i++)
        labels[i] = (int32_t)stored[i];
    free(stored);
    check_loss(&e, &rig, h5, labels, 8);
    check_loss(&e, &rig, h5, labels, 5);
    rig_close(&rig);
    reference_close(h5);
}

static const char *const losses[] = {"softmax_cross_entropy", "softmax_cross_entropy_large"};
enum { LOSSES = sizeof losses / sizeof *losses };

/* ---- nothing is left out ---- */

static bool is_tested(const char *group, size_t length)
{
    for (int i = 0; i < OPERATIONS; i++)
        if (strlen(operations[i].name) == length && !memcmp(operations[i].name, group, length))
            return true;
    for (int i = 0; i < LOSSES; i++)
        if (strlen(losses[i]) == length && !memcmp(losses[i], group, length))
            return true;
    return false;
}

/* Every group of the file has a test here. */
static void test_complete(void **state)
{
    (void)state;
    struct error why;
    char (*names)[H5_NAME];
    int count;
    struct h5 *h5 = reference_open("operations.h5");
    must(h5_list(h5, &names, &count, &why), &why);
    assert_true(count > OPERATIONS);
    for (int i = 0; i < count; i++) { /* "/group/set" */
        size_t length = strcspn(names[i] + 1, "/");
        if (!is_tested(names[i] + 1, length))
            fail_msg("no test reads %s of operations.h5", names[i]);
    }
    free(names);
    reference_close(h5);
}

int main(int argc, char **argv)
{
    struct backend_test tests[OPERATIONS + LOSSES + 1];
    for (int i = 0; i < OPERATIONS; i++)
        tests[i] = (struct backend_test){operations[i].name, test_operation, &operations[i],
                                         operations[i].kind == LAYER_CONVOLUTION};
    for (int i = 0; i < LOSSES; i++)
        tests[OPERATIONS + i] = (struct backend_test){losses[i], test_loss, losses[i], false};
    tests[OPERATIONS + LOSSES] = (struct backend_test){"every operation of the file has a test", test_complete,
                                                             NULL, false};
    return run_on_backends(argc, argv, tests, OPERATIONS + LOSSES + 1);
}
