/* Whole training steps of the tutorial's model on every backend, against TensorFlow's: loss, every gradient, updated parameters
 * and moving averages. tests/mpi/test_reference_ranks.c does the same on several ranks. */
#include "step.h"

#include "optimize.h"
#include "tower.h"

struct run {
    struct experiment experiment;
    struct h5 *h5;
    struct net net;
    struct tower tower;
    float *gradients; /* in the backend's memory */
    struct outcome outcome;
};

static float *take_memory(const struct backend *backend, size_t count)
{
    struct error why;
    float *memory = backend->memory_allocate(count, "a test", &why);
    assert_non_null(memory);
    return memory;
}

static void begin_run(struct run *run, const struct subject *subject, bool training)
{
    const struct backend *backend = subject->backend;
    struct error why;
    *run = (struct run){.experiment = {backend, "step"}, .h5 = reference_open("step.h5")};
    must(backend->set_threads(1, &why), &why);
    step_net(&run->net);
    struct tower_request request = {.backend = backend, .net = &run->net, .batch = STEP_BATCH, .training = training,
                                    .optimizer = training ? &optimizer_sgd : NULL, .master = true,
                                    .convolution = subject->convolution};
    must(tower_init(&run->tower, &request, &why), &why);
    run->gradients = take_memory(backend, run->net.parameters);
    outcome_init(&run->outcome, &run->net);
    step_parameters(run->h5, &run->net, run->outcome.before);
    must(tower_set_parameters(&run->tower, run->outcome.before, &why), &why);
    must(tower_set_states(&run->tower, &run->outcome.before, &why), &why);
}

static void end_run(struct run *run)
{
    tower_free(&run->tower);
    net_free(&run->net);
    run->experiment.backend->memory_free(run->gradients);
    outcome_free(&run->outcome);
    reference_close(run->h5);
}

static void run_forward(struct run *run, int step)
{
    const struct backend *backend = run->experiment.backend;
    struct plan *plan = &run->tower.plan;
    struct error why;
    struct loss_sums sums;
    int32_t labels[STEP_BATCH];
    float *images = step_images(run->h5, &run->net, step, labels);
    must(backend->memory_upload(plan->input, images, STEP_BATCH * shape_size(run->net.input), &why), &why);
    free(images);
    for (int i = 0; i < plan->stage_count; i++)
        must(plan->stages[i].forward(&plan->stages[i], run->gradients, &why), &why);
    must(backend->loss(plan, labels, STEP_BATCH, &sums, &why), &why);
    assert_int_equal(sums.count, STEP_BATCH);
    run->outcome.loss = sums.loss;
}

/* Forward, loss, backward, update and moving average by the backend, as in training. */
static void make_step(struct run *run, int step)
{
    const struct backend *backend = run->experiment.backend;
    struct plan *plan = &run->tower.plan;
    struct outcome *outcome = &run->outcome;
    size_t count = run->net.parameters;
    struct error why;
    run_forward(run, step);
    for (int i = plan->stage_count - 1; i >= 0; i--)
        must(plan->stages[i].backward(&plan->stages[i], run->gradients, &why), &why);
    must(tower_get_parameters(&run->tower, outcome->before, &why), &why);
    must(backend->memory_download(outcome->sums, run->gradients, count, &why), &why);
    struct step rule = {.rate = 0.1f, .ema_decay = ema_decay(0.9999f, (uint64_t)step)};
    must(tower_update(&run->tower, outcome->sums, STEP_BATCH, &rule, &outcome->penalty, &why), &why);
    must(tower_get_parameters(&run->tower, outcome->updated, &why), &why);
    must(tower_get_states(&run->tower, &outcome->average, &why), &why);
}

static void check_logits_are(const struct run *run, int step, const float *logits)
{
    size_t count;
    float *expected = reference_read(run->h5, H5_FLOAT, NULL, &count, "/step%d/logits", step);
    assert_int_equal(count, STEP_BATCH * STEP_CLASSES);
    check_near(&run->experiment, "logits", logits, expected, count);
    free(expected);
}

static void check_logits(const struct run *run, int step)
{
    struct error why;
    float logits[STEP_BATCH * STEP_CLASSES];
    must(run->experiment.backend->memory_download(logits, run->tower.plan.output, STEP_BATCH * STEP_CLASSES, &why), &why);
    check_logits_are(run, step, logits);
}

static void test_steps(void **state)
{
    struct run run;
    begin_run(&run, *state, true);
    for (int step = 1; step <= STEPS; step++) {
        make_step(&run, step);
        check_logits(&run, step);
        check_outcome(&run.experiment, run.h5, step, &run.net, &run.outcome);
    }
    end_run(&run);
}

/* A plan for evaluation may compute differently. */
static void test_evaluation(void **state)
{
    struct run run;
    begin_run(&run, *state, false);
    run_forward(&run, 1);
    check_logits(&run, 1);
    end_run(&run);
}

/* Only forward: no labels, no loss. */
static void test_logits(void **state)
{
    struct run run;
    struct error why;
    float logits[STEP_BATCH * STEP_CLASSES];
    int32_t unused[STEP_BATCH];
    begin_run(&run, *state, false);
    float *images = step_images(run.h5, &run.net, 1, unused);
    must(tower_forward(&run.tower, images, STEP_BATCH, logits, &why), &why);
    check_logits_are(&run, 1, logits);
    assert_int_equal(tower_forward(&run.tower, images, STEP_BATCH + 1, logits, &why), -1);
    free(images);
    end_run(&run);
}

int main(int argc, char **argv)
{
    const struct backend_test tests[] = {
        {"two training steps", test_steps, NULL, true},
        {"evaluation", test_evaluation, NULL, true},
        {"logits alone", test_logits, NULL, true},
    };
    return run_on_backends(argc, argv, tests, sizeof tests / sizeof *tests);
}
