/* A convolution and a max pool as a net's first layers. Training needs no gradient of the images, so a backend may compute both
 * in one stage. The result must equal that of separate stages (a request for the images' gradient forces those) and that of
 * openblas. All values are multiples of 1/8, small enough that no sum is rounded: every order of additions gives the same result,
 * and ties in the pool are exact. */
#include "fixture.h"

struct pair_case {
    int kernel, stride, in, out, pool, pool_stride, height, width, batch;
    bool relu;
};

static void fill_eighths(float *values, size_t count, uint64_t *random)
{
    for (size_t i = 0; i < count; i++)
        values[i] = roundf(8 * random_float(random)) / 8;
}

static void open_pair(struct rig *rig, const struct backend *backend, const struct pair_case *c, bool apart)
{
    const struct layer layers[] = {
        {.name = "conv", .kind = LAYER_CONVOLUTION, .kernel = c->kernel, .stride = c->stride, .outputs = c->out,
         .activation = c->relu ? ACTIVATION_RELU : ACTIVATION_NONE},
        {.name = "pool", .kind = LAYER_MAX_POOL, .kernel = c->pool, .stride = c->pool_stride},
    };
    const struct model model = {"test", "two layers", c->height, c->width, layers, 2};
    struct plan_request request = {.batch = c->batch, .training = true, .input_gradient = apart,
                                   .convolution = CONVOLUTION_DIRECT}; /* minimal filtering rounds */
    uint64_t random = 17;
    rig_open_plan(rig, backend, &model, c->in, 10, request);
    fill_eighths(rig->input, rig->input_count, &random);
    fill_eighths(rig->parameters, rig->net.parameters, &random);
    fill_eighths(rig->output_gradient, rig->output_count, &random);
}

/* Runs twice: the second pass must not depend on the first. */
static void run_pair(struct rig *rig)
{
    for (int pass = 0; pass < 2; pass++) {
        rig_forward(rig);
        rig_backward(rig);
    }
}

static void assert_equal(const char *what, const struct rig *got, const struct rig *want)
{
    char name[64];
    snprintf(name, sizeof name, "output, %s", what);
    assert_close_floats(name, got->output, want->output, want->output_count, 0);
    snprintf(name, sizeof name, "gradients, %s", what);
    assert_close_floats(name, got->gradients, want->gradients, want->net.parameters, 0);
}

static void compare_with(const char *what, const struct backend *backend, const struct pair_case *c,
                         const struct rig *rig)
{
    struct rig other;
    open_pair(&other, backend, c, true);
    assert_int_equal(other.plan.stage_count, 2);
    run_pair(&other);
    assert_equal(what, rig, &other);
    rig_close(&other);
}

static void test_pair(void **state)
{
    const struct subject *subject = *state;
    const struct backend *backend = subject->backend;
    const struct pair_case *c = subject->data;
    struct error why;
    for (int threads = 1; threads <= 2; threads++) {
        struct rig rig;
        must(backend->set_threads(threads, &why), &why);
        open_pair(&rig, backend, c, false);
        if (!strcmp(backend->name, "onednn") && c->kernel >= c->stride) /* otherwise this tests nothing */
            assert_int_equal(rig.plan.stage_count, 1);
        run_pair(&rig);
        compare_with("separate stages", backend, c, &rig);
        if (backend_find("openblas", &why))
            compare_with("openblas", backend_find("openblas", &why), c, &rig);
        rig_close(&rig);
    }
    must(backend->set_threads(1, &why), &why);
}

/* Includes numbers of pooling windows that are no multiple of 4, and padding before the image for both layers. */
static const struct pair_case pairs[] = {
    {5, 1, 3, 64, 3, 2, 24, 24, 3, true}, {3, 1, 1, 10, 2, 2, 7, 9, 7, true},  {3, 2, 4, 16, 3, 1, 11, 13, 1, false},
    {5, 2, 3, 20, 3, 2, 13, 15, 7, true}, {3, 1, 3, 64, 3, 1, 5, 5, 3, false}, {5, 1, 1, 20, 2, 2, 9, 7, 3, false},
    {5, 1, 4, 10, 3, 2, 7, 7, 7, true},   {3, 2, 1, 64, 2, 2, 10, 10, 1, true}, {3, 1, 20, 16, 3, 2, 9, 6, 3, true},
    {5, 1, 16, 32, 3, 2, 5, 6, 1, false}, {1, 1, 3, 16, 2, 3, 8, 7, 3, true},  {11, 1, 3, 10, 3, 2, 7, 5, 1, false},
    {1, 2, 20, 16, 2, 2, 8, 8, 3, false}, {2, 4, 3, 16, 2, 2, 9, 12, 5, true},
};

enum { PAIRS = sizeof pairs / sizeof *pairs };

int main(int argc, char **argv)
{
    static char names[PAIRS][96];
    struct backend_test tests[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        const struct pair_case *c = &pairs[i];
        snprintf(names[i], sizeof *names, "%dx%d/%d, %dx%dx%d to %d%s, pool %dx%d/%d, batch %d", c->kernel, c->kernel,
                 c->stride, c->height, c->width, c->in, c->out, c->relu ? " + ReLU" : "", c->pool, c->pool,
                 c->pool_stride, c->batch);
        tests[i] = (struct backend_test){names[i], test_pair, c, false};
    }
    return run_on_backends(argc, argv, tests, PAIRS);
}
