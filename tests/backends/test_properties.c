/* Losses and steps against plain double arithmetic, and properties that every backend must have. */
#include "fixture.h"
#include "optimize.h"

/* ---- loss ---- */

static void test_loss(void **state)
{
    const struct subject *subject = *state;
    const struct backend *b = subject->backend;
    struct layer layer = {.name = "logits", .kind = LAYER_DENSE};
    struct model model = {"test", "three classes", 1, 1, &layer, 1};
    struct rig rig;
    struct loss_sums sums;
    struct error why;
    rig_open_model(&rig, subject, &model, 1, 3, 6, true);
    const float logits[18] = {logf(1), logf(2), logf(5), 1000, 0, -1000, 2, 2, 2, 2, 2, 2, 9, 8, 7, NAN, NAN, NAN};
    must(b->memory_upload(rig.plan.output, logits, 18, &why), &why);
    must(b->memory_upload(rig.plan.output_gradient, logits, 18, &why), &why); /* left by an earlier step */
    must(b->loss(&rig.plan, (int32_t[]){2, 1, 0, 1}, 4, &sums, &why), &why);
    assert_float_equal(sums.loss, log(8 / 5.0) + 1000 + 2 * log(3), 1e-4);
    assert_int_equal(sums.count, 4);
    assert_int_equal(sums.correct, 2); /* of equal logits, the first counts */
    must(b->memory_download(rig.output_gradient, rig.plan.output_gradient, 18, &why), &why);
    const double t = 1 / 3.0;
    assert_close("gradient", rig.output_gradient,
                 (double[]){1 / 8.0, 2 / 8.0, 5 / 8.0 - 1, 1, -1, 0, t - 1, t, t, t, t - 1, t, 0, 0, 0, 0, 0, 0}, 18,
                 1e-6);

    must(b->loss(&rig.plan, (int32_t[]){2, 1, 0, 1, 0, 0}, 6, &sums, &why), &why);
    assert_true(isnan(sums.loss));
    assert_int_equal(sums.correct, 3);
    must(b->loss(&rig.plan, NULL, 0, &sums, &why), &why);
    assert_true(sums.loss == 0 && sums.count == 0 && sums.correct == 0);
    for (int wrong = -1; wrong <= 3; wrong += 4) {
        assert_int_equal(b->loss(&rig.plan, (int32_t[]){0, wrong}, 2, &sums, &why), -1);
        assert_non_null(strstr(why.text, "label"));
    }
    assert_int_equal(b->loss(&rig.plan, (int32_t[7]){0}, 7, &sums, &why), -1);
    rig_close(&rig);
}

/* ---- the tutorial's net, a whole step ---- */

enum { STEP_BATCH = 8 };

static const int32_t step_labels[STEP_BATCH] = {3, 8, 0, 6, 1, 9, 2, 7};

static void open_tutorial(struct rig *rig, const struct subject *subject, int batch, bool training)
{
    struct error why;
    const struct model *model = model_find("tutorial", &why);
    assert_non_null(model);
    rig_open_model(rig, subject, model, 3, 10, batch, training);
    net_parameters(&rig->net, 1, rig->parameters);
    uint64_t random = 5;
    fill_random(rig->input, rig->input_count, &random);
    for (size_t i = 0; i < rig->input_count; i++)
        rig->input[i] *= 2;
}

static void test_agreement(void **state)
{
    const struct subject *subject = *state;
    struct error why;
    const struct subject reference = {.backend = backend_find("openblas", &why)};
    if (!reference.backend || reference.backend == subject->backend) {
        print_message("there is no other backend to agree with\n");
        skip();
    }
    struct rig mine, theirs;
    open_tutorial(&mine, subject, STEP_BATCH, true);
    open_tutorial(&theirs, &reference, STEP_BATCH, true);
    struct loss_sums got = rig_step(&mine, step_labels, STEP_BATCH);
    struct loss_sums want = rig_step(&theirs, step_labels, STEP_BATCH);
    assert_float_equal(got.loss, want.loss, 1e-5 * want.loss);
    assert_int_equal(got.correct, want.correct);
    assert_close_floats("logits", mine.output, theirs.output, mine.output_count, 1e-4);
    assert_close_floats("gradient of input", mine.input_gradient, theirs.input_gradient, mine.input_count, 1e-4);
    for (const struct tensor *t = mine.net.tensors; t < mine.net.tensors + mine.net.tensor_count; t++)
        assert_close_floats(t->name, mine.gradients + t->offset, theirs.gradients + t->offset, t->count, 1e-4);
    rig_close(&mine);
    rig_close(&theirs);
}

