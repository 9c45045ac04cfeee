/* The kernel at the end of the backward pass, run by its twin on the CPU in many orders: filters' gradients against their
 * definition, sums of biases, and the flags of numbers that are not finite. */
#include "kernels_fixture.h"

struct filter_case { int kernel, in, out, y_in, half, parts; };

static size_t filter_at(const struct filter_case *f, int tap, int in, int out)
{
    return ((size_t)out * (size_t)(f->kernel * f->kernel) + (size_t)tap) * (size_t)f->y_in + (size_t)in;
}

static size_t weight_at(const struct filter_case *f, int tap, int in, int out)
{
    return ((size_t)tap * (size_t)f->in + (size_t)in) * (size_t)f->out + (size_t)out;
}

static size_t weight_count(const struct filter_case *f)
{
    return (size_t)(f->kernel * f->kernel) * (size_t)f->in * (size_t)f->out;
}

static size_t filter_count(const struct filter_case *f)
{
    return (size_t)(f->kernel * f->kernel) * (size_t)f->y_in * (size_t)f->out;
}

/* Makes a filter from weights; channels beyond theirs are 0. */
static void turn(const struct filter_case *f, const float *weights, float *filter)
{
    memset(filter, 0, filter_count(f) * sizeof *filter);
    for (int tap = 0; tap < f->kernel * f->kernel; tap++)
        for (int in = 0; in < f->in; in++)
            for (int out = 0; out < f->out; out++)
                filter[filter_at(f, tap, in, out)] = weights[weight_at(f, tap, in, out)];
}

static void check_biases(const struct filter_case *f, const float *sums, const float *biases)
{
    double *expected = calloc((size_t)f->out, sizeof *expected);
    assert_non_null(expected);
    for (int i = 0; i < f->parts * f->out; i++)
        expected[i % f->out] += sums[i];
    assert_close("biases", biases, expected, (size_t)f->out, 1e-6);
    free(expected);
}

/* A launch of finish: convolutions, a dense layer between them that is only checked, and a bias that is only summed. */
enum { FILTERS = 3, PLAIN = 20011, PARTS = FILTERS + 3 };

struct finishing {
    const struct filter_case *cases; /* the last has only biases */
    struct finish_arguments a;
    float *weights[FILTERS], *gradients, *parameters, *plain;
    struct typed filters[FILTERS];
    float *sums[FILTERS + 1];
    size_t count;
};

static size_t ceiling(size_t count, size_t by) { return (count + by - 1) / by; }

static void part_add(struct finishing *f, struct finish_part part)
{
    part.tile = f->a.tiles;
    if (part.filter)
        part.squares = (uint32_t)(ceiling((size_t)(part.kernel * part.kernel * part.y_in), 32) * ceiling((size_t)part.out, 32));
    f->a.tiles += part.squares;
    f->a.tiles += (uint32_t)(part.sums ? ceiling((size_t)part.out, 8) : part.filter ? 0 : ceiling(part.end - part.weights, 8192));
    f->a.parts[f->a.part_count++] = part;
}

/* Appends a convolution's part. */
static void convolution_add(struct finishing *f, int i, uint64_t *random)
{
    const struct filter_case *c = &f->cases[i];
    size_t weights = weight_count(c), sums = (size_t)c->parts * (size_t)c->out;
    bool turned = i < FILTERS;
    f->sums[i] = floats_new(sums);
    fill_random(f->sums[i], sums, random);
    struct finish_part part = {.sums = c->parts ? f->sums[i] : NULL, .biases = (uint32_t)f->count, .out = c->out, .runs = c->parts};
    if (turned) {
        float *filter = floats_new(filter_count(c));
        f->weights[i] = floats_new(weights);
        fill_random(f->weights[i], weights, random);
        turn(c, f->weights[i], filter);
        f->filters[i] = typed_of(filter, filter_count(c), c->half);
        free(filter);
        part.filter = f->filters[i].data, part.kernel = (uint16_t)c->kernel, part.in = c->in, part.y_in = c->y_in;
        part.half = (uint8_t)c->half, part.weights = (uint32_t)f->count, part.biases += (uint32_t)weights;
    }
    part_add(f, part);
    f->count = part.biases + (c->parts ? (size_t)c->out : 0);
}

static void finishing_open(struct finishing *f, const struct filter_case *cases, uint64_t *random)
{
    *f = (struct finishing){.cases = cases};
    convolution_add(f, 0, random);
    size_t plain = f->count;
    f->count += PLAIN;
    part_add(f, (struct finish_part){.weights = (uint32_t)plain, .end = (uint32_t)f->count});
    for (int i = 1; i <= FILTERS; i++)
        convolution_add(f, i, random);
    part_add(f, (struct finish_part){.end = (uint32_t)f->count, .of_parameters = 1});
    assert_int_equal(f->a.part_count, PARTS);
    f->a.gradients = f->gradients = bytes_new(f->count * sizeof(float));
    f->a.parameters = f->parameters = floats_new(f->count);
    f->a.faults = bytes_new(f->a.tiles * sizeof(uint32_t));
    fill_random(f->parameters, f->count, random);
    f->plain = f->gradients + plain;
    fill_random(f->plain, PLAIN, random);
}

