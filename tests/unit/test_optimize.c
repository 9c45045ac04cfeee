/* Compares the update with TensorFlow's: learning rate, decay of the averages, SGD with weight decay, EMA. */
#include "reference.h"

#include "optimize.h"

enum { SAMPLES_AN_EPOCH = 50000 };

static double relative(double found, double expected)
{
    return fabs(found - expected) / (expected != 0 ? fabs(expected) : 1);
}

/* Our schedule counts samples: the rate falls at the first step after 350 whole epochs. TensorFlow's counts steps, and rounds
 * batches per epoch * 350 down to a whole number, so its rate may fall slightly earlier: by less than one step the first time,
 * and by less than two the second. */
static int rate_agrees(float found, float expected, int64_t step, int64_t decay_steps, double exact_decay_steps)
{
    if (relative(found, expected) < 1e-6)
        return 1;
    int64_t stair = step / decay_steps;
    return (double)step >= (double)stair * decay_steps && (double)step < (double)stair * exact_decay_steps &&
           relative(found, 10.0 * expected) < 1e-6;
}

static void check_rates(struct h5 *h5, int batch)
{
    struct schedule schedule = {.rate = 0.1, .factor = 0.1, .epochs = 350, .epoch_samples = SAMPLES_AN_EPOCH};
    struct error why;
    char group[64];
    int64_t decay_steps, early = 0;
    size_t count;
    snprintf(group, sizeof group, "/rate_batch%d", batch);
    assert_int_equal(h5_get_integer(h5, group, "decay_steps", &decay_steps, &why), 0);
    double exact = 350.0 * SAMPLES_AN_EPOCH / batch;
    int64_t *steps = reference_read(h5, H5_INT64, NULL, &count, "%s/step", group);
    float *rates = reference_read(h5, H5_FLOAT, NULL, &count, "%s/rate", group);
    assert_true(count > 30);
    for (size_t i = 0; i < count; i++) {
        float found = schedule_rate(&schedule, (uint64_t)steps[i] * (uint64_t)batch);
        if (!rate_agrees(found, rates[i], steps[i], decay_steps, exact))
            fail_msg("batch %d, step %lld: rate %g, TensorFlow's is %g", batch, (long long)steps[i], found, rates[i]);
        early += relative(found, rates[i]) > 1e-6;
    }
    printf("# batch %d: %zu steps, in %lld of them TensorFlow is a stair ahead\n", batch, count, (long long)early);
    if (exact == (double)decay_steps)
        assert_int_equal(early, 0);
    free(steps);
    free(rates);
}

static void test_learning_rate(void **state)
{
    (void)state;
    struct h5 *h5 = reference_open("optimize.h5");
    check_rates(h5, 100);
    check_rates(h5, 128);
    check_rates(h5, 1000);
    reference_close(h5);
}

/* The expected rate is computed in whole numbers: epochs_e5 counts units of 1e-5 epochs, so the rate falls every epochs_e5 / 2
 * samples. */
static void check_stairs(uint64_t epochs_e5, uint64_t batch)
{
    struct schedule schedule = {.rate = 0.1, .factor = 0.1, .epochs = (double)epochs_e5 / 1e5, .epoch_samples = SAMPLES_AN_EPOCH};
    double expected = 0.1;
    uint64_t stair = 0;
    for (uint64_t step = 0; stair < 6; step++) {
        for (; stair < 2 * step * batch / epochs_e5; stair++)
            expected *= 0.1;
        float found = schedule_rate(&schedule, step * batch);
        if (relative(found, expected) > 1e-6)
            fail_msg("%g epochs, batch %d, step %d: rate %g, not %g", schedule.epochs, (int)batch, (int)step, found, expected);
    }
}

/* The rate falls exactly at the step where enough samples are complete, even if the quotient of doubles is rounded to just below a
 * whole number. */
static void test_decay_on_its_step(void **state)
{
    (void)state;
    check_stairs(102, 51);
    check_stairs(102, 17);
    check_stairs(111, 37);
    check_stairs(110000, 100); /* 1.1 epochs */
    for (uint64_t epochs_e5 = 100; epochs_e5 < 1000; epochs_e5++)
        for (uint64_t batch = 1; batch <= 64; batch++)
            check_stairs(epochs_e5, batch);
}

static void test_ema_decay(void **state)
{
    (void)state;
    struct h5 *h5 = reference_open("optimize.h5");
    size_t count;
    int64_t *steps = reference_read(h5, H5_INT64, NULL, &count, "/ema/step");
    float *decays = reference_read(h5, H5_FLOAT, NULL, &count, "/ema/decay");
    assert_int_equal(steps[0], 1);
    assert_true(fabs(decays[0] - 2.0 / 11) < 1e-7);
    for (size_t i = 0; i < count; i++)
        if (relative(ema_decay(0.9999f, (uint64_t)steps[i]), decays[i]) > 1.2e-7)
            fail_msg("step %lld: decay %.9g, TensorFlow's is %.9g", (long long)steps[i],
                     ema_decay(0.9999f, (uint64_t)steps[i]), decays[i]);
    free(steps);
    free(decays);
    reference_close(h5);
}

static void fill_drawn(float *values, size_t count, uint64_t stream, float scale)
{
    for (size_t i = 0; i < count; i++)
        values[i] = reference_draw(stream, i, scale);
}

