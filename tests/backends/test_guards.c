/* Nothing is read or written outside of its memory. This program replaces memory_new by one that puts each block between
 * protected pages: in one run at the end of its pages, in another at their beginning. All activations, gradients and workspaces
 * come from memory_new. (A sanitizer checks the same, so memory_new is not replaced under one.) */
#include "fixture.h"
#include "guarded.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
enum { GUARDS_MAX = 1024 };

static struct guarded guards[GUARDS_MAX];
static int guard_count; /* in order of allocation; freed ones have no data */
static bool at_end;

extern void __libc_free(void *memory);

void *memory_new(size_t count, size_t size, const char *what, struct error *why)
{
    struct guarded g = {0};
    size_t bytes;
    if (!__builtin_mul_overflow(count, size, &bytes) && guard_count < GUARDS_MAX)
        g = guarded_new(bytes, at_end);
    if (!g.data)
        error_set(why, "%s: no guarded memory for %zu elements of %zu bytes", what, count, size);
    else
        guards[guard_count++] = g;
    return g.data;
}

static struct guarded *guard_of(const void *memory)
{
    for (int i = 0; memory && i < guard_count; i++)
        if (guards[i].data == memory)
            return &guards[i];
    return NULL;
}

void free(void *memory)
{
    struct guarded *g = guard_of(memory);
    if (!g) {
        __libc_free(memory);
        return;
    }
    guarded_free(g);
    g->data = NULL;
    while (guard_count > 0 && !guards[guard_count - 1].data)
        guard_count--;
}

static void guard(bool end) { at_end = end; }
static int guards_held(void) { return guard_count; }
#else
static void guard(bool end) { (void)end; }
static int guards_held(void) { return 0; }
#endif

struct guard_case {
    const char *name;
    struct layer layers[2];
    struct shape input;
    int batch;
    bool alone; /* without the images' gradient */
};

static void open_case(struct rig *rig, const struct subject *subject)
{
    const struct guard_case *c = subject->data;
    const struct model model = {"test", "one or two layers", c->input.height, c->input.width, c->layers,
                                c->layers[1].name ? 2 : 1};
    struct plan_request request = {.batch = c->batch, .training = true, .input_gradient = !c->alone,
                                   .convolution = subject->convolution};
    uint64_t random = 23;
    rig_open_plan(rig, subject->backend, &model, c->input.channels, 10, request);
    fill_random(rig->input, rig->input_count, &random);
    fill_random(rig->parameters, rig->net.parameters, &random);
    fill_random(rig->output_gradient, rig->output_count, &random);
}

static void test_case(void **state)
{
    const struct subject *subject = *state;
    struct error why;
    int held = guards_held(); /* left by tests that failed */
    for (int turn = 0; turn < 4; turn++) {
        struct rig rig;
        guard(turn % 2);
        must(subject->backend->set_threads(1 + turn / 2, &why), &why);
        open_case(&rig, subject);
        rig_forward(&rig);
        rig_backward(&rig);
        for (size_t i = 0; i < rig.output_count; i++)
            assert_true(isfinite(rig.output[i]));
        rig_close(&rig);
        assert_int_equal(guards_held(), held);
    }
    must(subject->backend->set_threads(1, &why), &why);
}

/* Plans as training and evaluation make them. */
static void test_tutorial(void **state)
{
    const struct subject *subject = *state;
    struct error why;
    const int32_t labels[3] = {1, 0, 9};
    int held = guards_held();
    for (int turn = 0; turn < 4; turn++) {
        struct rig rig;
        guard(turn % 2);
        struct plan_request request = {.batch = 3, .training = turn < 2, .convolution = subject->convolution};
        rig_open_plan(&rig, subject->backend, model_find("tutorial", &why), 3, 10, request);
        if (request.training)
            rig_step(&rig, labels, 3);
        else
            rig_forward(&rig);
        rig_close(&rig);
        assert_int_equal(guards_held(), held);
    }
}

