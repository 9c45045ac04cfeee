/* The thread that writes checkpoints: its files are whole, each has an outcome, and it shares nothing while it works (the thread
 * sanitizer runs this test too). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint_fixture.h"
#include "clock.h"

static void saver_begin(struct fixture *f, struct saver *saver, const char *directory, int keep)
{
    struct error why;
    struct saver_request request = {.net = &f->net, .optimizer = &optimizer_sgd, .directory = directory, .keep = keep,
                                    .provenance = provenance, .provenance_count = 2};
    assert_fine(saver_init(saver, &request, &why));
    assert_false(saver_busy(saver));
}

static void snapshot_fill(struct fixture *f, struct saver *saver, uint64_t step)
{
    struct checkpoint *s = &saver->snapshot;
    float *parameters = s->parameters, *shadows = s->states[OPTIMIZER_EMA];
    *s = f->saved;
    s->step = step;
    s->parameters = memcpy(parameters, f->saved.parameters, f->net.parameters * sizeof(float));
    s->states[OPTIMIZER_EMA] = memcpy(shadows, f->saved.states[OPTIMIZER_EMA], f->net.parameters * sizeof(float));
}

static void load_step(struct fixture *f, uint64_t step)
{
    char file[4200];
    checkpoint_name(f->directory, step, file, sizeof file);
    f->saved.step = step;
    load_and_compare(f, file);
}

static void test_one_after_another(void **state)
{
    struct fixture *f = *state;
    struct saver saver;
    struct saved saved;
    struct error why;
    uint64_t *steps;
    int count;
    saver_begin(f, &saver, f->directory, 3);
    assert_false(saver_take(&saver, true, &saved)); /* nothing to wait for */
    for (uint64_t step = 1; step <= 10; step++) {
        f->saved.parameters[0] = (float)step;
        snapshot_fill(f, &saver, step);
        saver_start(&saver);
        assert_true(saver_busy(&saver));
        assert_true(saver_take(&saver, true, &saved));
        assert_false(saver_busy(&saver));
        assert_int_equal(saved.status, 0);
        assert_int_equal(saved.step, step);
        assert_string_equal(saved.why.text, "");
        assert_true(saved.seconds > 0);
        assert_false(saver_take(&saver, false, &saved)); /* it can be taken only once */
        load_step(f, step);
    }
    snapshot_fill(f, &saver, 11);
    saver_write(&saver, &saved);
    assert_int_equal(saved.status, 0);
    load_step(f, 11);
    assert_fine(checkpoint_list(f->directory, &steps, &count, &why));
    assert_int_equal(count, 3);
    free(steps);
    saver_free(&saver);
    saver_free(&saver); /* a zeroed saver may be freed too */
}

/* A snapshot that is being written when the owner frees the saver is completed. */
static void test_leaving(void **state)
{
    struct fixture *f = *state;
    struct saver saver;
    for (uint64_t step = 1; step <= 5; step++) {
        saver_begin(f, &saver, f->directory, 0);
        snapshot_fill(f, &saver, step);
        saver_start(&saver);
        saver_free(&saver);
        load_step(f, step);
    }
}

static void test_asking(void **state)
{
    struct fixture *f = *state;
    struct saver saver;
    struct saved saved;
    double end = clock_seconds() + 30;
    saver_begin(f, &saver, f->directory, 0);
    snapshot_fill(f, &saver, 1);
    saver_start(&saver);
    while (!saver_take(&saver, false, &saved))
        assert_true(clock_seconds() < end);
    assert_int_equal(saved.status, 0);
    load_step(f, 1);
    saver_free(&saver);
}

static void test_failing(void **state)
{
    struct fixture *f = *state;
    struct saver saver;
    struct saved saved;
    saver_begin(f, &saver, "/no/such/directory", 0);
    for (uint64_t step = 1; step <= 2; step++) {
        snapshot_fill(f, &saver, step);
        saver_start(&saver);
        assert_true(saver_take(&saver, true, &saved));
        assert_int_equal(saved.status, -1);
        assert_int_equal(saved.step, step);
        assert_non_null(strstr(saved.why.text, "No such file"));
    }
    saver_free(&saver);
}

