/* Phases and the stall watch: when it ends a process, when it does not, and which ranks its sentence names. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "phases.h"

static const struct world alone = {.rank = 5, .size = 6, .nodes = 1, .node_size = 1, .host = "here"};

/* ---- processes that make no progress ---- */

static void rest(double seconds)
{
    usleep((useconds_t)(1e6 * seconds));
}

/* Runs for 2.5 s, with a new phase every 0.25 s. */
static void moves(struct phases *phases)
{
    for (int i = 0; i < 10; i++) {
        phases_step(phases, (uint64_t)i, false);
        phase_enter(phases, i % 2 ? PHASE_LOAD : PHASE_BACKWARD, i);
        rest(0.25);
    }
}

static void stands_still(struct phases *phases)
{
    phases_step(phases, 7, false);
    phase_enter(phases, PHASE_FORWARD, PHASE_WHOLE);
    phase_enter(phases, PHASE_LOAD, PHASE_WHOLE);
    rest(10);
}

static void is_slow(struct phases *phases)
{
    phases_step(phases, 7, true);
    phase_enter(phases, PHASE_SAVE, PHASE_WHOLE);
    rest(2.5);
}

/* Stops itself with all threads; a child continues it after 2.5 s. The watch counts less than half a second of that. */
static void is_suspended(struct phases *phases)
{
    pid_t self = getpid(), waker = fork();
    phases_step(phases, 7, false);
    if (waker == 0) {
        rest(2.5);
        kill(self, SIGCONT);
        _exit(0);
    }
    phase_enter(phases, PHASE_LOAD, PHASE_WHOLE);
    raise(SIGSTOP);
    phase_enter(phases, PHASE_FORWARD, PHASE_WHOLE);
    waitpid(waker, NULL, 0);
}

/* Runs `body` in a process whose phases may take one second. Returns its exit code; `said`: what it printed. */
static int exit_code(void (*body)(struct phases *), char *said, size_t size)
{
    int ends[2], status;
    struct phases phases = {.now = {PHASE_START, PHASE_WHOLE}};
    struct error why;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        if (phases_open(&phases, &alone, 1, &why))
            _exit(99);
        body(&phases);
        phases_close(&phases);
        _exit(0);
    }
    close(ends[1]);
    ssize_t length = read(ends[0], said, size - 1);
    said[length > 0 ? length : 0] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void test_a_phase_that_does_not_end(void **state)
{
    (void)state;
    char said[2048];
    double before = clock_seconds();
    assert_int_equal(exit_code(stands_still, said, sizeof said), 1);
    assert_in_range((int)(10 * (clock_seconds() - before)), 10, 40);
    assert_non_null(strstr(said, "cifar10_mpi: no step was finished for 1 s: rank 5 on here (process "));
    assert_non_null(strstr(said, ") is waiting for images, step 7\n"));
}

static void test_what_does_not_end_a_run(void **state)
{
    (void)state;
    void (*const bodies[])(struct phases *) = {moves, is_slow, is_suspended};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        char said[2048];
        assert_int_equal(exit_code(bodies[i], said, sizeof said), 0);
        assert_string_equal(said, "");
    }
}

static void test_nothing_is_watched(void **state)
{
    (void)state;
    struct phases phases = {.now = {PHASE_START, PHASE_WHOLE}};
    struct error why;
    assert_int_equal(phases_open(&phases, &alone, 0, &why), 0);
    phases_step(&phases, 1, false);
    phase_enter(&phases, PHASE_LOAD, 0);
    phase_enter(NULL, PHASE_LOAD, 0);
    phases_close(&phases);
    phases_close(&phases);
}

static void test_phases_come_back(void **state)
{
    (void)state;
    struct phases phases = {.now = {PHASE_START, PHASE_WHOLE}};
    struct error why;
    assert_int_equal(phases_open(&phases, &alone, 100, &why), 0);
    assert_int_equal(phase_enter(&phases, PHASE_BACKWARD, 3).kind, PHASE_START);
    struct phase before = phase_enter(&phases, PHASE_REDUCE, 1);
    assert_int_equal(before.kind, PHASE_BACKWARD);
    assert_int_equal(before.part, 3);
    assert_int_equal(phase_enter(&phases, before.kind, before.part).kind, PHASE_REDUCE);
    phases_close(&phases);
}

/* ---- the clock ---- */

static void test_phases_are_timed(void **state)
{
    (void)state;
    struct phases phases, closed = {0};
    struct error why;
    assert_int_equal(phases_open(&phases, &alone, 0, &why), 0);
    double before = clock_seconds();
    phase_enter(&phases, PHASE_LOAD, 0);
    rest(0.1);
    phase_enter(&phases, PHASE_UPDATE, PHASE_WHOLE);
    rest(0.05);
    phase_enter(&phases, PHASE_LOAD, 1);
    rest(0.1);
    assert_true(phases.clock.seconds[PHASE_LOAD] < 0.2); /* the present phase is not added yet */
    phase_enter(&phases, PHASE_REPORT, PHASE_WHOLE);
    double all = clock_seconds() - before, load = phases.clock.seconds[PHASE_LOAD], update = phases.clock.seconds[PHASE_UPDATE];
    assert_true(load >= 0.2 && update >= 0.05 && load + update <= all && load + update > all - 0.01);
    phases_close(&phases);
    phase_enter(&closed, PHASE_LOAD, 0);
    phase_enter(&closed, PHASE_UPDATE, 0);
    assert_true(closed.clock.seconds[PHASE_START] == 0 && closed.clock.seconds[PHASE_LOAD] == 0);
}

