#include "progress.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "terminal.h"

static const double draw_interval = 0.1; /* seconds */

/* mpirun reads its ranks' output and error and copies them to its own: where those are a terminal,
 * so are ours, as far as a person can see. Open MPI makes our output a pseudo-terminal in any case. */
static bool launched(void)
{
    struct stat error;
    return getenv("PMIX_RANK") && fstat(STDERR_FILENO, &error) == 0 && S_ISFIFO(error.st_mode);
}

/* The terminal behind the launcher's stream, or 0. */
static int launcher_terminal(int stream)
{
    char file[64];
    snprintf(file, sizeof file, "/proc/%ld/fd/%d", (long)getppid(), stream);
    int descriptor = open(file, O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor > 0 && isatty(descriptor))
        return descriptor;
    if (descriptor > 0)
        close(descriptor);
    return 0;
}

void terminal_find(struct report *report)
{
    const char *kind = getenv("TERM");
    if (!kind || strcmp(kind, "dumb") == 0)
        return;
    if (!launched()) {
        report->terminal = isatty(STDERR_FILENO) ? STDERR_FILENO : 0;
        report->shared = report->terminal && isatty(STDOUT_FILENO);
        return;
    }
    report->terminal = launcher_terminal(STDERR_FILENO); /* for its width; kept until the process ends */
    int output = launcher_terminal(STDOUT_FILENO);
    report->shared = report->terminal && output;
    if (output)
        close(output);
}

void report_clear(struct report *report)
{
    if (report->drawn)
        fputs(TERMINAL_CLEAR, stderr);
    report->drawn = false;
}

void report_status(struct report *report, const char *text)
{
    if (!report->terminal)
        return;
    fprintf(stderr, "\r%.*s\033[K", terminal_width(report->terminal) - 1, text);
    report->drawn = true;
}

/* "45s", "12m 05s", "3h 20m", "2d 03h". */
static void print_duration(double seconds, char *text, size_t size)
{
    uint64_t s = seconds < 1e9 ? (uint64_t)(seconds + 0.5) : (uint64_t)1e9;
    if (s < 60)
        snprintf(text, size, "%" PRIu64 "s", s);
    else if (s < 3600)
        snprintf(text, size, "%" PRIu64 "m %02" PRIu64 "s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(text, size, "%" PRIu64 "h %02" PRIu64 "m", s / 3600, s / 60 % 60);
    else
        snprintf(text, size, "%" PRIu64 "d %02" PRIu64 "h", s / 86400, s / 3600 % 24);
}

/* Items of a line, the most important first: whole ones, as many as fit. */
struct items {
    char text[512];
    int length, width;
    bool full;
};

static void items_add(struct items *items, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void items_add(struct items *items, const char *format, ...)
{
    char item[64];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(item, sizeof item, format, arguments);
    va_end(arguments);
    int comma = items->length ? 2 : 0;
    items->full = items->full || items->length + comma + length > items->width;
    if (!items->full)
        items->length += snprintf(items->text + items->length, sizeof items->text - (size_t)items->length, "%s%s",
                                  comma ? ", " : "", item);
}

void report_progress(struct report *report, uint64_t step, uint64_t last_step, double epoch, double loss)
{
    double now = clock_seconds();
    if (!report->terminal)
        return;
    if (report->started == 0) { /* the first step is no measure of the others */
        report->started = now;
        report->first_step = step;
    }
    if (now - report->drawn_at < draw_interval || step == report->first_step)
        return;
    char left[32];
    double seconds = (now - report->started) / (double)(step - report->first_step);
    print_duration(last_step > step ? (double)(last_step - step) * seconds : 0, left, sizeof left);
    struct items items = {.width = terminal_width(report->terminal) - 1};
    items_add(&items, "step %" PRIu64 "/%" PRIu64, step, last_step);
    items_add(&items, "loss %.3f", loss);
    if (report->examples_per_second > 0)
        items_add(&items, "%.0f examples/sec", report->examples_per_second);
    items_add(&items, "%s left", left);
    items_add(&items, "epoch %.2f", epoch);
    fprintf(stderr, "\r%s\033[K", items.text);
    report->drawn = true;
    report->drawn_at = now;
}