#define CONVOLUTION(KERNEL, STRIDE, OUTPUTS)                                                                          \
    {.name = "conv", .kind = LAYER_CONVOLUTION, .kernel = KERNEL, .stride = STRIDE, .outputs = OUTPUTS,               \
     .activation = ACTIVATION_RELU}
#define POOL(KERNEL, STRIDE) {.name = "pool", .kind = LAYER_MAX_POOL, .kernel = KERNEL, .stride = STRIDE}
#define NORM(RADIUS, BETA)                                                                                            \
    {.name = "norm", .kind = LAYER_LRN, .radius = RADIUS, .k = 1, .alpha = 0.001f / 9, .beta = BETA}
#define DENSE(OUTPUTS) {.name = "dense", .kind = LAYER_DENSE, .outputs = OUTPUTS, .activation = ACTIVATION_RELU}

static const struct guard_case cases[] = {
    {"convolution 5x5, 7x9x16 to 48", {CONVOLUTION(5, 1, 48)}, {7, 9, 16}, 3, false},
    {"convolution 3x3, 13x13x32 to 16", {CONVOLUTION(3, 1, 16)}, {13, 13, 32}, 1, false},
    {"convolution 5x5, 7x5x3 to 10", {CONVOLUTION(5, 1, 10)}, {7, 5, 3}, 3, false},
    {"convolution 3x3 stride 2, 9x6x5 to 7", {CONVOLUTION(3, 2, 7)}, {9, 6, 5}, 1, false},
    {"convolution 1x1 stride 2, 8x8x20 to 17", {CONVOLUTION(1, 2, 17)}, {8, 8, 20}, 3, false},
    {"max pool 3x3 stride 2, 7x9x5", {POOL(3, 2)}, {7, 9, 5}, 3, false},
    {"max pool 3x3 stride 1, 5x5x64", {POOL(3, 1)}, {5, 5, 64}, 1, false},
    {"max pool 2x2 stride 2, 7x7x67", {POOL(2, 2)}, {7, 7, 67}, 1, false},
    {"norm, 3x5x7", {NORM(4, 0.75f)}, {3, 5, 7}, 3, false},
    {"norm, 1x1x1", {NORM(4, 0.75f)}, {1, 1, 1}, 1, false},
    {"norm, 12x12x64", {NORM(4, 0.75f)}, {12, 12, 64}, 1, false},
    {"norm, radius 2, beta 0.5, 5x3x33", {NORM(2, 0.5f)}, {5, 3, 33}, 3, false},
    {"dense, 5x5x3 to 11", {DENSE(11)}, {5, 5, 3}, 3, false},
    {"dense, 1x1x1 to the classes", {DENSE(0)}, {1, 1, 1}, 1, false},
    {"dense, 6x6x16 to 48", {DENSE(48)}, {6, 6, 16}, 8, false},
    {"convolution 5x5 and pool, 24x24x3 to 64", {CONVOLUTION(5, 1, 64), POOL(3, 2)}, {24, 24, 3}, 3, true},
    {"convolution 5x5 and pool, 7x5x4 to 10", {CONVOLUTION(5, 1, 10), POOL(3, 2)}, {7, 5, 4}, 1, true},
    {"convolution 3x3 stride 2 and pool, 11x13x1 to 20", {CONVOLUTION(3, 2, 20), POOL(3, 1)}, {11, 13, 1}, 3, true},
    {"convolution 3x3 and pool, 6x7x20 to 33", {CONVOLUTION(3, 1, 33), POOL(2, 2)}, {6, 7, 20}, 3, true},
    {"convolution 3x3 and pool, 6x7x16 to 16", {CONVOLUTION(3, 1, 16), POOL(3, 2)}, {6, 7, 16}, 3, true},
};

enum { CASES = sizeof cases / sizeof *cases };

int main(int argc, char **argv)
{
    struct backend_test tests[CASES + 1] = {{"the tutorial's net", test_tutorial, NULL, true}};
    for (int i = 0; i < CASES; i++)
        tests[i + 1] = (struct backend_test){cases[i].name, test_case, &cases[i],
                                             cases[i].layers[0].kind == LAYER_CONVOLUTION};
    return run_on_backends(argc, argv, tests, CASES + 1);
}
