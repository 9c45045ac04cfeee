/* The log line and metrics.csv, and what remains of both when an interrupted run continues. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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
    remove(path("eval.csv"));
    return rmdir(directory); /* fails if another file was left */
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

/* Reports also go to standard output, which is for TAP: sends them to /dev/null. */
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
                                .examples_per_second = 4312.04, .seconds_per_batch = 0.0594, .logged = true,
                                .phases = {[PHASE_LOAD] = 0.001, [PHASE_BACKWARD] = 0.04, [PHASE_PARITY] = 0.002},
                                .slowest_rank = 3, .slowest_seconds = 0.055, .mean_rank_seconds = 0.05};
    if (report_open(&report, directory, 0, &why))
        return -1;
    report_step(&report, &interval);
    interval.logged = false;
    interval.step = 15;
    report_step(&report, &interval);
    interval.logged = true;
    interval.step = 20;
    report_step(&report, &interval);
    report_close(&report);
    report_close(&report); /* it may be closed twice */
    return 0;
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
    assert_null(strstr(text, "step 15"));
    assert_non_null(strstr(text, "step 20"));
}

/* Fails unless the text begins with that line. */
static void assert_string_equal_line(const char *text, const char *line)
{
    char first[256];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(text, "\n") + 1, text);
    assert_string_equal(first, line);
}

static void metrics_have_a_header_and_a_row_a_report(void **state)
{
    (void)state;
    const char *text = contents("metrics.csv");
    assert_memory_equal(text, "step,epoch,total_loss,", 22);
    assert_non_null(strstr(text, "\n10,0.0256,4.65,2.3,0.125,4.6123,4.64,0.1"));
    const char *row = strstr(text, "\n15,");
    assert_non_null(row);
    const char *time = strchr(row + 1, 'T');
    assert_non_null(time);
    assert_string_equal_line(time + 9, "Z,0.001,0,0.04,0,0,0,0,0,0.002,3,0.055,0.05\n");
    assert_non_null(strstr(text, "\n20,"));
}

/* The file of an older program: it has no columns after learning_rate. */
static void rows_have_the_columns_of_the_files_header(void **state)
{
    (void)state;
    write_file("metrics.csv", "step,epoch,total_loss,cross_entropy,precision,last_loss,average_loss,learning_rate\n");
    quietly(two_steps, 0);
    remove(path("train.log.undone"));
    assert_non_null(strstr(contents("metrics.csv"), "learning_rate\n10,0.0256,4.65,2.3,0.125,4.6123,4.64,0.1\n15,"));
    assert_non_null(strstr(contents("metrics.csv"), "4.64,0.1\n20,0.0256,4.65,2.3,0.125,4.6123,4.64,0.1\n"));
}

static int go_on_after_10(void)
{
    int status = report_open(&report, directory, 10, &why);
    report_close(&report);
    return status;
}

static int go_on_after_11(void)
{
    int status = report_open(&report, directory, 11, &why);
    report_close(&report);
    return status;
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
    assert_string_equal(contents("metrics.csv.undone"), "11,3\n12,4\n1"); /* appended to the rows moved earlier */
}

static void a_missing_directory_is_named(void **state)
{
    (void)state;
    assert_int_equal(report_open(&report, "/nowhere/at/all", 0, &why), -1);
    assert_non_null(strstr(why.text, "/nowhere/at/all/train.log"));
    report_close(&report);
}

/* ---- lines that cannot be written ---- */

static size_t room = SIZE_MAX; /* bytes until the disk is full */
static bool stuck;             /* ftruncate fails */

ssize_t write(int descriptor, const void *data, size_t bytes)
{
    size_t fits = descriptor > 2 && bytes > room ? room : bytes;
    room -= descriptor > 2 && room != SIZE_MAX ? fits : 0;
    errno = ENOSPC;
    return fits || !bytes ? syscall(SYS_write, descriptor, data, fits) : -1;
}

int ftruncate(int descriptor, off_t size)
{
    errno = EIO;
    return stuck ? -1 : (int)syscall(SYS_ftruncate, descriptor, size);
}

/* Redirects standard error to the file `said`. */
static int said_of(void (*steps)(void))
{
    int kept = dup(STDERR_FILENO);
    assert_non_null(freopen(path("said"), "w", stderr));
    if (report_open(&report, directory, 0, &why))
        return -1;
    steps();
    report_close(&report);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    return 0;
}

static void step(uint64_t number)
{
    struct interval interval = {.step = number, .epoch = 0.5, .logged = true};
    report_step(&report, &interval);
}

static void steps_with_little_room(void)
{
    step(1);
    room = 90; /* the log's line, and half a row */
    step(2);
    step(3);
    room = SIZE_MAX;
    step(4);
    room = 90;
    stuck = true;
    step(5);
    step(6); /* nothing is written after half a line */
    room = SIZE_MAX;
    stuck = false;
    step(7);
}

static int little_room(void)
{
    return said_of(steps_with_little_room);
}

