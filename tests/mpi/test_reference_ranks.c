/* Whole training steps on several ranks: the batch is divided, the reducer sums the gradients, and every rank must still get
 * TensorFlow's step for the whole batch.
 * ranks: 1 2 4 8 */
#include "backends/step.h"

#include "optimize.h"
#include "parallel.h"
#include "tower.h"

static struct world world;

struct run {
    struct h5 *h5;
    struct net net;
    struct tower tower;
    struct reducer reducer;
    struct outcome outcome;
};

static void begin_run(struct run *run, const struct experiment *e, enum exchange exchange, int slices)
{
    struct error why;
    must(e->backend->set_threads(1, &why), &why);
    *run = (struct run){.h5 = reference_open("step.h5")};
    step_net(&run->net);
    struct tower_request request = {
        .backend = e->backend, .net = &run->net, .batch = STEP_BATCH / world.size / slices, .training = true,
        .optimizer = &optimizer_sgd, .master = true};
    must(tower_init(&run->tower, &request, &why), &why);
    must(reducer_init(&run->reducer, &world, exchange, run->net.gradients, slices, 1 << 20, &why), &why);
    outcome_init(&run->outcome, &run->net);
    step_parameters(run->h5, &run->net, run->outcome.before);
    must(tower_set_parameters(&run->tower, run->outcome.before, &why), &why);
    must(tower_set_states(&run->tower, &run->outcome.before, &why), &why);
}

static void end_run(struct run *run)
{
    tower_free(&run->tower);
    net_free(&run->net);
    reducer_free(&run->reducer);
    outcome_free(&run->outcome);
    reference_close(run->h5);
}

/* Computes the gradients of this rank's slices, and returns their sums over all ranks. */
static const float *reduce_gradients(struct run *run, int step)
{
    struct error why;
    const float *parcel;
    int32_t labels[STEP_BATCH];
    size_t length = shape_size(run->net.input);
    int slices = run->reducer.slices, count = run->tower.plan.batch;
    float *images = step_images(run->h5, &run->net, step, labels);
    for (int slice = 0; slice < slices; slice++) {
        int first = (world.rank * slices + slice) * count;
        struct batch batch = {.count = count, .images = images + first * length, .labels = labels + first};
        float *sums = reducer_begin(&run->reducer, slice);
        must(tower_gradients(&run->tower, &batch, &run->reducer, sums, &why), &why);
        must(reducer_end(&run->reducer, &why), &why);
    }
    free(images);
    must(reducer_finish(&run->reducer, &parcel, &why), &why);
    return parcel;
}

static void make_step(struct run *run, int step)
{
    struct outcome *outcome = &run->outcome;
    struct error why;
    size_t count = run->net.parameters;
    const float *parcel = reduce_gradients(run, step), *tail = parcel + count;
    assert_true(tail[PARCEL_COUNT] == STEP_BATCH);
    assert_true(tail[PARCEL_FAULT] == 0);
    outcome->loss = tail[PARCEL_LOSS];
    memcpy(outcome->sums, parcel, count * sizeof *parcel);
    struct step rule = {.rate = 0.1f, .ema_decay = ema_decay(0.9999f, (uint64_t)step)};
    must(tower_get_parameters(&run->tower, outcome->before, &why), &why);
    must(tower_update(&run->tower, parcel, tail[PARCEL_COUNT], &rule, &outcome->penalty, &why), &why);
    must(tower_get_parameters(&run->tower, outcome->updated, &why), &why);
    must(tower_get_states(&run->tower, &outcome->average, &why), &why);
}

/* Checks that all ranks have the same bits, and that they agree with TensorFlow's numbers. */
static void check_steps(const struct backend *backend, enum exchange exchange, int slices)
{
    struct experiment e = {backend, exchange == EXCHANGE_BUCKETS ? "buckets" : "tree"};
    struct run run;
    struct error why;
    begin_run(&run, &e, exchange, slices);
    for (int step = 1; step <= STEPS; step++) {
        make_step(&run, step);
        uint64_t hash = parity_hash(run.outcome.updated, run.net.parameters);
        must(parity_check(&world, hash, (uint64_t)step, &why), &why);
        check_outcome(&e, run.h5, step, &run.net, &run.outcome);
    }
    end_run(&run);
}

static void test_buckets(void **state)
{
    check_steps(((const struct subject *)*state)->backend, EXCHANGE_BUCKETS, 1);
}

/* One slice per image: eight slices on any number of ranks. */
static void test_tree(void **state)
{
    check_steps(((const struct subject *)*state)->backend, EXCHANGE_SHARED, STEP_BATCH / world.size);
}

int main(int argc, char **argv)
{
    const struct backend_test tests[] = {
        {"steps, one slice a rank", test_buckets, NULL, false},
        {"steps, eight slices in a tree", test_tree, NULL, false},
    };
    struct error why;
    if (world_open(&world, &argc, &argv, &why))
        world_abort(&world, why.text);
    if (STEP_BATCH % world.size)
        world_abort(&world, "the number of ranks must divide the batch of 8");
    if (run_on_backends(argc, argv, tests, sizeof tests / sizeof *tests))
        world_abort(&world, "a test failed");
    return world_close(&world, 0);
}