static void check_apart(const char *what, struct difference apart, double tolerance)
{
    printf("# %s: norm %.1e, most %.1e\n", what, apart.norm, apart.most);
    if (!(apart.norm <= tolerance && apart.most <= tolerance))
        fail_msg("%s: norm of the difference %.2e, largest %.2e, allowed %.0e", what, apart.norm, apart.most,
                 tolerance);
}

static void test_ema_update(void **state)
{
    (void)state;
    struct h5 *h5 = reference_open("optimize.h5");
    enum { LENGTH = 64 };
    float value[LENGTH], shadow[LENGTH];
    size_t count;
    struct difference worst = {0, 0};
    int64_t *steps = reference_read(h5, H5_INT64, NULL, &count, "/ema/step");
    float *expected = reference_read(h5, H5_FLOAT, NULL, &count, "/ema/shadow");
    fill_drawn(value, LENGTH, 30001, 1);
    for (size_t i = 0; i < count / LENGTH; i++) {
        fill_drawn(shadow, LENGTH, 30000, 1);
        ema_update(shadow, value, LENGTH, ema_decay(0.9999f, (uint64_t)steps[i]));
        struct difference apart = difference_between(shadow, expected + i * LENGTH, LENGTH);
        worst.norm = fmax(worst.norm, apart.norm);
        worst.most = fmax(worst.most, apart.most);
    }
    check_apart("shadows", worst, 2e-7);
    free(steps);
    free(expected);
    reference_close(h5);
}

static void check_sgd(struct h5 *h5, const char *name, float rate, float decay)
{
    enum { LENGTH = 1003 };
    float parameters[LENGTH], gradients[LENGTH];
    size_t count;
    fill_drawn(parameters, LENGTH, 30002, 0.25f);
    fill_drawn(gradients, LENGTH, 30003, 4);
    float *updated = reference_read(h5, H5_FLOAT, NULL, &count, "/sgd/%s/updated", name);
    assert_int_equal(count, LENGTH);
    float *expected = reference_read(h5, H5_FLOAT, NULL, &count, "/sgd/%s/penalty", name);
    double penalty = sgd_apply(parameters, gradients, LENGTH, rate, 1.0f / 8, decay);
    check_apart(name, difference_between(parameters, updated, LENGTH), 2e-7);
    if (relative(penalty, *expected) > 1e-6)
        fail_msg("%s: penalty %.9g, TensorFlow's is %.9g", name, penalty, *expected);
    free(updated);
    free(expected);
}

static void test_sgd(void **state)
{
    (void)state;
    struct h5 *h5 = reference_open("optimize.h5");
    check_sgd(h5, "plain", 0.1f, 0);
    check_sgd(h5, "decayed", 0.1f, 0.004f);
    check_sgd(h5, "late", 0.001f, 0.004f);
    reference_close(h5);
}

/* The update gives the same bits however the vector is divided; ranks and slices rely on that. */
static void test_updates_element_by_element(void **state)
{
    (void)state;
    enum { LENGTH = 1003 };
    float whole[LENGTH], parts[LENGTH], gradients[LENGTH], shadow_whole[LENGTH], shadow_parts[LENGTH];
    fill_drawn(whole, LENGTH, 30002, 0.25f);
    fill_drawn(parts, LENGTH, 30002, 0.25f);
    fill_drawn(gradients, LENGTH, 30003, 4);
    fill_drawn(shadow_whole, LENGTH, 30004, 1);
    fill_drawn(shadow_parts, LENGTH, 30004, 1);
    sgd_apply(whole, gradients, LENGTH, 0.1f, 1.0f / 128, 0.004f);
    ema_update(shadow_whole, whole, LENGTH, 0.75f);
    for (size_t i = 0, length = 1; i < LENGTH; i += length, length = length % 7 + 1) {
        size_t part = LENGTH - i < length ? LENGTH - i : length;
        sgd_apply(parts + i, gradients + i, part, 0.1f, 1.0f / 128, 0.004f);
        ema_update(shadow_parts + i, parts + i, part, 0.75f);
    }
    assert_memory_equal(whole, parts, sizeof whole);
    assert_memory_equal(shadow_whole, shadow_parts, sizeof shadow_whole);
}

/* An optimizer with two states: the moving averages, which only rank 0 keeps, and one that all ranks keep for the update. */
static void test_states(void **state)
{
    (void)state;
    enum { LENGTH = 3 };
    const struct optimizer two = {"two", 2, {{"ema", true, true}, {"velocity", false, false}}};
    const float parameters[LENGTH] = {1, -2, 3}, zeros[LENGTH] = {0};
    for (int master = 0; master < 2; master++) {
        struct error why;
        float *states[OPTIMIZER_STATES_MAX];
        assert_int_equal(optimizer_allocate(&two, master, LENGTH, states, &why), 0);
        assert_true((states[OPTIMIZER_EMA] != NULL) == master && states[1] && !states[2] && !states[3]);
        states[1][2] = 5;
        optimizer_begin(&two, parameters, LENGTH, states);
        if (master)
            assert_memory_equal(states[OPTIMIZER_EMA], parameters, sizeof parameters);
        assert_memory_equal(states[1], zeros, sizeof zeros);
        optimizer_free(states);
        assert_null(states[1]);
    }
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learning_rate),
        cmocka_unit_test(test_decay_on_its_step),
        cmocka_unit_test(test_ema_decay),
        cmocka_unit_test(test_ema_update),
        cmocka_unit_test(test_sgd),
        cmocka_unit_test(test_updates_element_by_element),
        cmocka_unit_test(test_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
