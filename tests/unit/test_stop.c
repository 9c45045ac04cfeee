/* What asks a run to stop, on one rank: the clock, Slurm, the file, signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stop.h"

static const double AT_ONCE = 1e-3; /* to write a checkpoint */
static char directory[] = "/tmp/cifar10_test_stop.XXXXXX";

static void begin(struct stop *stop, int64_t max_seconds, bool watches)
{
    struct options options = {.max_seconds = max_seconds};
    struct error why;
    snprintf(options.train_dir, sizeof options.train_dir, "%s", directory);
    if (stop_open(stop, &options, watches, &why))
        fail_msg("%s", why.text);
}

static void slurm_ends_in(int seconds)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)time(NULL) + seconds);
    assert_int_equal(setenv("SLURM_JOB_END_TIME", text, 1), 0);
}

static int leave(void **state)
{
    (void)state;
    return unsetenv("SLURM_JOB_END_TIME");
}

static void nothing_asks(void **state)
{
    struct stop stop;
    (void)state;
    begin(&stop, 0, true);
    assert_false(stop_wanted(&stop, 1e6));
    stop_close(&stop);
}

static void time_to_save_is_left(void **state)
{
    struct stop stop;
    (void)state;
    begin(&stop, 20, true);
    assert_false(stop_wanted(&stop, 5));
    assert_true(stop_wanted(&stop, 9.1));
    assert_int_equal(stop.cause, STOP_MAX_SECONDS);
    assert_true(stop_wanted(&stop, AT_ONCE)); /* it has decided to stop already */
    stop_close(&stop);
    begin(&stop, 20, false); /* other ranks leave the decision to rank 0 */
    assert_false(stop_wanted(&stop, 9.1));
    stop_close(&stop);
}

static void long_steps_stop_early(void **state)
{
    struct stop stop;
    (void)state;
    begin(&stop, 4, true);
    assert_false(stop_wanted(&stop, AT_ONCE));
    usleep(700000); /* 0.7 s have passed, 1.4 more may be needed, 2 are reserved */
    assert_true(stop_wanted(&stop, AT_ONCE));
    stop_close(&stop);
}

static void slurm_ends_the_job(void **state)
{
    struct stop stop;
    (void)state;
    slurm_ends_in(200); /* the run has to end 60 s earlier */
    begin(&stop, 0, true);
    assert_false(stop_wanted(&stop, 65));
    assert_true(stop_wanted(&stop, 70));
    assert_int_equal(stop.cause, STOP_SLURM);
    stop_close(&stop);
    begin(&stop, 100, true); /* the earlier limit counts */
    assert_true(stop_wanted(&stop, 55));
    assert_int_equal(stop.cause, STOP_MAX_SECONDS);
    stop_close(&stop);
    slurm_ends_in(30);
    begin(&stop, 0, true);
    assert_true(stop_wanted(&stop, AT_ONCE));
    stop_close(&stop);
}

static void other_jobs_ends_do_not_count(void **state)
{
    const char *const texts[] = {"0", "1000000000", "", "soon", "99999999999 or so"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct stop stop;
        setenv("SLURM_JOB_END_TIME", texts[i], 1);
        begin(&stop, 0, true);
        assert_false(stop_wanted(&stop, 1e6));
        stop_close(&stop);
    }
}

static void the_file_is_found(void **state)
{
    struct stop stop, other;
    char file[64];
    (void)state;
    begin(&stop, 0, true);
    begin(&other, 0, false);
    assert_false(stop_wanted(&stop, AT_ONCE));
    snprintf(file, sizeof file, "%s/stop", directory);
    fclose(fopen(file, "w"));
    assert_false(stop_wanted(&stop, AT_ONCE)); /* it looks for the file only once a second */
    usleep(1010000);
    assert_true(stop_wanted(&stop, AT_ONCE));
    assert_int_equal(stop.cause, STOP_FILE);
    assert_false(stop_wanted(&other, AT_ONCE));
    stop_close(&other);
    stop_close(&stop);
    assert_int_equal(unlink(file), 0);
}

/* Runs a rank in a child process. Returns 0 if it notices the first signal and ends by itself, or the signal that ended it. */
static int life(int first, int second, useconds_t between)
{
    struct stop stop;
    int status;
    pid_t child = fork();
    if (child == 0) {
        begin(&stop, 0, true);
        bool before = stop_wanted(&stop, AT_ONCE);
        raise(first);
        bool after = stop_wanted(&stop, AT_ONCE);
        usleep(between);
        raise(second);
        stop_close(&stop);
        _exit(before || !after || stop.cause != STOP_SIGNAL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void a_second_signal_ends(void **state)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(life(signals[i], signals[i], 300000), signals[i]);
        assert_int_equal(life(signals[i], signals[(i + 1) % 4], 300000), signals[(i + 1) % 4]);
        assert_int_equal(life(signals[i], signals[i], 0), 0); /* an echo */
    }
}

/* A terminal's hangup may send its signal twice; a CPU time limit sends one every second. */
static void some_signals_repeat_themselves(void **state)
{
    (void)state;
    signal(SIGHUP, SIG_DFL); /* the tests themselves may run under nohup */
    assert_int_equal(life(SIGHUP, SIGHUP, 300000), 0);
    assert_int_equal(life(SIGXCPU, SIGXCPU, 300000), 0);
    assert_int_equal(life(SIGHUP, SIGTERM, 300000), SIGTERM);
    assert_int_equal(life(SIGQUIT, SIGTERM, 300000), SIGQUIT); /* not a request to stop */
}

static void nohup_is_kept(void **state)
{
    struct stop stop;
    (void)state;
    signal(SIGHUP, SIG_IGN);
    begin(&stop, 0, true);
    raise(SIGHUP);
    assert_false(stop_wanted(&stop, AT_ONCE));
    stop_close(&stop);
    signal(SIGHUP, SIG_DFL);
}

/* Standard output is a pipe whose reader ends: the cause of the stop, on this rank. */
static enum stop_cause reader_goes(bool watches)
{
    struct stop stop;
    int ends[2], output = dup(STDOUT_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDOUT_FILENO);
    begin(&stop, 0, watches);
    bool before = stop_wanted(&stop, AT_ONCE);
    close(ends[0]);
    usleep(1010000); /* it looks once a second */
    bool after = stop_wanted(&stop, AT_ONCE);
    ssize_t written = write(STDOUT_FILENO, "\n", 1); /* does not kill this rank */
    dup2(output, STDOUT_FILENO);
    close(ends[1]);
    close(output);
    stop_close(&stop);
    assert_false(before);
    assert_int_equal(written, -1);
    assert_int_equal(after, stop.cause != STOP_NONE);
    return stop.cause;
}

static void a_closed_pipe_is_found(void **state)
{
    (void)state;
    assert_int_equal(reader_goes(true), STOP_OUTPUT);
    assert_int_equal(reader_goes(false), STOP_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_asks),
        cmocka_unit_test(time_to_save_is_left),
        cmocka_unit_test(long_steps_stop_early),
        cmocka_unit_test_teardown(slurm_ends_the_job, leave),
        cmocka_unit_test_teardown(other_jobs_ends_do_not_count, leave),
        cmocka_unit_test(the_file_is_found),
        cmocka_unit_test(a_second_signal_ends),
        cmocka_unit_test(some_signals_repeat_themselves),
        cmocka_unit_test(nohup_is_kept),
        cmocka_unit_test(a_closed_pipe_is_found),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    unsetenv("SLURM_JOB_END_TIME");
    if (!mkdtemp(directory))
        return 1;
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failures;
}