static void half_a_row_is_cut_off_and_told_of_once(void **state)
{
    (void)state;
    remove(path("metrics.csv"));
    remove(path("train.log"));
    quietly(little_room, 0);
    const char *said = contents("said");
    assert_non_null(strstr(said, "metrics.csv: a line cannot be written: No space left on device; training goes on\n"));
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
    const char *rest = strchr(contents("metrics.csv"), '\n') + 1;
    for (int number = 1; number <= 7; number += 3, rest = strchr(rest, '\n') + 1) {
        char row[64];
        snprintf(row, sizeof row, "%d,0.5,0,0,0,0,0,0,0,0,0,0,2", number);
        assert_memory_equal(rest, row, strlen(row));
    }
    assert_string_equal(rest, "");
    const char *log = contents("train.log");
    for (int number = 1; number <= 7; number++, log = strchr(log, '\n') + 1) {
        if (number == 3 || number == 6)
            number++;
        assert_int_equal(log[26], ':');
        assert_int_equal(atoi(strstr(log, "step ") + 5), number);
    }
    assert_string_equal(log, "");
    remove(path("said"));
}

/* ---- links and other things at the files' places ---- */

static void planted(const char *name, const char *words)
{
    assert_int_equal(report_open(&report, directory, 0, &why), -1);
    report_close(&report);
    if (!strstr(why.text, words) || !strstr(why.text, name))
        fail_msg("'%s' is not in '%s'", words, why.text);
}

static void nothing_is_written_through_links(void **state)
{
    static const char *const names[] = {"train.log", "metrics.csv", "train.log.undone", "metrics.csv.undone"};
    char victim[512];
    (void)state;
    for (int i = 0; i < 4; i++) {
        write_file("train.log", "half a line");
        write_file("metrics.csv", "half a line");
        write_file("victim", "precious");
        remove(path(names[i]));
        snprintf(victim, sizeof victim, "%s", path("victim"));
        assert_int_equal(symlink(victim, path(names[i])), 0);
        planted(names[i], "is a symbolic link");
        remove(path(names[i]));
        assert_int_equal(link(victim, path(names[i])), 0);
        planted(names[i], "has a second name");
        remove(path(names[i]));
        assert_string_equal(contents("victim"), "precious");
        assert_int_equal(mkfifo(path(names[i]), 0666), 0);
        assert_int_equal(report_open(&report, directory, 0, &why), -1);
        report_close(&report);
        remove(path(names[i]));
    }
    remove(path("victim"));
}

static int line_with_a_newline(void)
{
    int status = report_open(&report, directory, 0, &why);
    report_line(&report, "done in %s", "a\nb\033[31m\xc2\x9b" "31m\xc3\xa4");
    report_close(&report);
    return status;
}

static void names_begin_no_line_of_their_own(void **state)
{
    (void)state;
    remove(path("train.log"));
    remove(path("metrics.csv"));
    quietly(line_with_a_newline, 0);
    assert_string_equal(strstr(contents("train.log"), "done"), "done in a?b?[31m??31m\xc3\xa4\n");
}

/* ---- eval.csv ---- */

static const char *append_evaluation(const char *before)
{
    const struct evaluated evaluated = {.step = 7, .split = "test", .images = 8, .right = 2, .in_five = 6, .cross_entropy = 1.5,
                                        .parameters = "EMA", .data_sha256 = "0123456789abcdef"};
    remove(path("eval.csv"));
    if (before)
        write_file("eval.csv", before);
    assert_int_equal(report_open(&report, NULL, 0, &why), 0);
    report_evaluation(&report, directory, &evaluated);
    report_close(&report);
    return contents("eval.csv");
}

/* A file that an older version began keeps the columns of its header. */
static void evaluations_fit_their_header(void **state)
{
    static const char old[] = "time,step,split,images,precision_at_1,cross_entropy,parameters,data_sha256\n";
    const char *text = append_evaluation(NULL), *row = strchr(text, '\n') + 1;
    (void)state;
    assert_non_null(strstr(text, "data_sha256,precision_at_5\n"));
    assert_string_equal(strchr(row, ','), ",7,test,8,0.25,1.5,EMA,0123456789ab,0.75\n");
    text = append_evaluation(old);
    assert_int_equal(strncmp(text, old, strlen(old)), 0);
    assert_string_equal(strchr(strchr(text, '\n'), ','), ",7,test,8,0.25,1.5,EMA,0123456789ab\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_line_is_the_tutorials),
        cmocka_unit_test(metrics_have_a_header_and_a_row_a_report),
        cmocka_unit_test(rows_have_the_columns_of_the_files_header),
        cmocka_unit_test(later_rows_are_moved_aside),
        cmocka_unit_test(nothing_later_leaves_the_file_alone),
        cmocka_unit_test(a_torn_last_line_is_moved_aside),
        cmocka_unit_test(a_missing_directory_is_named),
        cmocka_unit_test(half_a_row_is_cut_off_and_told_of_once),
        cmocka_unit_test(nothing_is_written_through_links),
        cmocka_unit_test(names_begin_no_line_of_their_own),
        cmocka_unit_test(evaluations_fit_their_header),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("report", tests, make_directory, remove_directory);
}
