/* Every operation on every backend, against what TensorFlow's own operations give. */
#include "every_backend.h"

/* The operations of operations.h5: shapes stand there. */
static const struct layer operations[] = {
    {.name = "conv5x5_relu", .kind = LAYER_CONVOLUTION, .kernel = 5, .stride = 1, .relu = true},
    {.name = "conv5x5_relu_wide", .kind = LAYER_CONVOLUTION, .kernel = 5, .stride = 1, .relu = true},
    {.name = "conv5x5_rgb", .kind = LAYER_CONVOLUTION, .kernel = 5, .stride = 1, .relu = true},
    {.name = "conv3x3_relu", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 1, .relu = true},
    {.name = "conv3x3_linear", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 1},
    {.name = "conv1x1", .kind = LAYER_CONVOLUTION, .kernel = 1, .stride = 1},
    {.name = "conv5x5_stride2", .kind = LAYER_CONVOLUTION, .kernel = 5, .stride = 2, .relu = true},
    {.name = "conv3x3_stride2", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 2},
    {.name = "max_pool_3x3_stride2", .kind = LAYER_MAX_POOL, .kernel = 3, .stride = 2},
    {.name = "max_pool_3x3_stride2_odd", .kind = LAYER_MAX_POOL, .kernel = 3, .stride = 2},
    {.name = "max_pool_2x2_stride2", .kind = LAYER_MAX_POOL, .kernel = 2, .stride = 2},
    {.name = "max_pool_3x3_stride1", .kind = LAYER_MAX_POOL, .kernel = 3, .stride = 1},
    {.name = "max_pool_negative", .kind = LAYER_MAX_POOL, .kernel = 3, .stride = 2},
    {.name = "max_pool_ties", .kind = LAYER_MAX_POOL, .kernel = 3, .stride = 2},
    {.name = "norm_tutorial", .kind = LAYER_NORM, .radius = 4, .k = 1, .alpha = 0.001f / 9, .beta = 0.75f},
    {.name = "norm_large_input", .kind = LAYER_NORM, .radius = 4, .k = 1, .alpha = 0.001f / 9, .beta = 0.75f},
    {.name = "norm_few_channels", .kind = LAYER_NORM, .radius = 4, .k = 1, .alpha = 0.001f / 9, .beta = 0.75f},
    {.name = "norm_other", .kind = LAYER_NORM, .radius = 2, .k = 2, .alpha = 0.1f, .beta = 0.5f},
    {.name = "dense", .kind = LAYER_DENSE},
    {.name = "dense_relu", .kind = LAYER_DENSE, .relu = true},
    {.name = "dense_relu_wide", .kind = LAYER_DENSE, .relu = true},
};
enum { OPERATIONS = sizeof operations / sizeof *operations, BATCH = 8 };

/* ---- an operation ---- */

/* A plan of one layer, its tensors in the backend's memory, and the file they are compared with. */
struct bench {
    const struct experiment *experiment;
    struct h5 *h5;
    struct layer layer;
    struct model model;
    struct net net;
    struct plan plan;
    float *parameters, *gradients; /* in the backend's memory */
};

static void upload(const struct bench *b, float *to, const float *from, size_t count)
{
    struct error why;
    succeed(b->experiment->backend->memory_upload(to, from, count, &why), &why);
}

/* Two inputs are made of what is drawn: no padding may win, and many ties. */
static void change_input(const char *name, float *input, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(name, "max_pool_negative"))
            input[i] = -fabsf(input[i]) - 1;
        else if (!strcmp(name, "max_pool_ties"))
            input[i] = floorf(2 * input[i]);
}

static void lay_bench(struct bench *b, const struct experiment *e, bool training)
{
    struct error why;
    struct h5_shape in, out;
    size_t count;
    *b = (struct bench){.experiment = e, .h5 = reference_open("operations.h5"), .layer = *e->operation};
    free(reference_drawn(b->h5, e->name, "input", &in, &count));
    free(reference_drawn(b->h5, e->name, "output_gradient", &out, &count));
    b->layer.outputs = (int)out.size[out.rank - 1];
    b->model = (struct model){.name = e->name, .height = (int)in.size[1], .width = (int)in.size[2],
                              .layers = &b->layer, .layer_count = 1};
    succeed(net_init(&b->net, &b->model, (int)in.size[3], b->layer.outputs, &why), &why);
    struct plan_request request = {
        .net = &b->net, .batch = (int)in.size[0], .training = training, .input_gradient = training};
    succeed(e->backend->plan(&b->plan, &request, &why), &why);
    b->parameters = take_memory(e->backend, b->net.parameters);
    b->gradients = take_memory(e->backend, b->net.parameters);
}

static void clear_bench(struct bench *b)
{
    const struct backend *backend = b->experiment->backend;
    backend->plan_free(&b->plan);
    backend->memory_free(b->parameters);
    backend->memory_free(b->gradients);
    reference_close(b->h5);
}

static void put_drawn(const struct bench *b, const char *tensor, float *to, size_t expected_count)
{
    size_t count;
    float *values = reference_drawn(b->h5, b->experiment->name, tensor, NULL, &count);
    assert_int_equal(count, expected_count);
    if (!strcmp(tensor, "input"))
        change_input(b->experiment->name, values, count);
    upload(b, to, values, count);
    free(values);
}