static void test_not_finite(void **state)
{
    struct fixture *f = *state;
    struct saver saver;
    struct saved saved;
    char file[4200];
    const float wrong[] = {NAN, INFINITY, -INFINITY, -NAN};
    saver_begin(f, &saver, f->directory, 0);
    for (int i = 0; i < 8; i++) {
        snapshot_fill(f, &saver, 1);
        float *values = i < 4 ? saver.snapshot.parameters : saver.snapshot.states[OPTIMIZER_EMA];
        values[i == 3 ? 0 : f->net.parameters - 1] = wrong[i % 4];
        saver_start(&saver);
        assert_true(saver_take(&saver, true, &saved));
        assert_int_equal(saved.status, SAVED_NOT_FINITE);
        checkpoint_name(f->directory, 1, file, sizeof file);
        assert_int_equal(access(file, F_OK), -1);
    }
    f->saved.parameters[0] = 3.4e38f; /* the largest there are, and the smallest */
    f->saved.parameters[1] = 1e-45f;
    snapshot_fill(f, &saver, 2);
    saver_write(&saver, &saved);
    assert_int_equal(saved.status, 0);
    load_step(f, 2);
    saver_free(&saver);
}

/* If the lock was removed, files of another run stay untouched. */
static void test_not_ours(void **state)
{
    struct fixture *f = *state;
    struct saver saver;
    struct saved saved;
    struct lock lock;
    struct error why;
    struct saver_request request = {.net = &f->net, .optimizer = &optimizer_sgd, .directory = f->directory, .lock = &lock,
                                    .keep = 1};
    assert_fine(lock_take(&lock, f->directory, &why));
    assert_fine(saver_init(&saver, &request, &why));
    snapshot_fill(f, &saver, 1);
    saver_write(&saver, &saved);
    assert_int_equal(saved.status, 0);
    assert_int_equal(unlink(lock.file), 0);
    snapshot_fill(f, &saver, 2);
    saver_start(&saver);
    assert_true(saver_take(&saver, true, &saved));
    assert_int_equal(saved.status, SAVED_NOT_OURS);
    assert_non_null(strstr(saved.why.text, "/lock: was removed while this run had it"));
    load_step(f, 1);
    saver_free(&saver);
    lock_free(&lock);
}

/* Signals reach the calling thread, never the saver's. */
static volatile sig_atomic_t caught;
static void catch(int number)
{
    caught += number == SIGUSR1;
}

static void test_signals(void **state)
{
    struct fixture *f = *state;
    struct saver saver;
    struct saved saved;
    signal(SIGUSR1, catch);
    saver_begin(f, &saver, f->directory, 0);
    for (int i = 1; i <= 20; i++) {
        snapshot_fill(f, &saver, 1);
        saver_start(&saver);
        assert_int_equal(kill(getpid(), SIGUSR1), 0); /* goes to a thread that does not block it: this one */
        assert_int_equal(caught, i);
        assert_true(saver_take(&saver, true, &saved));
        assert_int_equal(saved.status, 0);
    }
    saver_free(&saver);
}

/* Each state of an optimizer has its own group in the file; a state without a buffer is neither written nor read. */
static void test_states_round_trip(void **state)
{
    const struct optimizer two = {"two", 2, {{"ema", true, true}, {"velocity", false, false}}};
    struct fixture *f = *state;
    struct error why;
    size_t bytes = f->net.parameters * sizeof(float);
    f->saved.optimizer = f->loaded.optimizer = &two;
    f->saved.states[1] = malloc(bytes);
    f->loaded.states[1] = calloc(1, bytes);
    for (size_t i = 0; i < f->net.parameters; i++)
        f->saved.states[1][i] = (float)i;
    load_and_compare(f, save(f, 1));
    assert_memory_equal(f->loaded.states[1], f->saved.states[1], bytes);

    free(f->saved.states[1]);
    f->saved.states[1] = NULL;
    const char *file = save(f, 2);
    assert_int_equal(checkpoint_load(&f->loaded, &f->net, file, &why), -1);
    assert_non_null(strstr(why.text, "/velocity/"));
    free(f->loaded.states[1]);
    f->loaded.states[1] = NULL;
    load_and_compare(f, file);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_one_after_another), TEST(test_leaving),    TEST(test_asking),
        TEST(test_failing),           TEST(test_not_finite), TEST(test_signals),
        TEST(test_not_ours),          TEST(test_states_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