static void fill_quarters(float *values, size_t count, uint64_t random)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (float)((int)random_below(&random, 5) - 2) / 4;
}

static void run_dense(struct rig *rig, const struct backend *backend)
{
    static const struct layer layers[] = {
        {.name = "a", .kind = LAYER_DENSE, .outputs = 17, .activation = ACTIVATION_RELU},
        {.name = "b", .kind = LAYER_DENSE, .outputs = 20},
        {.name = "c", .kind = LAYER_DENSE, .outputs = 23, .activation = ACTIVATION_RELU},
        {.name = "d", .kind = LAYER_DENSE, .outputs = 21, .activation = ACTIVATION_RELU}, {.name = "e", .kind = LAYER_DENSE},
    };
    static const struct model model = {"test", "dense layers", 1, 5, layers, 5};
    struct plan_request request = {.batch = 5, .training = true, .input_gradient = true, .deterministic = true};
    rig_open_plan(rig, backend, &model, 7, 10, request);
    fill_quarters(rig->input, rig->input_count, 1);
    fill_quarters(rig->parameters, rig->net.parameters, 2);
    fill_quarters(rig->output_gradient, rig->output_count, 3);
    for (int pass = 0; pass < 2; pass++) { /* the second pass must not depend on the first */
        rig_forward(rig);
        rig_backward(rig);
    }
}

/* A chain of dense layers of odd sizes. All values are multiples of 1/4, and few enough that no sum is rounded. */
static void test_dense_layers(void **state)
{
    const struct subject *subject = *state;
    struct rig got, want;
    struct error why;
    run_dense(&got, subject->backend);
    run_dense(&want, backend_find("openblas", &why) ? backend_find("openblas", &why) : subject->backend);
    assert_close_floats("output", got.output, want.output, want.output_count, 0);
    assert_close_floats("gradients", got.gradients, want.gradients, want.net.parameters, 0);
    assert_close_floats("input gradient", got.input_gradient, want.input_gradient, want.input_count, 0);
    rig_close(&got);
    rig_close(&want);
}

/* A step made twice on one plan and once on another has the same bits. */
static void test_determinism(void **state)
{
    const struct subject *subject = *state;
    struct rig first, second;
    open_tutorial(&first, subject, STEP_BATCH, true);
    open_tutorial(&second, subject, STEP_BATCH, true);
    double loss = rig_step(&first, step_labels, STEP_BATCH).loss;
    for (int run = 0; run < 2; run++) {
        assert_true(rig_step(&second, step_labels, STEP_BATCH).loss == loss);
        assert_memory_equal(first.output, second.output, first.output_count * sizeof(float));
        assert_memory_equal(first.gradients, second.gradients, first.net.parameters * sizeof(float));
        assert_memory_equal(first.input_gradient, second.input_gradient, first.input_count * sizeof(float));
    }
    rig_close(&first);
    rig_close(&second);
}

static void test_threads(void **state)
{
    const struct subject *subject = *state;
    struct rig one, two;
    struct error why;
    open_tutorial(&one, subject, STEP_BATCH, true);
    double loss = rig_step(&one, step_labels, STEP_BATCH).loss;
    must(subject->backend->set_threads(2, &why), &why);
    open_tutorial(&two, subject, STEP_BATCH, true);
    assert_float_equal(rig_step(&two, step_labels, STEP_BATCH).loss, loss, 1e-5 * loss);
    must(subject->backend->set_threads(1, &why), &why);
    assert_close_floats("gradients", two.gradients, one.gradients, one.net.parameters, 1e-4);
    rig_close(&one);
    rig_close(&two);
}

/* A batch of 8 images, of which 3 count, has the same sums as a batch of 3. */
static void test_padding_images(void **state)
{
    const struct subject *subject = *state;
    struct rig padded, exact;
    open_tutorial(&padded, subject, STEP_BATCH, true);
    open_tutorial(&exact, subject, 3, true);
    struct loss_sums got = rig_step(&padded, step_labels, 3), want = rig_step(&exact, step_labels, 3);
    assert_int_equal(got.count, 3);
    assert_int_equal(got.correct, want.correct);
    assert_float_equal(got.loss, want.loss, 1e-5 * want.loss);
    assert_close_floats("gradients", padded.gradients, exact.gradients, exact.net.parameters, 1e-4);
    for (size_t i = exact.input_count; i < padded.input_count; i++)
        assert_true(padded.input_gradient[i] == 0);
    rig_close(&padded);
    rig_close(&exact);
}

