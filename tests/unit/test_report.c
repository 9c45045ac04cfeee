/* Log line, metrics.csv, and what is left of both when a cut run goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "report.h"

static char directory[256];

static int make_directory(void **state)
{
    (void)state;
    const char *root = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/test_report.XXXXXX", root ? root : "/tmp");
    return mkdtemp(directory) ? 0 : -1;
}

static const char *path(const char *name)
{
    static char file[512];
    snprintf(file, sizeof file, "%s/%s", directory, name);
    return file;
}

static int remove_directory(void **state)
{
    (void)state;
    remove(path("train.log"));
    remove(path("metrics.csv"));
    remove(path("train.log.undone"));
    remove(path("metrics.csv.undone"));
    return rmdir(directory); /* fails where another file was left */
}

static const char *contents(const char *name)
{
    static char text[65536];
    FILE *file = fopen(path(name), "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static struct report report;
static struct error why;

/* Reports go to standard output too, which is TAP's: keep it out of the way. */
static void quietly(int (*act)(void), int expected)
{
    fflush(stdout);
    int out = dup(STDOUT_FILENO);
    assert_non_null(freopen("/dev/null", "w", stdout));
    int status = act();
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    close(out);
    assert_int_equal(status, expected);
}

static int two_steps(void)
{
    struct interval interval = {.step = 10, .epoch = 0.0256, .total_loss = 4.65, .cross_entropy = 2.3,
                                .precision = 0.125, .last_loss = 4.6123, .average_loss = 4.64, .rate = 0.1f,
                                .examples_per_second = 4312.04, .seconds_per_batch = 0.0594};
    if (report_open(&report, directory, 0, &why))
        return -1;
    report_step(&report, &interval);
    interval.step = 20;
    report_step(&report, &interval);
    return report_close(&report, &why) || report_close(&report, &why);
}

static void log_line_is_the_tutorials(void **state)
{
    int year, month, day, hour, minute, second, micro, length = 0;
    (void)state;
    quietly(two_steps, 0);
    const char *text = contents("train.log");
    assert_int_equal(sscanf(text, "%4d-%2d-%2d %2d:%2d:%2d.%6d%n", &year, &month, &day, &hour, &minute, &second,
                            &micro, &length), 7);
    assert_int_equal(length, 26);
    const char *expected = ": step 10, loss = 4.61 (4312.0 examples/sec; 0.059 sec/batch)\n";
    assert_memory_equal(text + length, expected, strlen(expected));
}

static void metrics_have_a_header_and_a_row_a_report(void **state)
{
    (void)state;
    const char *text = contents("metrics.csv");
    assert_memory_equal(text, "step,epoch,total_loss,", 22);
    assert_non_null(strstr(text, "\n10,0.0256,4.65,2.3,0.125,4.6123,4.64,0.1"));
    assert_non_null(strstr(text, "\n20,"));
}

static int go_on_after_10(void)
{
    return report_open(&report, directory, 10, &why) || report_close(&report, &why);
}

static int go_on_after_11(void)
{
    return report_open(&report, directory, 11, &why) || report_close(&report, &why);
}

static void later_rows_are_moved_aside(void **state)
{
    (void)state;
    write_file("train.log", "2026-11-24 12:00:00.123456: begin\n"
                            "2026-11-24 12:00:01.123456: step 10, loss = 4.61 (1.0 examples/sec; 0.059 sec/batch)\n"
                            "2026-11-24 12:00:01.123456: checkpoint\n"
                            "2026-11-24 12:00:02.123456: step 20, loss = 4.61 (1.0 examples/sec; 0.059 sec/batch)\n"
                            "2026-11-24 12:00:02.123456: later\n");
    write_file("metrics.csv", "step,epoch\n9,1\n10,2\n11,3\n12,4\n");
    quietly(go_on_after_10, 0);
    assert_string_equal(contents("train.log"),
                        "2026-11-24 12:00:00.123456: begin\n"
                        "2026-11-24 12:00:01.123456: step 10, loss = 4.61 (1.0 examples/sec; 0.059 sec/batch)\n"
                        "2026-11-24 12:00:01.123456: checkpoint\n");
    assert_string_equal(contents("train.log.undone"),
                        "2026-11-24 12:00:02.123456: step 20, loss = 4.61 (1.0 examples/sec; 0.059 sec/batch)\n"
                        "2026-11-24 12:00:02.123456: later\n");
    assert_string_equal(contents("metrics.csv"), "step,epoch\n9,1\n10,2\n");
    assert_string_equal(contents("metrics.csv.undone"), "11,3\n12,4\n");
}

static void nothing_later_leaves_the_file_alone(void **state)
{
    struct stat before, after;
    (void)state;
    assert_int_equal(stat(path("metrics.csv"), &before), 0);
    quietly(go_on_after_11, 0);
    assert_int_equal(stat(path("metrics.csv"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_string_equal(contents("metrics.csv"), "step,epoch\n9,1\n10,2\n");
}

static void a_torn_last_line_is_moved_aside(void **state)
{
    (void)state;
    write_file("metrics.csv", "step,epoch\n9,1\n10,2\n1");
    quietly(go_on_after_11, 0);
    assert_string_equal(contents("metrics.csv"), "step,epoch\n9,1\n10,2\n");
    assert_string_equal(contents("metrics.csv.undone"), "11,3\n12,4\n1"); /* behind what was undone before */
}

static void a_missing_directory_is_named(void **state)
{
    (void)state;
    assert_int_equal(report_open(&report, "/nowhere/at/all", 0, &why), -1);
    assert_non_null(strstr(why.text, "/nowhere/at/all/train.log"));
    report_close(&report, &why);
}

/* Of the steps that follow none is lost, nor told of again. */
static int steps_on_a_full_disk(void)
{
    struct interval interval = {.step = 1};
    int kept = dup(STDERR_FILENO), status;
    report = (struct report){.log = fopen("/dev/full", "w"), .directory = "somewhere"};
    setvbuf(report.log, NULL, _IOLBF, BUFSIZ);
    assert_non_null(freopen(path("said"), "w", stderr));
    report_step(&report, &interval);
    report_step(&report, &interval);
    status = report_close(&report, &why);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    return status;
}

static void a_full_disk_is_told_once_and_at_the_end(void **state)
{
    (void)state;
    quietly(steps_on_a_full_disk, -1);
    assert_non_null(strstr(why.text, "somewhere/train.log is not complete"));
    const char *said = contents("said");
    assert_non_null(strstr(said, "train.log: a line cannot be written: No space left on device; training goes on\n"));
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
    remove(path("said"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_line_is_the_tutorials),
        cmocka_unit_test(metrics_have_a_header_and_a_row_a_report),
        cmocka_unit_test(later_rows_are_moved_aside),
        cmocka_unit_test(nothing_later_leaves_the_file_alone),
        cmocka_unit_test(a_torn_last_line_is_moved_aside),
        cmocka_unit_test(a_missing_directory_is_named),
        cmocka_unit_test(a_full_disk_is_told_once_and_at_the_end),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("report", tests, make_directory, remove_directory);
}
