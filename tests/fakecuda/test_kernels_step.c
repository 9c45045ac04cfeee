/* The kernels at the end of a step, run by their twins on the CPU in many orders: updates bit for bit as in src/optimize, the
 * loss as on the CPU's towers. */
#include "../../src/backends/host.h"
#include "kernels_fixture.h"

#include "optimize.h"
#include "parcel.h"

/* ---- loss ---- */

struct losses {
    struct plan plan; /* the CPU's: logits, and its gradients */
    int32_t *labels;
    float *gradient, tail[PARCEL_SLOTS]; /* the kernel's */
};

static void losses_open(struct losses *l, int batch, int classes, float scale, uint64_t *random)
{
    size_t count = (size_t)batch * (size_t)classes;
    l->plan = (struct plan){.batch = batch, .classes = classes, .output = floats_new(count),
                            .output_gradient = floats_new(count)};
    l->labels = bytes_new((size_t)batch * sizeof *l->labels);
    l->gradient = bytes_new(count * sizeof *l->gradient);
    fill_random(l->plan.output, count, random);
    for (size_t i = 0; i < count; i++)
        l->plan.output[i] *= scale;
    for (int n = 0; n < batch; n++)
        l->labels[n] = (int32_t)random_below(random, (size_t)classes);
}

static void losses_run(struct losses *l, int count, const struct pass_control *control, float *gradient)
{
    uint64_t next = 0;
    struct loss_arguments a = {.logits = l->plan.output, .labels = l->labels, .gradient = gradient, .tail = l->tail,
                               .control = control, .next = &next, .batch = l->plan.batch, .count = count,
                               .classes = l->plan.classes};
    RUN(loss, 1, a);
    assert_true(next == (control ? control->pass + 1 : 0));
}

static void losses_close(struct losses *l)
{
    free(l->plan.output), free(l->plan.output_gradient), free(l->labels), free(l->gradient);
}

static void check_loss(int batch, int count, int classes, float scale, uint64_t *random)
{
    struct losses l;
    struct loss_sums sums;
    struct error why;
    struct pass_control control = {.pass = 40, .stop = 3};
    losses_open(&l, batch, classes, scale, random);
    l.plan.output[random_below(random, (size_t)(batch * classes))] = scale; /* perhaps the largest, or one of two equal ones */
    must(host_loss(&l.plan, l.labels, count, &sums, &why), &why);
    losses_run(&l, count, &control, l.gradient);
    assert_true(fabs(l.tail[PARCEL_LOSS] - sums.loss) <= 3e-7 * fabs(sums.loss));
    assert_true(l.tail[PARCEL_CORRECT] == (float)sums.correct);
    assert_true(l.tail[PARCEL_COUNT] == (float)count);
    assert_true(l.tail[PARCEL_FAULT] == 0 && l.tail[PARCEL_STOP] == 3);
    assert_close_floats("gradient", l.gradient, l.plan.output_gradient, (size_t)(batch * classes), 1e-6);
    losses_run(&l, count, NULL, NULL);
    assert_true(l.tail[PARCEL_CORRECT] == (float)sums.correct && l.tail[PARCEL_STOP] == 0);
    losses_close(&l);
}

