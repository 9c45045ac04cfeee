/* Whole training steps of the tutorial's model on every backend, against TensorFlow's: loss, every gradient, updated
 * parameters and moving averages. */
#include "every_backend.h"

#include "optimize.h"
#include "tower.h"

enum { BATCH = 8, STEPS = 2 };

struct run {
    const struct experiment *experiment;
    struct h5 *h5;
    struct net net;
    struct tower tower;
    float *gradients, *shadows;             /* in the backend's memory */
    float *before, *sums, *updated, *average; /* on the host: of one step */
};

static float *take_host(const struct net *net)
{
    float *memory = malloc(net->parameters * sizeof *memory);
    assert_non_null(memory);
    return memory;
}

static void draw_parameters(const struct run *run, float *parameters)
{
    for (int i = 0; i < run->net.layer_count; i++) {
        const struct net_layer *l = &run->net.layers[i];
        const struct {
            const char *name;
            size_t first, count;
        } tensors[] = {{"weights", l->weights, l->weight_count}, {"biases", l->biases, l->bias_count}};
        char group[64];
        size_t count;
        snprintf(group, sizeof group, "/parameters/%s", l->layer.name);
        for (int t = 0; t < 2 && l->weight_count; t++) {
            float *drawn = reference_drawn(run->h5, group, tensors[t].name, NULL, &count);
            assert_int_equal(count, tensors[t].count);
            memcpy(parameters + tensors[t].first, drawn, count * sizeof *drawn);
            free(drawn);
        }
    }
}

static void begin_run(struct run *run, const struct experiment *e, bool training)
{
    struct error why;
    *run = (struct run){.experiment = e, .h5 = reference_open("step.h5")};
    const struct model *model = model_find("tutorial", &why);
    assert_non_null(model);
    succeed(net_init(&run->net, model, 3, 10, &why), &why);
    assert_int_equal(run->net.parameters, 1068298);
    struct tower_request request = {.backend = e->backend, .net = &run->net, .batch = BATCH, .training = training};
    succeed(tower_init(&run->tower, &request, &why), &why);
    run->gradients = take_memory(e->backend, run->net.parameters);
    run->shadows = take_memory(e->backend, run->net.parameters);
    run->before = take_host(&run->net);
    run->sums = take_host(&run->net);
    run->updated = take_host(&run->net);
    run->average = take_host(&run->net);
    draw_parameters(run, run->before);
    succeed(tower_set_parameters(&run->tower, run->before, &why), &why);
    succeed(e->backend->memory_upload(run->shadows, run->before, run->net.parameters, &why), &why);
}

static void end_run(struct run *run)
{
    tower_free(&run->tower);
    run->experiment->backend->memory_free(run->gradients);
    run->experiment->backend->memory_free(run->shadows);
    free(run->before);
    free(run->sums);
    free(run->updated);
    free(run->average);
    reference_close(run->h5);
}

/* Each image is a stream. */
static void put_batch(struct run *run, int step, int32_t labels[BATCH])
{
    size_t count, length = shape_size(run->net.input);
    struct error why;
    float *images = malloc(BATCH * length * sizeof *images);
    assert_non_null(images);
    int64_t *streams = reference_read(run->h5, H5_INT64, NULL, &count, "/step%d/streams", step);
    int64_t *stored = reference_read(run->h5, H5_INT64, NULL, &count, "/step%d/labels", step);
    assert_int_equal(count, BATCH);
    for (int n = 0; n < BATCH; n++) {
        labels[n] = (int32_t)stored[n];
        for (size_t i = 0; i < length; i++)
            images[n * length + i] = reference_draw((uint64_t)streams[n], i, 2);
    }
    succeed(run->experiment->backend->memory_upload(run->tower.plan.input, images, BATCH * length, &why), &why);
    free(images);
    free(streams);
    free(stored);
}

static void run_forward(struct run *run, int step, struct loss_sums *sums)
{
    struct plan *plan = &run->tower.plan;
    struct error why;
    int32_t labels[BATCH];
    put_batch(run, step, labels);
    for (int i = 0; i < plan->stage_count; i++)
        succeed(plan->stages[i].forward(&plan->stages[i], &why), &why);
    succeed(run->experiment->backend->loss(plan, labels, BATCH, sums, &why), &why);
}

/* Forward, loss, backward, update and moving average: by the backend, as training does it. */
static void make_step(struct run *run, int step, struct loss_sums *sums, double *penalty)
{
    const struct backend *backend = run->experiment->backend;
    struct plan *plan = &run->tower.plan;
    size_t count = run->net.parameters;
    struct error why;
    run_forward(run, step, sums);
    for (int i = plan->stage_count - 1; i >= 0; i--)
        succeed(plan->stages[i].backward(&plan->stages[i], run->gradients, &why), &why);
    succeed(tower_get_parameters(&run->tower, run->before, &why), &why);
    succeed(tower_update(&run->tower, run->gradients, BATCH, 0.1f, penalty, &why), &why);
    succeed(backend->ema(run->shadows, run->tower.parameters, count, ema_decay(0.9999f, (uint64_t)step), &why), &why);
    succeed(tower_get_parameters(&run->tower, run->updated, &why), &why);
    succeed(backend->memory_download(run->sums, run->gradients, count, &why), &why);
    succeed(backend->memory_download(run->average, run->shadows, count, &why), &why);
}