static void test_phases_have_names(void **state)
{
    (void)state;
    for (int kind = 0; kind < PHASE_KINDS; kind++)
        assert_non_null(phase_name(kind));
    assert_string_equal(phase_name(PHASE_LOAD), "load");
    assert_string_equal(phase_name(PHASE_END), "end");
}

/* ---- the sentence ---- */

static void expect(const struct stall_view *views, int count, int nodes, const char *sentence)
{
    struct world world = alone;
    struct error why;
    world.nodes = nodes;
    stall_sentence(&why, &world, views, count, 300);
    assert_string_equal(why.text, sentence);
}

static void test_names_those_that_others_wait_for(void **state)
{
    (void)state;
    const struct stall_view loading[] = {{0, 10, 'S', PHASE_REDUCE, 4}, {1, 11, 'S', PHASE_LOAD, 4}, {2, 12, 'R', PHASE_REDUCE, 4}};
    expect(loading, 3, 1, "no step was finished for 300 s: rank 1 on here (process 11) is waiting for images, step 4; "
                          "2 others of this node wait for that");
    const struct stall_view stopped[] = {{4, 10, 'T', PHASE_REDUCE, 4}, {5, 11, 'R', PHASE_REDUCE, 4}};
    expect(stopped, 2, 1, "no step was finished for 300 s: rank 4 on here (process 10, stopped) is in the allreduce, step 4; "
                          "1 other of this node waits for that");
    const struct stall_view two[] = {{0, 10, 'D', PHASE_SAVE, 4}, {1, 11, '?', PHASE_BACKWARD, 5}};
    expect(two, 2, 1, "no step was finished for 300 s: rank 0 on here (process 10, in a system call that does not return) is "
                      "saving a checkpoint, step 4; rank 1 on here (process 11) is computing, step 5");
}

/* Dead ranks are noticed long before a step is late. */
static void test_names_the_dead_alone(void **state)
{
    (void)state;
    const struct stall_view one[] = {{0, 10, 'S', PHASE_REDUCE, 4}, {1, 11, 0, PHASE_BACKWARD, 4}, {2, 12, 'D', PHASE_SAVE, 4}};
    expect(one, 3, 1, "rank 1 on here (process 11) has died while computing, step 4");
    const struct stall_view two[] = {{0, 10, 'Z', PHASE_REDUCE, 4}, {1, 11, 0, PHASE_LOAD, 5}};
    expect(two, 2, 1, "rank 0 on here (process 10) has died while in the allreduce, step 4; rank 1 on here (process 11) has died "
                      "while waiting for images, step 5");
}

static void test_names_all_where_all_wait(void **state)
{
    (void)state;
    const struct stall_view views[] = {{0, 10, 'S', PHASE_REDUCE, 4}, {1, 11, 'R', PHASE_PARITY, 4}};
    static const char all[] = "no step was finished for 300 s: rank 0 on here (process 10) is in the allreduce, step 4; rank 1 on "
                              "here (process 11) is comparing parameters, step 4; waiting for ";
    char sentence[512];
    snprintf(sentence, sizeof sentence, "%s%s", all, "each other, so MPI itself makes no progress");
    expect(views, 2, 1, sentence);
    snprintf(sentence, sizeof sentence, "%s%s", all, "another node");
    expect(views, 2, 2, sentence);
}

/* The sentence about a full node of a large machine is cut, and not written past its end. */
static void test_many_ranks_fit(void **state)
{
    (void)state;
    struct stall_view views[256];
    struct error why;
    for (int i = 0; i < 256; i++)
        views[i] = (struct stall_view){i, 1000000 + i, 'D', PHASE_SAVE, 123456789};
    stall_sentence(&why, &alone, views, 256, 300);
    assert_int_equal(strlen(why.text), sizeof why.text - 1);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_phase_that_does_not_end),
        cmocka_unit_test(test_what_does_not_end_a_run),
        cmocka_unit_test(test_nothing_is_watched),
        cmocka_unit_test(test_phases_come_back),
        cmocka_unit_test(test_phases_are_timed),
        cmocka_unit_test(test_phases_have_names),
        cmocka_unit_test(test_names_those_that_others_wait_for),
        cmocka_unit_test(test_names_the_dead_alone),
        cmocka_unit_test(test_names_all_where_all_wait),
        cmocka_unit_test(test_many_ranks_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
