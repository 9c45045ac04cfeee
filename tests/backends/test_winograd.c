/* Convolutions by minimal filtering against sums in double, on every set of vector loops that this CPU can run. All that a
 * convolution may touch lies between pages that may not be touched. */
#include "fixture.h"

#ifdef HAVE_onednn
#include <omp.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../src/backends/onednn/onednn.h"

/* ---- memory between guards ---- */

struct guarded {
    float *floats;
    size_t count;
    void *pages;
    size_t bytes;
};

/* at_end: the last float lies before the guard behind, else the first one behind the guard before. */
static struct guarded guarded_new(size_t count, bool at_end)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), inside = (count * sizeof(float) + page - 1) / page * page;
    struct guarded g = {.count = count, .bytes = inside + 2 * page};
    g.pages = mmap(NULL, g.bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(g.pages, MAP_FAILED);
    char *begin = (char *)g.pages + page;
    assert_int_equal(mprotect(begin, inside, PROT_READ | PROT_WRITE), 0);
    g.floats = (float *)(at_end ? begin + inside - count * sizeof(float) : begin);
    return g;
}

static void guarded_free(struct guarded *g)
{
    munmap(g->pages, g->bytes);
}

/* ---- one convolution ---- */

struct shape_case {
    int height, width, in, out, kernel, batch;
    bool relu;
};

struct convolution {
    struct layer layer;
    struct model model;
    struct net net;
    struct operation operation;
    struct guarded x, y, dx, dy, parameters, gradients;
};

static void convolution_open(struct convolution *c, const struct shape_case *s, const struct vector_set *set,
                             bool at_end, uint64_t seed)
{
    struct error why;
    memset(c, 0, sizeof *c);
    c->layer = (struct layer){.name = "conv", .kind = LAYER_CONVOLUTION, .kernel = s->kernel, .stride = 1,
                              .outputs = s->out, .relu = s->relu};
    c->model = (struct model){"test", "one layer", s->height, s->width, &c->layer, 1};
    must(net_init(&c->net, &c->model, s->in, 10, &why), &why);
    size_t pixels = (size_t)s->batch * s->height * s->width;
    struct guarded *x[] = {&c->x, &c->dx}, *y[] = {&c->y, &c->dy}, *flat[] = {&c->parameters, &c->gradients};
    for (int i = 0; i < 2; i++) {
        *x[i] = guarded_new(pixels * s->in, at_end);
        *y[i] = guarded_new(pixels * s->out, at_end);
        *flat[i] = guarded_new(c->net.parameters, at_end);
    }
    fill_random(c->x.floats, c->x.count, &seed);
    fill_random(c->dy.floats, c->dy.count, &seed);
    fill_random(c->parameters.floats, c->parameters.count, &seed);
    c->operation = (struct operation){.layer = &c->net.layers[0], .batch = s->batch, .x = c->x.floats, .y = c->y.floats,
                                      .dx = c->dx.floats, .dy = c->dy.floats, .vectors = set};
    must(onednn_winograd.init(&c->operation, &why), &why);
}

static void convolution_run(struct convolution *c)
{
    struct error why;
    c->operation.parameters = c->parameters.floats;
    must(onednn_winograd.prepare(&c->operation, &why), &why);
    must(onednn_winograd.forward(&c->operation, &why), &why);
    must(onednn_winograd.backward(&c->operation, c->gradients.floats, &why), &why);
}

static void convolution_close(struct convolution *c)
{
    struct guarded *all[] = {&c->x, &c->y, &c->dx, &c->dy, &c->parameters, &c->gradients};
    onednn_winograd.free(&c->operation);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        guarded_free(all[i]);
}

/* ---- what is expected: the definitions, summed in double ---- */

static double at(const struct convolution *c, const float *images, int channels, int n, int y, int x, int channel)
{
    const struct shape in = c->net.input; /* SAME and stride 1: the output's height and width too */
    if (y < 0 || x < 0 || y >= in.height || x >= in.width)
        return 0;
    return images[(((size_t)n * in.height + y) * in.width + x) * channels + channel];
}

static double gradient_at(const struct convolution *c, int n, int y, int x, int channel)
{
    int out = c->layer.outputs;
    bool passes = !c->layer.relu || at(c, c->y.floats, out, n, y, x, channel) > 0;
    return passes ? at(c, c->dy.floats, out, n, y, x, channel) : 0;
}

static double weight_at(const struct convolution *c, int ky, int kx, int in, int out)
{
    return c->parameters.floats[((ky * c->layer.kernel + kx) * c->net.input.channels + in) * c->layer.outputs + out];
}