static void test_evaluation(void **state)
{
    const struct subject *subject = *state;
    struct rig training, evaluation;
    struct error why;
    open_tutorial(&training, subject, STEP_BATCH, true);
    open_tutorial(&evaluation, subject, STEP_BATCH, false);
    assert_null(evaluation.plan.output_gradient);
    assert_null(evaluation.plan.input_gradient);
    for (int i = 0; i < evaluation.plan.stage_count; i++)
        assert_null(evaluation.plan.stages[i].backward);
    rig_forward(&training);
    rig_forward(&evaluation);
    assert_close_floats("logits", evaluation.output, training.output, training.output_count, 1e-5);
    struct loss_sums got, want;
    must(subject->backend->loss(&evaluation.plan, step_labels, STEP_BATCH, &got, &why), &why);
    must(subject->backend->loss(&training.plan, step_labels, STEP_BATCH, &want, &why), &why);
    assert_float_equal(got.loss, want.loss, 1e-5 * want.loss);
    rig_close(&training);
    rig_close(&evaluation);
}

/* The stages cover the layers in order, without gap or overlap. */
static void test_stages(void **state)
{
    const struct subject *subject = *state;
    struct rig rig;
    open_tutorial(&rig, subject, 1, true);
    int layer = 0;
    for (int i = 0; i < rig.plan.stage_count; i++) {
        const struct stage *stage = &rig.plan.stages[i];
        assert_int_equal(stage->first, layer);
        assert_true(stage->last >= stage->first && stage->name[0]);
        layer = stage->last + 1;
    }
    assert_int_equal(layer, rig.net.layer_count);
    rig_close(&rig);
}

/* What a stage declares complete no longer changes, and at the end all of the gradient is complete. */
static void test_what_is_complete(void **state)
{
    const struct subject *subject = *state;
    const struct backend *b = subject->backend;
    struct rig rig;
    struct error why;
    open_tutorial(&rig, subject, STEP_BATCH, true);
    rig_step(&rig, step_labels, STEP_BATCH);
    size_t end = rig.net.parameters;
    float *early = floats_new(end);
    for (size_t i = 0; i < end; i++)
        early[i] = NAN;
    must(b->memory_upload(rig.device_gradients, early, end, &why), &why);
    for (int i = rig.plan.stage_count - 1; i >= 0; i--) {
        struct stage *stage = &rig.plan.stages[i];
        must(stage->backward(stage, rig.device_gradients, &why), &why);
        assert_true(stage->complete <= end);
        must(b->memory_download(early + stage->complete, rig.device_gradients + stage->complete, end - stage->complete, &why),
             &why);
        end = stage->complete;
    }
    assert_int_equal(end, 0);
    assert_memory_equal(early, rig.gradients, rig.net.parameters * sizeof *early);
    free(early);
    rig_close(&rig);
}

/* ---- the update, against double arithmetic ---- */

enum { VALUES = 1003 };

static void test_update(void **state)
{
    const struct subject *subject = *state;
    const struct backend *b = subject->backend;
    struct rig rig; /* any net will do */
    struct error why;
    uint64_t random = 3;
    float p[VALUES], g[VALUES], s[VALUES];
    double stepped[VALUES], shadowed[VALUES], squares = 0, penalty;
    fill_random(p, VALUES, &random), fill_random(g, VALUES, &random), fill_random(s, VALUES, &random);
    const double rate = 0.1f, scale = 1 / 128.0f, decay = 0.004f, ema = 0.9f;
    for (int i = 0; i < VALUES; i++) {
        squares += (double)p[i] * p[i];
        stepped[i] = p[i] - rate * (scale * g[i] + decay * p[i]);
        shadowed[i] = ema * s[i] + (1 - ema) * stepped[i];
    }
    float *dp = b->memory_allocate(VALUES, "p", &why), *dg = b->memory_allocate(VALUES, "g", &why);
    float *ds = b->memory_allocate(VALUES, "s", &why);
    assert_true(dp && dg && ds);
    rig_open(&rig, subject, &(struct layer){.name = "dense", .kind = LAYER_DENSE, .outputs = 2}, (struct shape){1, 1, 2}, 1);
    must(b->memory_upload(dp, p, VALUES, &why), &why);
    must(b->memory_upload(dg, g, VALUES, &why), &why);
    must(b->memory_upload(ds, s, VALUES, &why), &why);
    must(b->sgd(&rig.plan, dp, dg, VALUES, (float)rate, (float)scale, (float)decay, &penalty, &why), &why);
    must(b->ema(ds, dp, VALUES, (float)ema, &why), &why);
    must(b->memory_download(p, dp, VALUES, &why), &why);
    must(b->memory_download(s, ds, VALUES, &why), &why);
    assert_close("parameters", p, stepped, VALUES, 2e-7);
    assert_close("shadows", s, shadowed, VALUES, 2e-7);
    assert_float_equal(penalty, 0.5 * decay * squares, 1e-6 * decay * squares);
    b->memory_free(dp), b->memory_free(dg), b->memory_free(ds);
    rig_close(&rig);
}