static void finishing_close(struct finishing *f)
{
    for (int i = 0; i <= FILTERS; i++) {
        free(f->sums[i]);
        if (i < FILTERS)
            free(f->weights[i]), free(f->filters[i].data);
    }
    free(f->gradients), free(f->parameters), free(f->a.faults);
}

static void check_part(const struct finishing *f, int i)
{
    const struct filter_case *c = &f->cases[i];
    const struct finish_part *p = &f->a.parts[i == 0 ? 0 : i + 1];
    for (size_t k = 0; i < FILTERS && k < weight_count(c); k++)
        assert_true(f->gradients[p->weights + k] == (c->half ? round_to_half(f->weights[i][k]) : f->weights[i][k]));
    if (c->parts)
        check_biases(c, f->sums[i], f->gradients + p->biases);
}

/* How many tiles met a number that is not finite. */
static int faults_of(const struct finishing *f)
{
    int faults = 0;
    for (size_t i = 0; i < f->a.tiles; i++) {
        assert_true(f->a.faults[i] <= 1);
        faults += (int)f->a.faults[i];
    }
    return faults;
}

static const struct filter_case filter_cases[][FILTERS + 1] = {
    {{5, 3, 64, 8, 1, 256}, {5, 3, 64, 3, 0, 200}, {5, 64, 64, 64, 0, 5}, {1, 1, 384, 1, 0, 2}},
    {{1, 7, 5, 7, 1, 1}, {3, 48, 130, 48, 1, 16}, {3, 33, 31, 33, 0, 17}, {3, 16, 1, 16, 0, 3}},
    {{3, 8, 40, 8, 1, 0}, {1, 16, 64, 16, 0, 0}, {3, 16, 33, 16, 0, 4}, {1, 1, 9, 1, 0, 2}}, /* 0 parts: no biases */
};
enum { FILTER_CASES = sizeof filter_cases / sizeof *filter_cases, WITH_BIASES = 2 };

static void test_filters_are_turned_back(void **state)
{
    (void)state;
    uint64_t random = 8;
    for (size_t turn = 0; turn < 4 * FILTER_CASES; turn++) {
        struct finishing f;
        finishing_open(&f, filter_cases[turn % FILTER_CASES], &random);
        float *plain = memcpy(floats_new(PLAIN), f.plain, PLAIN * sizeof(float));
        uint32_t *faults = f.a.faults;
        f.a.faults = turn % 4 < 2 ? faults : NULL;
        RUN(finish, some_blocks(&random), f.a);
        f.a.faults = faults;
        for (int i = 0; i <= FILTERS; i++)
            check_part(&f, i);
        assert_memory_equal(plain, f.plain, PLAIN * sizeof(float));
        assert_true(turn % 4 >= 2 || faults_of(&f) == 0);
        free(plain);
        finishing_close(&f);
    }
}

static void spoil_filter(struct finishing *f, int i, float value, uint64_t *random)
{
    const struct filter_case *c = &f->cases[i];
    struct typed *filter = &f->filters[i];
    size_t at = filter_at(c, (int)random_below(random, (size_t)(c->kernel * c->kernel)), (int)random_below(random, (size_t)c->in),
                          (int)random_below(random, (size_t)c->out));
    if (filter->half)
        ((uint16_t *)filter->data)[at] = (uint16_t)(bits_of_float(value) >> 16);
    else
        ((float *)filter->data)[at] = value;
}

/* Spoils one value: of a filter, of a bias's parts, of a dense layer, or of the parameters. */
static void spoil(struct finishing *f, int what, float value, uint64_t *random)
{
    int i = (int)random_below(random, FILTERS), of = (int)random_below(random, FILTERS + 1);
    size_t sums = (size_t)(f->cases[of].parts * f->cases[of].out);
    if (what == 0)
        spoil_filter(f, i, value, random);
    else if (what == 1)
        f->sums[of][random_below(random, sums)] = value;
    else
        (what == 2 ? f->plain : f->parameters)[random_below(random, what == 2 ? PLAIN : f->count)] = value;
}

static void test_a_tile_tells_of_its_faults(void **state)
{
    (void)state;
    static const float values[] = {NAN, INFINITY, -INFINITY};
    uint64_t random = 9;
    for (int turn = 0; turn < 48; turn++) {
        struct finishing f;
        finishing_open(&f, filter_cases[turn % WITH_BIASES], &random);
        spoil(&f, turn / 2 % 4, values[turn % 3], &random);
        RUN(finish, some_blocks(&random), f.a);
        assert_int_equal(faults_of(&f), 1);
        finishing_close(&f);
    }
}

/* Each part of a bias's gradient is finite, but their sum is not. */
static void test_a_sum_that_is_too_large(void **state)
{
    (void)state;
    float sums[2] = {3e38f, 3e38f}, bias;
    uint32_t fault = 7;
    struct finish_arguments a = {.gradients = &bias, .faults = &fault, .tiles = 1, .part_count = 1,
                                 .parts = {{.sums = sums, .out = 1, .runs = 2}}};
    RUN(finish, 1, a);
    assert_true(isinf(bias));
    assert_int_equal(fault, 1);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters_are_turned_back),
        cmocka_unit_test(test_a_tile_tells_of_its_faults),
        cmocka_unit_test(test_a_sum_that_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
