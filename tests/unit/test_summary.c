/* The thread that writes summaries: its queue while a write hangs, and what it reports about a full disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "summary.h"

/* ---- a disk that is full, or hangs ---- */

static bool full, hangs;
static int hanging; /* writes that hang */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

ssize_t write(int descriptor, const void *data, size_t bytes)
{
    pthread_mutex_lock(&lock);
    bool fails = descriptor > 2 && full;
    while (descriptor > 2 && hangs) {
        hanging++;
        pthread_cond_broadcast(&changed);
        pthread_cond_wait(&changed, &lock);
        hanging--;
    }
    pthread_mutex_unlock(&lock);
    errno = ENOSPC;
    return fails ? -1 : syscall(SYS_write, descriptor, data, bytes);
}

static void set(bool *what, bool value)
{
    pthread_mutex_lock(&lock);
    *what = value;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void wait_until_it_hangs(void)
{
    pthread_mutex_lock(&lock);
    while (!hanging)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

/* ---- a writer of a net of one layer ---- */

static char directory[256];
static struct error why;
static struct summary_writer writer;
static struct net net;

static int make_directory(void **state)
{
    (void)state;
    const char *root = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/test_summary.XXXXXX", root ? root : "/tmp");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    char command[512];
    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", directory);
    return system(command);
}

static void open_or_skip(void)
{
    static const struct layer layer = {.name = "dense", .kind = LAYER_DENSE, .stddev = 0.1f};
    static const struct model model = {"test", "one layer", 2, 2, &layer, 1};
    if (!events_library())
        skip();
    assert_int_equal(net_init(&net, &model, 3, 10, &why), 0);
    struct event_graph graph = {.net = &net, .ranks = 1, .images = 1};
    struct summary_request request = {.directory = directory, .images = 1, .activations = true, .graph = &graph,
                                      .command = "train", .start_block = "a\nb"};
    if (summary_writer_open(&writer, &request, &why))
        fail_msg("%s", why.text);
}

/* Gives a summary of that step; false: there is no place for it, and it is counted. */
static bool give_step(uint64_t step)
{
    struct summary *summary = summary_writer_take(&writer);
    if (!summary) {
        summary_writer_drop(&writer);
        return false;
    }
    summary->interval = (struct interval){.step = step, .seconds_per_batch = 1};
    summary->samples = 1;
    summary->whole = true;
    summary_writer_give(&writer);
    return true;
}

static void wait_for_free_place(void)
{
    while (!summary_writer_take(&writer))
        usleep(1000);
}

static void close_with(uint64_t written, uint64_t dropped, uint64_t failed)
{
    struct summary_count count;
    summary_writer_close(&writer, true, &count);
    assert_int_equal(count.written, written);
    assert_int_equal(count.dropped, dropped);
    assert_int_equal(count.failed, failed);
    summary_writer_close(&writer, true, &count); /* it may be closed twice */
    net_free(&net);
}

/* ---- tests ---- */

static void all_are_written(void **state)
{
    struct error news;
    (void)state;
    open_or_skip();
    for (uint64_t step = 1; step <= 5; step++) {
        wait_for_free_place();
        assert_true(give_step(step));
    }
    summary_writer_evaluated(&writer, &(struct evaluated){.step = 5, .images = 10, .right = 5});
    assert_false(summary_writer_news(&writer, &news));
    close_with(6, 0, 0);
}

static void a_full_disk_is_told_once(void **state)
{
    struct error news;
    (void)state;
    open_or_skip();
    set(&full, true);
    for (uint64_t step = 1; step <= 4; step++) {
        wait_for_free_place();
        assert_true(give_step(step));
    }
    while (!summary_writer_news(&writer, &news))
        usleep(1000);
    assert_non_null(strstr(news.text, "events/train/events.out.tfevents."));
    assert_non_null(strstr(news.text, "cannot be written: No space left on device"));
    for (struct summary *first = summary_writer_take(&writer); !first; first = summary_writer_take(&writer))
        usleep(1000);
    assert_false(summary_writer_news(&writer, &news));
    usleep(100000); /* the failures of the last ones */
    set(&full, false);
    assert_true(give_step(5));
    close_with(1, 0, 4);
}

/* A hanging disk: two summaries wait, and some evaluations; others are dropped, and the end of the run does not wait for ever. */
static void a_hanging_disk_delays_nothing(void **state)
{
    struct error news;
    (void)state;
    open_or_skip();
    set(&hangs, true);
    double before = clock_seconds();
    assert_true(give_step(1));
    wait_until_it_hangs();
    assert_true(give_step(2));
    for (uint64_t step = 3; step <= 6; step++)
        assert_false(give_step(step));
    for (uint64_t step = 1; step <= 20; step++)
        summary_writer_evaluated(&writer, &(struct evaluated){.step = step, .images = 10, .right = 5});
    assert_true(clock_seconds() - before < 2);
    assert_true(summary_writer_news(&writer, &news));
    assert_non_null(strstr(news.text, "a summary was dropped: the thread that writes them to "));
    assert_false(summary_writer_news(&writer, &news));
    close_with(0, 26, 0);
    assert_true(clock_seconds() - before < 6);
    set(&hangs, false);
    usleep(200000); /* the thread ends, and frees its memory */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_written),
        cmocka_unit_test(a_full_disk_is_told_once),
        cmocka_unit_test(a_hanging_disk_delays_nothing),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("summary", tests, make_directory, remove_directory);
}