static void put_parameters(struct bench *b)
{
    const struct net_layer *l = &b->net.layers[0];
    struct error why;
    if (l->weight_count)
        put_drawn(b, "weights", b->parameters + l->weights, l->weight_count);
    if (l->bias_count)
        put_drawn(b, "biases", b->parameters + l->biases, l->bias_count);
    for (int i = 0; i < b->plan.stage_count; i++)
        if (b->plan.stages[i].prepare)
            succeed(b->plan.stages[i].prepare(&b->plan.stages[i], b->parameters, &why), &why);
}

static void run_forward(struct bench *b)
{
    struct error why;
    put_drawn(b, "input", b->plan.input, (size_t)b->plan.batch * shape_size(b->net.input));
    for (int i = 0; i < b->plan.stage_count; i++)
        succeed(b->plan.stages[i].forward(&b->plan.stages[i], &why), &why);
}

/* What was in the gradient buffer before must not matter. */
static void run_backward(struct bench *b)
{
    struct error why;
    float *garbage = malloc(b->net.parameters * sizeof *garbage + 1);
    assert_non_null(garbage);
    for (size_t i = 0; i < b->net.parameters; i++)
        garbage[i] = NAN;
    upload(b, b->gradients, garbage, b->net.parameters);
    free(garbage);
    put_drawn(b, "output_gradient", b->plan.output_gradient, (size_t)b->plan.batch * shape_size(b->net.layers[0].out));
    for (int i = b->plan.stage_count - 1; i >= 0; i--)
        succeed(b->plan.stages[i].backward(&b->plan.stages[i], b->gradients, &why), &why);
}

static void check_tensor(const struct bench *b, const char *tensor, const float *memory)
{
    const struct experiment *e = b->experiment;
    struct error why;
    size_t count;
    float *expected = reference_read(b->h5, H5_FLOAT, NULL, &count, "/%s/%s", e->name, tensor);
    float *found = malloc(count * sizeof *found);
    assert_non_null(found);
    succeed(e->backend->memory_download(found, memory, count, &why), &why);
    check_near(e, tensor, found, expected, count);
    free(found);
    free(expected);
}

/* Forward and backward, twice: the second pass must not see the first. */
static void test_operation(void **state)
{
    struct bench b;
    lay_bench(&b, *state, true);
    put_parameters(&b);
    const struct net_layer *l = &b.net.layers[0];
    for (int pass = 0; pass < 2; pass++) {
        run_forward(&b);
        check_tensor(&b, "output", b.plan.output);
        run_backward(&b);
        check_tensor(&b, "input_gradient", b.plan.input_gradient);
        if (l->weight_count)
            check_tensor(&b, "weights_gradient", b.gradients + l->weights);
        if (l->bias_count)
            check_tensor(&b, "biases_gradient", b.gradients + l->biases);
    }
    clear_bench(&b);

    lay_bench(&b, *state, false); /* a plan for evaluation may be another one */
    put_parameters(&b);
    run_forward(&b);
    check_tensor(&b, "output", b.plan.output);
    clear_bench(&b);
}

/* ---- the loss ---- */

static void check_loss(struct bench *b, const int32_t *labels, int count)
{
    const struct experiment *e = b->experiment;
    struct error why;
    struct loss_sums sums;
    size_t length;
    char name[32];
    float *loss = reference_read(b->h5, H5_FLOAT, NULL, &length, "/%s/loss_%d", e->name, count);
    int64_t *correct = reference_read(b->h5, H5_INT64, NULL, &length, "/%s/correct_%d", e->name, count);
    succeed(e->backend->loss(&b->plan, labels, count, &sums, &why), &why);
    check_number(e, "loss", sums.loss, *loss, *loss);
    assert_int_equal(sums.correct, *correct);
    assert_int_equal(sums.count, count);
    snprintf(name, sizeof name, "logits_gradient_%d", count);
    check_tensor(b, name, b->plan.output_gradient);
    free(loss);
    free(correct);
}

static void test_loss(void **state)
{
    const struct experiment *e = *state;
    static const struct layer layer = {.name = "logits", .kind = LAYER_DENSE};
    struct model model = {.name = "logits", .height = 1, .width = 1, .layers = &layer, .layer_count = 1};
    struct bench b = {.experiment = e, .h5 = reference_open("operations.h5")};
    struct error why;
    int32_t labels[BATCH];
    size_t count;
    succeed(net_init(&b.net, &model, 10, 10, &why), &why);
    struct plan_request request = {.net = &b.net, .batch = BATCH, .training = true};
    succeed(e->backend->plan(&b.plan, &request, &why), &why);
    put_drawn(&b, "logits", b.plan.output, BATCH * 10);
    int64_t *stored = reference_read(b.h5, H5_INT64, NULL, &count, "/%s/labels", e->name);
    assert_int_equal(count, BATCH);
    for (int i = 0; i < BATCH; i++)
        labels[i] = (int32_t)stored[i];
    free(stored);
    check_loss(&b, labels, BATCH);
    check_loss(&b, labels, 5);
    e->backend->plan_free(&b.plan);
    reference_close(b.h5);
}

static void add_tests(struct suite *suite, const struct backend *backend)
{
    for (int i = 0; i < OPERATIONS; i++)
        suite_add(suite, backend, &operations[i], operations[i].name, test_operation);
    suite_add(suite, backend, NULL, "softmax_cross_entropy", test_loss);
    suite_add(suite, backend, NULL, "softmax_cross_entropy_large", test_loss);
}

int main(void)
{
    return suite_run("test_reference", add_tests);
}