/* Frees a plan while a device may still be working. */
static void test_giving_back(void **state)
{
    struct rig rig;
    struct error why;
    open_tutorial(&rig, *state, STEP_BATCH, true);
    rig_step(&rig, step_labels, STEP_BATCH);
    for (int i = 0; i < rig.plan.stage_count; i++)
        must(rig.plan.stages[i].forward(&rig.plan.stages[i], rig.device_gradients, &why), &why);
    rig_close(&rig);
}

/* Memory is zeroed even if other values were there before. */
static void test_memory(void **state)
{
    const struct backend *b = ((const struct subject *)*state)->backend;
    enum { COUNT = 5000 };
    float values[COUNT];
    struct error why;
    for (int turn = 0; turn < 3; turn++) {
        float *memory = b->memory_allocate(COUNT, "a test", &why);
        assert_non_null(memory);
        must(b->memory_download(values, memory, COUNT, &why), &why);
        for (int i = 0; i < COUNT; i++) {
            assert_true(values[i] == 0);
            values[i] = (float)(i + turn);
        }
        must(b->memory_upload(memory, values, COUNT, &why), &why);
        memset(values, 0, sizeof values);
        must(b->memory_download(values, memory, COUNT, &why), &why);
        for (int i = 0; i < COUNT; i++)
            assert_true(values[i] == (float)(i + turn));
        b->memory_free(memory);
    }
}

/* ---- refusals ---- */

static void test_refusals(void **state)
{
    const struct subject *subject = *state;
    struct error why = {""};
    struct net net;
    struct plan plan;
    must(net_init(&net, model_find("tutorial", &why), 3, 10, &why), &why);
    for (int batch = -1; batch <= 0; batch++) {
        struct plan_request request = {.net = &net, .batch = batch, .training = true};
        assert_int_equal(subject->backend->plan(&plan, &request, &why), -1);
        assert_true(why.text[0]);
        subject->backend->plan_free(&plan); /* half-made */
    }
    assert_int_equal(subject->backend->set_threads(0, &why), -1);
    struct plan zeroed = {0};
    subject->backend->plan_free(&zeroed);
    assert_null(subject->backend->memory_allocate(SIZE_MAX / 2, "too much", &why));
    assert_non_null(strstr(why.text, "too much"));
    net_free(&net);
}

static const struct backend_test tests[] = {
    {"loss: values, ties, padding, NaN, wrong labels", test_loss, NULL, false},
    {"a tutorial step agrees with openblas", test_agreement, NULL, true},
    {"dense layers one behind another, as openblas to the bit", test_dense_layers, NULL, false},
    {"a step has the same bits every time", test_determinism, NULL, true},
    {"two threads compute what one does", test_threads, NULL, true},
    {"padding images add nothing", test_padding_images, NULL, true},
    {"a plan for evaluation computes the same", test_evaluation, NULL, true},
    {"stages cover layers in order", test_stages, NULL, false},
    {"what of the gradient a stage completes stays as it is", test_what_is_complete, NULL, true},
    {"the update against double arithmetic", test_update, NULL, false},
    {"a plan is given back while it computes", test_giving_back, NULL, true},
    {"memory is zeroed, and keeps what is uploaded", test_memory, NULL, false},
    {"wrong requests are refused", test_refusals, NULL, false},
};

int main(int argc, char **argv)
{
    return run_on_backends(argc, argv, tests, sizeof tests / sizeof *tests);
}
