/* The progress line: what fits terminals of different widths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "report.h"

/* Opens a terminal of that width; -1 if terminals are not available. */
static int terminal(unsigned short columns)
{
    struct winsize size = {.ws_row = 24, .ws_col = columns};
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) || unlockpt(master))
        return -1;
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0); /* the master stays open, or the size is lost */
    return slave;
}

/* Step 50, 49 s after step 1: one second per step. */
static void draw_training(int descriptor, bool blocks)
{
    struct report drawn = {.progress = {.terminal = descriptor, .blocks = blocks, .started = clock_seconds() - 49, .first = 1},
                           .examples_per_second = 9420};
    struct advance advance = {.step = 50, .last_step = 400, .epoch = 2, .last_epoch = 12, .loss = 4.3014, .precision = 0.1234};
    report_progress(&drawn, &advance);
}

static void draw_step(int descriptor)
{
    draw_training(descriptor, true);
}

static void draw_step_in_ascii(int descriptor)
{
    draw_training(descriptor, false);
}

static void draw_hidden(int descriptor)
{
    struct progress drawn = {.terminal = descriptor, .hidden = true, .started = clock_seconds() - 10};
    progress_count(&drawn, "packing", "images", 1, 10, 100);
}

/* 30 of 150 MB have arrived, the last 20 of them in 10 s. */
static void draw_count(int descriptor)
{
    struct progress drawn = {.terminal = descriptor, .started = clock_seconds() - 10, .first = 10000000};
    progress_count(&drawn, "downloading", "MB", 1e6, 30000000, 150000000);
}

static void draw_without_a_total(int descriptor)
{
    struct progress drawn = {.terminal = descriptor, .started = clock_seconds() - 10, .first = 0};
    progress_count(&drawn, "packing", "images", 1, 1234, 0);
}

/* What is drawn on standard error. */
static const char *drawn_by(void (*line)(int descriptor), int descriptor)
{
    static char text[1024];
    FILE *file = tmpfile();
    assert_non_null(file);
    int kept = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    line(descriptor);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void progress_drops_whole_items(void **state)
{
    static const struct {
        void (*draws)(int descriptor);
        unsigned short columns;
        const char *line;
    } cases[] = {
        {draw_step, 6, ""},
        {draw_step, 7, "50/400"},
        {draw_step, 12, " 12% 50/400"},
        {draw_step, 20, "epoch 2/12 50/400"},
        {draw_step, 21, "50/400 [00:49<05:50]"},
        {draw_step, 40, " 12% 50/400 [00:49<05:50, loss 4.30]"},
        {draw_step, 48, "50/400 [00:49<05:50, loss 4.30, precision 0.12]"},
        {draw_step, 60, "epoch 2/12 50/400 [00:49<05:50, loss 4.30, precision 0.12]"},
        {draw_step, 70, " 12% 50/400 [00:49<05:50, loss 4.30, precision 0.12, 9420 images/s]"},
        {draw_step, 80, "epoch 2/12  12% 50/400 [00:49<05:50, loss 4.30, precision 0.12, 9420 images/s]"},
        {draw_step, 100, "epoch 2/12  12%|\u2588\u2588\u258d                "
                         "| 50/400 [00:49<05:50, loss 4.30, precision 0.12, 9420 images/s]"},
        {draw_step, 120, "epoch 2/12  12%|\u2588\u2588\u2588\u258a                          "
                         "| 50/400 [00:49<05:50, loss 4.30, precision 0.12, 9420 images/s]"},
        {draw_step_in_ascii, 90, "epoch 2/12  12%|#        | 50/400 [00:49<05:50, loss 4.30, precision 0.12, 9420 images/s]"},
        {draw_count, 35, "downloading  20%|#    | 30.0/150.0"},
        {draw_count, 80, "downloading  20%|#####                     | 30.0/150.0 [00:10<01:00, 2.0 MB/s]"},
        {draw_without_a_total, 80, "packing 1234 [00:10, 123 images/s]"},
        {draw_hidden, 80, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[256] = "";
        int descriptor = terminal(cases[i].columns);
        if (descriptor < 0)
            skip();
        const char *line = drawn_by(cases[i].draws, descriptor);
        close(descriptor);
        if (cases[i].line)
            snprintf(expected, sizeof expected, "\r%s\033[K", cases[i].line);
        assert_string_equal(line, expected);
    }
}

/* In "a\u00e9\u20ac" the second character has two bytes, the third three. */
static void texts_are_cut_between_characters(void **state)
{
    (void)state;
    const int bytes[] = {0, 1, 1, 3, 3, 3, 6, 6};
    for (int most = 0; most < (int)(sizeof bytes / sizeof *bytes); most++)
        assert_int_equal(text_fit("a\xc3\xa9\xe2\x82\xac", most), bytes[most]);
}

static void durations_are_short(void **state)
{
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{0, "00:00"}, {44.6, "00:45"}, {725, "12:05"}, {3599.4, "59:59"}, {3600, "1:00:00"}, {360123, "100:02:03"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[CLOCK_TEXT];
        clock_text(cases[i].seconds, text);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(progress_drops_whole_items),
        cmocka_unit_test(texts_are_cut_between_characters),
        cmocka_unit_test(durations_are_short),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