static void test_loss_as_the_host(void **state)
{
    (void)state;
    static const int sizes[][3] = {{128, 128, 10}, {128, 77, 10}, {1, 1, 10}, {3, 0, 10}, {600, 597, 10},
                                   {16, 16, 3000}, {300, 300, 2}}; /* batch, count, classes */
    uint64_t random = 2;
    for (int turn = 0; turn < 20; turn++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            check_loss(sizes[i][0], sizes[i][1], sizes[i][2], turn % 4 == 3 ? 60 : 4, &random);
}

/* All logits equal: the first counts as the largest. */
static void test_the_first_of_equals_is_right(void **state)
{
    (void)state;
    uint64_t random = 3;
    struct losses l;
    losses_open(&l, 20, 10, 0, &random);
    for (int n = 0; n < 20; n++)
        l.labels[n] = n % 4;
    losses_run(&l, 20, NULL, NULL);
    assert_true(l.tail[PARCEL_CORRECT] == 5);
    losses_close(&l);
}

/* One bad value in a batch that is otherwise right everywhere; or an invalid label. */
static void test_a_loss_that_is_no_number(void **state)
{
    (void)state;
    static const float values[] = {NAN, INFINITY, -INFINITY};
    uint64_t random = 4;
    for (int turn = 0; turn < 60; turn++) {
        struct losses l;
        int at = (int)random_below(&random, 20), kind = turn % 5;
        losses_open(&l, 20, 10, 0, &random);
        for (int n = 0; n < 20; n++)
            l.plan.output[n * 10 + l.labels[n]] = 1;
        if (kind < 3)
            l.plan.output[at * 10 + l.labels[at]] = values[kind];
        else
            l.labels[at] = kind == 3 ? 10 : -1;
        losses_run(&l, 20, NULL, l.gradient);
        assert_false(isfinite(l.tail[PARCEL_LOSS]));
        assert_true(l.tail[PARCEL_FAULT] == 1);
        assert_true(l.tail[PARCEL_CORRECT] == 19);
        losses_close(&l);
    }
}

/* ---- update ---- */

enum { LENGTH = 5003, SLICES = 3 };

/* Parameters, gradients and shadows: the kernel's, and the CPU's result. */
struct update_case {
    float *p, *g, *s, *p_expected, *s_expected;
    double penalty;
    struct update_arguments a;
};

/* Weights with a decay, and biases without. */
static const struct slice slices[SLICES] = {
    {.weights = 0, .biases = 1001, .end = 1001, .decay = 0.004f}, {.weights = 1001, .biases = 1003, .end = 2000, .decay = 0.5f},
    {.weights = 2000, .biases = 4999, .end = LENGTH, .decay = 0.01f}};

static float *drawn(uint64_t *random)
{
    float *values = floats_new(LENGTH);
    fill_random(values, LENGTH, random);
    return values;
}

static float *copied(const float *from)
{
    return memcpy(floats_new(LENGTH), from, LENGTH * sizeof(float));
}

static void update_open(struct update_case *u, uint64_t *random)
{
    *u = (struct update_case){.p = drawn(random), .g = drawn(random), .s = drawn(random)};
    u->p_expected = copied(u->p);
    u->s_expected = copied(u->s);
    u->a = (struct update_arguments){.parameters = u->p, .gradients = u->g, .shadows = u->s, .rate = 0.1f, .scale = 1.0f / 96,
                                     .ema_decay = 0.9f, .count = LENGTH, .slice_count = SLICES};
    memcpy(u->a.slices, slices, sizeof slices);
}

/* Computes the expected result. */
static void update_expect(struct update_case *u, float rate, float scale, float ema_decay)
{
    size_t done = 0;
    for (int i = 0; i < SLICES; i++) {
        size_t first = slices[i].weights, last = slices[i].biases;
        sgd_apply(u->p_expected + done, u->g + done, first - done, rate, scale, 0);
        u->penalty += sgd_apply(u->p_expected + first, u->g + first, last - first, rate, scale, slices[i].decay);
        done = last;
    }
    sgd_apply(u->p_expected + done, u->g + done, LENGTH - done, rate, scale, 0);
    ema_update(u->s_expected, u->p_expected, LENGTH, ema_decay);
}

static void update_check(struct update_case *u, unsigned blocks)
{
    struct step_record *record = bytes_new(sizeof *record);
    double sum = 0;
    u->a.ring = record, u->a.ring_length = 1;
    RUN(update, blocks, u->a);
    assert_int_equal(record->parts, blocks);
    for (unsigned i = 0; i < blocks; i++)
        sum += record->penalties[i];
    assert_true(isnan(sum) == isnan(u->penalty));
    if (u->penalty != 0 && !isnan(sum) && !(fabs(sum - u->penalty) <= 1e-6 * u->penalty))
        fail_msg("penalty %.9g, expected %.9g", sum, u->penalty);
    assert_memory_equal(u->p, u->p_expected, LENGTH * sizeof(float));
    assert_memory_equal(u->s, u->s_expected, LENGTH * sizeof(float));
    free(u->p), free(u->g), free(u->s), free(u->p_expected), free(u->s_expected), free(record);
}

static void test_updates_to_the_bit(void **state)
{
    (void)state;
    uint64_t random = 5;
    for (int turn = 0; turn < 20; turn++) {
        struct update_case u;
        update_open(&u, &random);
        update_expect(&u, 0.1f, 1.0f / 96, 0.9f);
        update_check(&u, some_blocks(&random));
    }
}

/* Rate and decay come from the control, the scale from the tail. */
static void test_updates_as_it_is_told(void **state)
{
    (void)state;
    uint64_t random = 6;
    const float tail[PARCEL_SLOTS] = {[PARCEL_LOSS] = 5, [PARCEL_COUNT] = 384, [PARCEL_STOP] = 1};
    const struct pass_control control = {.rate = 0.03f, .ema_decay = 0.99f};
    struct update_case u;
    update_open(&u, &random);
    u.a.control = &control, u.a.tail = tail;
    update_expect(&u, 0.03f, 1.0f / 384, 0.99f);
    update_check(&u, 3);
}

static void test_a_fault_changes_nothing(void **state)
{
    (void)state;
    static const float losses[] = {NAN, INFINITY, 5, 5}, faults[] = {0, 0, 1, 3};
    uint64_t random = 7;
    for (int i = 0; i < 4; i++) {
        const float tail[PARCEL_SLOTS] = {[PARCEL_LOSS] = losses[i], [PARCEL_COUNT] = 384, [PARCEL_FAULT] = faults[i]};
        struct update_case u;
        update_open(&u, &random);
        u.a.tail = tail;
        update_check(&u, 3);
    }
}

static void test_only_parameters_or_only_shadows(void **state)
{
    (void)state;
    uint64_t random = 8;
    struct update_case u;
    update_open(&u, &random);
    update_expect(&u, 0.1f, 1.0f / 96, 0.9f);
    memcpy(u.s_expected, u.s, LENGTH * sizeof(float));
    u.a.shadows = NULL;
    update_check(&u, 3);
    update_open(&u, &random);
    ema_update(u.s_expected, u.p, LENGTH, 0.9f);
    u.a.gradients = NULL, u.a.slice_count = 0;
    update_check(&u, 3);
}

/* Arrays that begin at the second float or later are not aligned: values move one at a time. */
static void test_updates_what_is_not_aligned(void **state)
{
    (void)state;
    uint64_t random = 9;
    float *p = drawn(&random), *g = drawn(&random), *s = drawn(&random), *expected = copied(p), *shadows = copied(s);
    struct update_arguments a = {.parameters = p + 1, .gradients = g + 2, .shadows = s + 3, .rate = 0.1f, .scale = 0.5f,
                                 .ema_decay = 0.9f, .count = 1000, .slice_count = 1,
                                 .slices = {{.biases = 1000, .end = 1000, .decay = 0.01f}}};
    RUN(update, 2, a);
    sgd_apply(expected + 1, g + 2, 1000, 0.1f, 0.5f, 0.01f);
    ema_update(shadows + 3, expected + 1, 1000, 0.9f);
    assert_memory_equal(p, expected, LENGTH * sizeof *p);
    assert_memory_equal(s, shadows, LENGTH * sizeof *s);
    free(p), free(g), free(s), free(expected), free(shadows);
}

/* The update of a moving average: a step of size keep - 1 with a decay of -1, whatever the pass's rate. */
static void test_a_moving_average(void **state)
{
    (void)state;
    enum { COUNT = 1000, SAMPLES = 96 };
    uint64_t random = 10;
    const float keep = 0.9f, tail[PARCEL_SLOTS] = {[PARCEL_COUNT] = SAMPLES};
    const struct pass_control control = {.rate = 7, .ema_decay = 0.5f};
    float *p = drawn(&random), *sums = drawn(&random), *s = drawn(&random);
    double *expected = calloc(COUNT, sizeof *expected), *shadows = calloc(COUNT, sizeof *shadows);
    assert_true(expected && shadows);
    for (int i = 0; i < COUNT; i++) {
        expected[i] = p[i] + (1 - (double)keep) * (sums[i] / (double)SAMPLES - p[i]);
        shadows[i] = 0.5 * s[i] + 0.5 * expected[i];
    }
    struct update_arguments a = {.parameters = p, .gradients = sums, .shadows = s, .tail = tail, .control = &control,
                                 .rate = keep - 1, .keeps_rate = 1, .count = COUNT, .slice_count = 1,
                                 .slices = {{.biases = COUNT, .end = COUNT, .decay = -1}}};
    RUN(update, 2, a);
    assert_close("averages", p, expected, COUNT, 1e-6);
    assert_close("shadows", s, shadows, COUNT, 1e-6);
    free(p), free(sums), free(s), free(expected), free(shadows);
}

static void test_the_record_of_a_step(void **state)
{
    (void)state;
    enum { RING = 64, BLOCKS = 300 };
    struct step_record *ring = bytes_new(RING * sizeof *ring);
    const float tail[PARCEL_SLOTS] = {[PARCEL_LOSS] = 5, [PARCEL_CORRECT] = 6, [PARCEL_COUNT] = 7, [PARCEL_FAULT] = 8,
                                      [PARCEL_STOP] = 9};
    const struct pass_control control = {.step = 1ull << 40 | 130};
    uint64_t random = 10;
    struct update_case u;
    memset(ring, 0, RING * sizeof *ring);
    update_open(&u, &random);
    u.a.tail = tail, u.a.control = &control, u.a.ring = ring, u.a.ring_length = RING;
    RUN(update, BLOCKS, u.a);
    const struct step_record *r = &ring[3];
    assert_true(r->step == (1ull << 40 | 131) && r->loss == 5 && r->correct == 6 && r->count == 7);
    assert_true(r->fault == 1 && r->stop == 9 && r->parts == BLOCKS);
    for (int i = 0; i < RING; i++)
        assert_true(i == 3 || (ring[i].step == 0 && ring[i].parts == 0));
    free(ring), free(u.p), free(u.g), free(u.s), free(u.p_expected), free(u.s_expected);
}

/* The results of steps on both sides of the ring's end. */
static void test_results_of_steps(void **state)
{
    (void)state;
    enum { RING = 8, STEPS = 5, FIRST = 14, PARTS = 300 };
    struct step_record *ring = bytes_new(RING * sizeof *ring);
    struct step_result results[STEPS];
    const struct results_arguments a = {.ring = ring, .results = results, .first = FIRST, .ring_length = RING, .count = STEPS};
    for (int i = 0; i < STEPS; i++) {
        struct step_record *r = &ring[(FIRST + i) % RING];
        r->step = (uint64_t)(FIRST + i), r->parts = PARTS + (uint32_t)i;
        r->loss = (float)i, r->correct = 2, r->count = 3, r->fault = 4, r->stop = 5;
        for (uint32_t k = 0; k < r->parts; k++)
            r->penalties[k] = k + 0.25;
    }
    RUN(results, 3, a);
    for (int i = 0; i < STEPS; i++) {
        const struct step_result *r = &results[i];
        assert_true(r->step == (uint64_t)(FIRST + i) && r->loss == (float)i && r->correct == 2 && r->count == 3);
        assert_true(r->fault == 4 && r->stop == 5 && r->penalty == (PARTS + i) * (PARTS + i - 1) / 2 + 0.25 * (PARTS + i));
    }
    free(ring);
}

/* ---- copies ---- */

/* Copies of a convolution, of a dense layer whose weights are not aligned for vectors, of a layer without copies, and of a dense
 * layer whose biases have no copy. */
enum { KERNEL = 3, IN = 5, OUT = 7, Y_IN = 8, WEIGHTS = KERNEL * KERNEL * IN * OUT, DENSE = 1000 };

struct copies {
    struct typed filter, bias, dense, aligned;
};

static void copies_open(struct update_case *u, struct copies *c, int half)
{
    size_t filter = OUT * KERNEL * KERNEL * Y_IN, first = WEIGHTS + OUT;
    *c = (struct copies){typed_new(filter, half), typed_new(OUT, 1), typed_new(DENSE, 1), typed_new(DENSE, 1)};
    memset(c->filter.data, 0, filter * (half ? 2 : 4));
    const struct slice copied[] = {
        {.biases = WEIGHTS, .end = WEIGHTS + OUT, .filter = c->filter.data, .bias = c->bias.data, .kernel = KERNEL, .in = IN,
         .out = OUT, .y_in = Y_IN, .half = half},
        {.weights = (uint32_t)first, .biases = (uint32_t)first + DENSE, .end = (uint32_t)first + DENSE + 3,
         .filter = c->dense.data, .half = 1},
        {.weights = (uint32_t)first + DENSE + 3, .biases = 2000, .end = 2000},
        {.weights = 2000, .biases = 2000 + DENSE, .end = 2000 + DENSE + 1, .filter = c->aligned.data, .half = 1},
    };
    memcpy(u->a.slices, copied, sizeof copied);
    u->a.slice_count = sizeof copied / sizeof *copied;
}

static void copies_close(struct copies *c, const float *p)
{
    float filter[OUT * KERNEL * KERNEL * Y_IN] = {0};
    for (int tap = 0; tap < KERNEL * KERNEL; tap++)
        for (int in = 0; in < IN; in++)
            for (int out = 0; out < OUT; out++)
                filter[(out * KERNEL * KERNEL + tap) * Y_IN + in] = p[(tap * IN + in) * OUT + out];
    assert_typed("filter", &c->filter, filter, OUT * KERNEL * KERNEL * Y_IN);
    assert_typed("bias", &c->bias, p + WEIGHTS, OUT);
    assert_typed("a dense layer's weights", &c->dense, p + WEIGHTS + OUT, DENSE);
    assert_typed("those of another", &c->aligned, p + 2000, DENSE);
    free(c->filter.data), free(c->bias.data), free(c->dense.data), free(c->aligned.data);
}

static void test_copies_follow_the_parameters(void **state)
{
    (void)state;
    uint64_t random = 11;
    for (int turn = 0; turn < 20; turn++) {
        struct update_case u;
        struct copies c;
        update_open(&u, &random);
        copies_open(&u, &c, turn % 2);
        if (turn % 4 < 2) { /* copies of parameters from elsewhere */
            u.a.gradients = u.a.shadows = NULL;
        } else {
            sgd_apply(u.p_expected, u.g, LENGTH, 0.1f, 1.0f / 96, 0);
            ema_update(u.s_expected, u.p_expected, LENGTH, 0.9f);
        }
        float *p = copied(u.p_expected);
        update_check(&u, some_blocks(&random));
        copies_close(&c, p);
        free(p);
    }
}

/* If any of the flags that finish left is set, neither parameters nor shadows change, and the record says so. */
static void test_all_or_nothing(void **state)
{
    (void)state;
    enum { FLAGS = 700 };
    const float tail[PARCEL_SLOTS] = {[PARCEL_LOSS] = 5, [PARCEL_COUNT] = 96};
    uint32_t flags[FLAGS] = {0};
    uint64_t random = 13;
    for (int turn = 0; turn < 24; turn++) {
        struct update_case u;
        struct step_record record;
        size_t flag = random_below(&random, FLAGS);
        update_open(&u, &random);
        if (turn % 4 == 3)
            update_expect(&u, 0.1f, 1.0f / 96, 0.9f);
        flags[flag] = turn % 4 < 3;
        u.a.tail = tail, u.a.faults = flags, u.a.fault_count = FLAGS, u.a.ring = &record, u.a.ring_length = 1;
        RUN(update, some_blocks(&random), u.a);
        flags[flag] = 0;
        assert_true(record.fault == (turn % 4 < 3));
        assert_memory_equal(u.p, u.p_expected, LENGTH * sizeof(float));
        assert_memory_equal(u.s, u.s_expected, LENGTH * sizeof(float));
        free(u.p), free(u.g), free(u.s), free(u.p_expected), free(u.s_expected);
    }
}

/* If nothing was changed, nothing is copied. */
static void test_a_fault_copies_nothing(void **state)
{
    (void)state;
    uint64_t random = 12;
    const float tail[PARCEL_SLOTS] = {[PARCEL_LOSS] = 5, [PARCEL_COUNT] = 384, [PARCEL_FAULT] = 1};
    struct update_case u;
    struct copies c;
    float *before = floats_new(LENGTH);
    update_open(&u, &random);
    copies_open(&u, &c, 1);
    memset(c.bias.data, 0, OUT * 2), memset(c.dense.data, 0, DENSE * 2), memset(c.aligned.data, 0, DENSE * 2);
    u.a.tail = tail;
    update_check(&u, 3);
    copies_close(&c, before);
    free(before);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss_as_the_host),
        cmocka_unit_test(test_the_first_of_equals_is_right),
        cmocka_unit_test(test_a_loss_that_is_no_number),
        cmocka_unit_test(test_updates_to_the_bit),
        cmocka_unit_test(test_updates_as_it_is_told),
        cmocka_unit_test(test_a_fault_changes_nothing),
        cmocka_unit_test(test_only_parameters_or_only_shadows),
        cmocka_unit_test(test_updates_what_is_not_aligned),
        cmocka_unit_test(test_a_moving_average),
        cmocka_unit_test(test_the_record_of_a_step),
        cmocka_unit_test(test_results_of_steps),
        cmocka_unit_test(test_copies_follow_the_parameters),
        cmocka_unit_test(test_all_or_nothing),
        cmocka_unit_test(test_a_fault_copies_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
