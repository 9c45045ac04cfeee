/* Convolutions by minimal filtering against sums in double, on every set of vector loops that this CPU can run. All
 * memory of a convolution lies between protected pages. */
#include "convolution.h"
#include "guarded.h"

#ifdef HAVE_onednn
#include <omp.h>

#include "../../src/backends/onednn/onednn.h"

/* ---- one convolution ---- */

struct shape_case {
    int height, width, in, out, kernel, batch;
    bool relu;
};

/* An array between guards. */
struct floats {
    struct guarded memory;
    float *at;
    size_t count;
};

static struct floats guarded_floats(size_t count, bool at_end)
{
    struct guarded memory = guarded_new(count * sizeof(float), at_end);
    assert_non_null(memory.data);
    return (struct floats){memory, memory.data, count};
}

struct convolution {
    struct layer layer;
    struct model model;
    struct net net;
    struct onednn_library library;
    struct host_operation operation;
    struct floats x, y, dx, dy, parameters, gradients;
};

static void convolution_open(struct convolution *c, const struct shape_case *s, const struct vector_set *set,
                             bool at_end, uint64_t seed)
{
    struct error why;
    memset(c, 0, sizeof *c);
    c->layer = (struct layer){.name = "conv", .kind = LAYER_CONVOLUTION, .kernel = s->kernel, .stride = 1,
                              .outputs = s->out, .activation = s->relu ? ACTIVATION_RELU : ACTIVATION_NONE};
    c->model = (struct model){"test", "one layer", s->height, s->width, &c->layer, 1};
    must(net_init(&c->net, &c->model, s->in, 10, &why), &why);
    size_t pixels = (size_t)s->batch * s->height * s->width;
    struct floats *x[] = {&c->x, &c->dx}, *y[] = {&c->y, &c->dy}, *flat[] = {&c->parameters, &c->gradients};
    for (int i = 0; i < 2; i++) {
        *x[i] = guarded_floats(pixels * s->in, at_end);
        *y[i] = guarded_floats(pixels * s->out, at_end);
        *flat[i] = guarded_floats(c->net.parameters, at_end);
    }
    fill_random(c->x.at, c->x.count, &seed);
    fill_random(c->dy.at, c->dy.count, &seed);
    fill_random(c->parameters.at, c->parameters.count, &seed);
    c->library.vectors = set;
    c->operation = (struct host_operation){.layer = &c->net.layers[0], .batch = s->batch, .x = c->x.at, .y = c->y.at,
                                      .dx = c->dx.at, .dy = c->dy.at, .gradients = c->gradients.at,
                                           .backend = &c->library};
    must(onednn_winograd.init(&c->operation, &why), &why);
}

static void convolution_run(struct convolution *c)
{
    struct error why;
    c->operation.parameters = c->parameters.at;
    must(onednn_winograd.prepare(&c->operation, &why), &why);
    must(onednn_winograd.forward(&c->operation, &why), &why);
    must(onednn_winograd.backward(&c->operation, &why), &why);
}

static void convolution_close(struct convolution *c)
{
    struct floats *all[] = {&c->x, &c->y, &c->dx, &c->dy, &c->parameters, &c->gradients};
    onednn_winograd.free(&c->operation);
    net_free(&c->net);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        guarded_free(&all[i]->memory);
}

static void check_case(const struct vector_set *set, const struct shape_case *s, bool at_end)
{
    struct convolution c;
    convolution_open(&c, s, set, at_end, 7);
    memset(c.gradients.at, 0x7f, c.gradients.count * sizeof(float)); /* must be overwritten, not added to */
    memset(c.dx.at, 0x7f, c.dx.count * sizeof(float));
    convolution_run(&c);
    const struct net_layer *l = &c.net.layers[0];
    const struct convolution_values values = {l, s->batch, c.x.at, c.y.at, c.dy.at, c.parameters.at + l->weights->offset,
                                              c.parameters.at + l->biases->offset};
    compare_all(&values, c.dx.at, c.gradients.at, 150, 2e-5);
    convolution_close(&c);
}

/* ---- tests ---- */

