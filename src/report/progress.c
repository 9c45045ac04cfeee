#include "progress.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

static const double draw_interval = 0.1; /* seconds */

/* mpirun reads its ranks' standard error from a pipe and copies it to its own: where that is a
 * terminal, so is ours, as far as a person can see. */
static int launcher_terminal(void)
{
    struct stat error;
    if (!getenv("PMIX_RANK") || fstat(STDERR_FILENO, &error) || !S_ISFIFO(error.st_mode))
        return 0;
    char file[64];
    snprintf(file, sizeof file, "/proc/%ld/fd/2", (long)getppid());
    int descriptor = open(file, O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor > 0 && isatty(descriptor))
        return descriptor; /* for its width alone; kept until the process ends */
    if (descriptor > 0)
        close(descriptor);
    return 0;
}

int terminal_find(void)
{
    const char *kind = getenv("TERM");
    if (!kind || strcmp(kind, "dumb") == 0)
        return 0;
    return isatty(STDERR_FILENO) ? STDERR_FILENO : launcher_terminal();
}

void terminal_clear(struct report *report)
{
    if (report->drawn)
        fputs("\r\033[K", stderr);
    report->drawn = false;
}

static int terminal_width(int terminal)
{
    struct winsize size;
    return ioctl(terminal, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
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
    char left[32], rate[48] = "", line[256];
    double seconds = (now - report->started) / (double)(step - report->first_step);
    print_duration(last_step > step ? (double)(last_step - step) * seconds : 0, left, sizeof left);
    if (report->examples_per_second > 0)
        snprintf(rate, sizeof rate, "%.0f examples/sec, ", report->examples_per_second);
    snprintf(line, sizeof line, "step %" PRIu64 "/%" PRIu64 ", epoch %.2f, loss %.3f, %s%s left", step, last_step,
             epoch, loss, rate, left);
    fprintf(stderr, "\r%.*s\033[K", terminal_width(report->terminal) - 1, line);
    report->drawn = true;
    report->drawn_at = now;
}