/* What the file holds of the tensor: all, or every stride-th element and three sums over all. */
static void check_variable(const struct run *run, const char *name, const float *found, size_t count)
{
    const struct experiment *e = run->experiment;
    struct error why;
    int64_t stride;
    size_t length;
    if (h5_get_integer(run->h5, name, "stride", &stride, &why))
        stride = 1;
    float *expected = reference_read(run->h5, H5_FLOAT, NULL, &length, "%s", name);
    float *sample = malloc(length * sizeof *sample);
    assert_non_null(sample);
    assert_int_equal(length, (count - 1) / (size_t)stride + 1);
    for (size_t i = 0; i < length; i++)
        sample[i] = found[i * (size_t)stride];
    check_near(e, name, sample, expected, length);
    free(sample);
    free(expected);
    if (stride == 1)
        return;
    double sum = 0, squares = 0, weighted = 0;
    for (size_t i = 0; i < count; i++) {
        sum += found[i];
        squares += (double)found[i] * found[i];
        weighted += (double)found[i] * reference_draw(900, i, 1);
    }
    double *sums = reference_read(run->h5, H5_DOUBLE, NULL, &length, "%s_sums", name);
    double norm = sqrt(sums[1]);
    check_number(e, "  its sum, of norm * sqrt(n)", sum, sums[0], norm * sqrt((double)count));
    check_number(e, "  its norm", sqrt(squares), norm, norm);
    check_number(e, "  its weighted sum, of the norm", weighted, sums[2], norm);
    free(sums);
}

/* TensorFlow's gradient is of the mean loss with weight decay; ours are sums without it. */
static void check_layer(struct run *run, int step, const struct net_layer *l)
{
    for (size_t i = l->weights; i < l->biases + l->bias_count; i++)
        run->sums[i] = run->sums[i] / BATCH + (i < l->biases ? l->layer.decay * run->before[i] : 0);
    const struct {
        const char *name;
        const float *values;
    } kinds[] = {{"gradients", run->sums}, {"updated", run->updated}, {"ema", run->average}};
    char name[128];
    for (int k = 0; k < 3; k++) {
        snprintf(name, sizeof name, "/step%d/%s/%s/weights", step, kinds[k].name, l->layer.name);
        check_variable(run, name, kinds[k].values + l->weights, l->weight_count);
        snprintf(name, sizeof name, "/step%d/%s/%s/biases", step, kinds[k].name, l->layer.name);
        check_variable(run, name, kinds[k].values + l->biases, l->bias_count);
    }
}

static void check_logits(const struct run *run, int step)
{
    const struct experiment *e = run->experiment;
    struct error why;
    float logits[BATCH * 10];
    size_t count;
    float *expected = reference_read(run->h5, H5_FLOAT, NULL, &count, "/step%d/logits", step);
    assert_int_equal(count, BATCH * 10);
    succeed(e->backend->memory_download(logits, run->tower.plan.output, count, &why), &why);
    check_near(e, "logits", logits, expected, count);
    free(expected);
}

static void check_losses(const struct run *run, int step, const struct loss_sums *sums, double penalty)
{
    const struct experiment *e = run->experiment;
    size_t count;
    float *entropy = reference_read(run->h5, H5_FLOAT, NULL, &count, "/step%d/cross_entropy", step);
    float *loss = reference_read(run->h5, H5_FLOAT, NULL, &count, "/step%d/loss", step);
    check_number(e, "cross-entropy", sums->loss / BATCH, *entropy, *entropy);
    check_number(e, "total loss", sums->loss / BATCH + penalty, *loss, *loss);
    free(entropy);
    free(loss);
}

static void test_steps(void **state)
{
    struct run run;
    begin_run(&run, *state, true);
    for (int step = 1; step <= STEPS; step++) {
        struct loss_sums sums;
        double penalty;
        make_step(&run, step, &sums, &penalty);
        check_logits(&run, step);
        check_losses(&run, step, &sums, penalty);
        for (int i = 0; i < run.net.layer_count; i++)
            if (run.net.layers[i].weight_count)
                check_layer(&run, step, &run.net.layers[i]);
    }
    end_run(&run);
}

/* A plan for evaluation may be another one. */
static void test_evaluation(void **state)
{
    struct run run;
    struct loss_sums sums;
    begin_run(&run, *state, false);
    run_forward(&run, 1, &sums);
    check_logits(&run, 1);
    assert_int_equal(sums.count, BATCH);
    end_run(&run);
}

static void add_tests(struct suite *suite, const struct backend *backend)
{
    suite_add(suite, backend, NULL, "two training steps", test_steps);
    suite_add(suite, backend, NULL, "evaluation", test_evaluation);
}

int main(void)
{
    return suite_run("test_reference_step", add_tests);
}