static const struct shape_case cases[] = {
    {7, 7, 16, 16, 3, 1, true},    {7, 7, 128, 48, 5, 16, true},  {7, 7, 64, 64, 3, 64, true},
    {12, 12, 64, 64, 5, 64, true}, {12, 12, 16, 64, 3, 3, false}, {12, 12, 48, 16, 5, 1, true},
    {13, 13, 16, 48, 5, 64, true}, {13, 13, 64, 64, 3, 16, true}, {24, 24, 16, 16, 5, 16, false},
    {24, 24, 64, 128, 3, 3, true}, {32, 32, 48, 64, 5, 3, true},  {32, 32, 16, 16, 3, 16, true},
    {5, 18, 32, 16, 5, 3, true},   {1, 1, 16, 32, 3, 2, true},    {2, 3, 16, 16, 5, 5, false},
    {32, 32, 128, 128, 3, 1, true},
};

static void every_case(const struct vector_set *set)
{
    omp_set_num_threads(1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int at_end = 0; at_end < 2; at_end++)
            check_case(set, &cases[i], at_end);
}

static void set_at(int index, void (*test)(const struct vector_set *set))
{
    const struct vector_set *set = vector_set_at(index);
    if (!set) {
        print_message("this CPU can run fewer sets of vector loops\n");
        skip();
    }
    print_message("%s\n", set->name);
    test(set);
}

static void test_best_set(void **state) { (void)state; set_at(0, every_case); }
static void test_second_set(void **state) { (void)state; set_at(1, every_case); }
static void test_third_set(void **state) { (void)state; set_at(2, every_case); }

static void assert_same(const struct floats *a, const struct floats *b)
{
    assert_memory_equal(a->at, b->at, a->count * sizeof(float));
}

/* Each thread has its own images, so an image's values do not depend on the number of threads; sums are added in the order of
 * threads. */
static void test_threads(void **state)
{
    (void)state;
    const struct shape_case s = {13, 9, 32, 48, 5, 5, true};
    struct convolution one, three, again;
    omp_set_num_threads(1);
    convolution_open(&one, &s, vector_set_at(0), true, 3);
    convolution_run(&one);
    omp_set_num_threads(3);
    check_case(vector_set_at(0), &s, true);
    convolution_open(&three, &s, vector_set_at(0), true, 3);
    convolution_open(&again, &s, vector_set_at(0), true, 3);
    convolution_run(&three);
    convolution_run(&again);
    omp_set_num_threads(1);
    assert_same(&one.y, &three.y);
    assert_same(&one.dx, &three.dx);
    assert_same(&three.gradients, &again.gradients);
    convolution_run(&again);
    assert_same(&three.gradients, &again.gradients);
    convolution_close(&one), convolution_close(&three), convolution_close(&again);
}

/* A NaN must reach the loss. */
static void test_nan_passes(void **state)
{
    (void)state;
    const struct shape_case s = {7, 7, 16, 16, 3, 1, true};
    struct convolution c;
    convolution_open(&c, &s, vector_set_at(0), true, 3);
    c.x.at[0] = NAN;
    convolution_run(&c);
    assert_true(isnan(c.y.at[0]));
    convolution_close(&c);
}

/* Below the limit given in winograd.h, nothing overflows. */
static void test_large_values(void **state)
{
    (void)state;
    const struct shape_case s = {12, 12, 64, 64, 5, 2, false};
    struct convolution c;
    convolution_open(&c, &s, vector_set_at(0), true, 3);
    for (size_t i = 0; i < c.x.count; i++)
        c.x.at[i] *= 1e33f;
    convolution_run(&c);
    for (size_t i = 0; i < c.y.count; i++)
        assert_true(isfinite(c.y.at[i]));
    for (size_t i = 0; i < c.gradients.count; i++)
        assert_true(isfinite(c.gradients.at[i]));
    convolution_close(&c);
}

static void test_applies(void **state)
{
    (void)state;
    struct net_layer l = {.layer = {.kind = LAYER_CONVOLUTION, .kernel = 5, .stride = 1}, .in.channels = 64,
                          .out.channels = 64};
    assert_true(winograd_applies(&l));
    l.layer.stride = 2;
    assert_false(winograd_applies(&l));
    l.layer.stride = 1, l.in.channels = 3;
    assert_false(winograd_applies(&l));
    l.in.channels = 64, l.layer.kernel = 7;
    assert_false(winograd_applies(&l));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best_set), cmocka_unit_test(test_second_set), cmocka_unit_test(test_third_set),
        cmocka_unit_test(test_threads), cmocka_unit_test(test_nan_passes), cmocka_unit_test(test_large_values),
        cmocka_unit_test(test_applies),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void test_absent(void **state)
{
    (void)state;
    print_message("this build has no onednn backend\n");
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_absent)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