static double expected_output(const struct convolution *c, size_t index)
{
    int in = c->net.input.channels, out = c->layer.outputs, k = c->layer.kernel, channel = (int)(index % out);
    size_t pixel = index / out;
    int x = (int)(pixel % c->net.input.width), y = (int)(pixel / c->net.input.width % c->net.input.height);
    int n = (int)(pixel / c->net.input.width / c->net.input.height);
    double sum = c->parameters.floats[c->net.layers[0].biases + channel];
    for (int ky = 0; ky < k; ky++)
        for (int kx = 0; kx < k; kx++)
            for (int i = 0; i < in; i++)
                sum += at(c, c->x.floats, in, n, y + ky - k / 2, x + kx - k / 2, i) * weight_at(c, ky, kx, i, channel);
    return c->layer.relu ? fmax(sum, 0) : sum;
}

static double expected_input_gradient(const struct convolution *c, size_t index)
{
    int in = c->net.input.channels, out = c->layer.outputs, k = c->layer.kernel, channel = (int)(index % in);
    size_t pixel = index / in;
    int x = (int)(pixel % c->net.input.width), y = (int)(pixel / c->net.input.width % c->net.input.height);
    int n = (int)(pixel / c->net.input.width / c->net.input.height);
    double sum = 0;
    for (int ky = 0; ky < k; ky++)
        for (int kx = 0; kx < k; kx++)
            for (int o = 0; o < out; o++)
                sum += gradient_at(c, n, y - ky + k / 2, x - kx + k / 2, o) * weight_at(c, ky, kx, channel, o);
    return sum;
}

static double expected_gradient(const struct convolution *c, size_t index)
{
    const struct shape image = c->net.input;
    int out = c->layer.outputs, k = c->layer.kernel, o = (int)(index % out);
    bool bias = index >= c->net.layers[0].biases;
    int i = (int)(index / out % image.channels);
    int kx = (int)(index / out / image.channels % k), ky = (int)(index / out / image.channels / k);
    double sum = 0;
    for (int n = 0; n < c->operation.batch; n++)
        for (int y = 0; y < image.height; y++)
            for (int x = 0; x < image.width; x++)
                sum += gradient_at(c, n, y, x, o) *
                       (bias ? 1 : at(c, c->x.floats, image.channels, n, y + ky - k / 2, x + kx - k / 2, i));
    return sum;
}

/* Compares `samples` of them, chosen at random, with the first and the last; relative to the largest expected. */
static void compare(const char *what, const struct convolution *c, const float *got, size_t first, size_t count,
                    double (*expected)(const struct convolution *, size_t), int samples)
{
    double tolerance = 2e-5, largest = 0, worst = 0;
    uint64_t seed = 99;
    for (int s = 0; s < samples; s++) {
        size_t index = first + (s == 0 ? 0 : s == 1 ? count - 1 : random_below(&seed, count));
        double want = expected(c, index), difference = fabs(got[index] - want);
        largest = fmax(largest, fabs(want));
        worst = difference > worst || isnan(difference) ? difference : worst;
    }
    if (getenv("TEST_VERBOSE"))
        printf("# %s: relative error %.1e\n", what, worst / largest);
    if (!(worst <= tolerance * largest))
        fail_msg("%s of %d x %d, %d to %d channels, kernel %d, batch %d: relative error %.3g, allowed %.1g", what,
                 c->net.input.height, c->net.input.width, c->net.input.channels, c->layer.outputs, c->layer.kernel,
                 c->operation.batch, worst / largest, tolerance);
}

static void check_case(const struct vector_set *set, const struct shape_case *s, bool at_end)
{
    struct convolution c;
    convolution_open(&c, s, set, at_end, 7);
    memset(c.gradients.floats, 0x7f, c.gradients.count * sizeof(float)); /* to be overwritten, not added to */
    memset(c.dx.floats, 0x7f, c.dx.count * sizeof(float));
    convolution_run(&c);
    const struct net_layer *l = &c.net.layers[0];
    compare("output", &c, c.y.floats, 0, c.y.count, expected_output, 150);
    compare("input gradient", &c, c.dx.floats, 0, c.dx.count, expected_input_gradient, 150);
    compare("weight gradient", &c, c.gradients.floats, l->weights, l->weight_count, expected_gradient, 60);
    compare("bias gradient", &c, c.gradients.floats, l->biases, l->bias_count, expected_gradient, 16);
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
        check_case(set, &cases[i], i % 2);
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

static void assert_same(const struct guarded *a, const struct guarded *b)
{
    assert_memory_equal(a->floats, b->floats, a->count * sizeof(float));
}

/* Threads share out images: an image's numbers do not depend on them, sums are in the order of threads. */
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

/* It must reach the loss. */
static void test_nan_passes(void **state)
{
    (void)state;
    const struct shape_case s = {7, 7, 16, 16, 3, 1, true};
    struct convolution c;
    convolution_open(&c, &s, vector_set_at(0), true, 3);
    c.x.floats[0] = NAN;
    convolution_run(&c);
    assert_true(isnan(c.y.floats[0]));
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
        cmocka_unit_test(test_threads), cmocka_unit_test(test_nan_passes), cmocka_unit_test(test_applies),
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
