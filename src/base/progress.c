#include "progress.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

static const double draw_interval = 0.1; /* seconds */

/* ---- the terminal ---- */

/* Whether mpirun started us. It copies our standard output and error to its own, so its terminal is the one that matters. (Open MPI
 * always gives us a pseudo-terminal as standard output, so isatty would be true even if our output goes to a file.) */
static bool is_launched(void)
{
    struct stat error;
    return getenv("PMIX_RANK") && fstat(STDERR_FILENO, &error) == 0 && S_ISFIFO(error.st_mode);
}

/* A descriptor of the terminal that the launcher's stream goes to; 0 if it is not a terminal. */
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

void progress_open(struct progress *progress)
{
    const char *kind = getenv("TERM");
    *progress = (struct progress){0};
    if (!kind || strcmp(kind, "dumb") == 0)
        return;
    if (!is_launched()) {
        progress->terminal = isatty(STDERR_FILENO) ? STDERR_FILENO : 0;
        progress->shared = progress->terminal && isatty(STDOUT_FILENO);
        return;
    }
    progress->terminal = launcher_terminal(STDERR_FILENO); /* for its width; stays open until the process ends */
    int output = launcher_terminal(STDOUT_FILENO);
    progress->shared = progress->terminal && output;
    if (output)
        close(output);
}

/* The columns that a line may fill: one fewer than the terminal has, or than 80 if its width is unknown. */
static int width_of(const struct progress *progress)
{
    struct winsize size;
    return (ioctl(progress->terminal, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80) - 1;
}

void progress_clear(struct progress *progress)
{
    if (progress->drawn)
        fputs(PROGRESS_ERASE, stderr);
    progress->drawn = false;
}

void progress_text(struct progress *progress, const char *text)
{
    if (!progress->terminal)
        return;
    fprintf(stderr, "\r%.*s\033[K", width_of(progress), text);
    progress->drawn = true;
}

/* ---- lines ---- */

void progress_begin(struct progress *progress)
{
    progress->started = 0;
}

bool progress_due(struct progress *progress, int64_t done, struct progress_line *line)
{
    if (!progress->terminal)
        return false;
    double now = clock_seconds();
    if (progress->started == 0) {
        progress->started = now;
        progress->first = done;
    }
    if (now - progress->drawn_at < draw_interval || done == progress->first)
        return false;
    *line = (struct progress_line){.width = width_of(progress)};
    return true;
}

void progress_item(struct progress_line *line, const char *format, ...)
{
    char item[64];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(item, sizeof item, format, arguments);
    va_end(arguments);
    int comma = line->length ? 2 : 0;
    line->full = line->full || line->length + comma + length > line->width;
    if (!line->full)
        line->length += snprintf(line->text + line->length, sizeof line->text - (size_t)line->length, "%s%s", comma ? ", " : "",
                                 item);
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

void progress_left(const struct progress *progress, struct progress_line *line, int64_t done, int64_t total)
{
    char left[32];
    double seconds = (clock_seconds() - progress->started) / (double)(done - progress->first);
    print_duration(total > done ? (double)(total - done) * seconds : 0, left, sizeof left);
    progress_item(line, "%s left", left);
}

void progress_draw(struct progress *progress, const struct progress_line *line)
{
    fprintf(stderr, "\r%s\033[K", line->text);
    progress->drawn = true;
    progress->drawn_at = clock_seconds();
}

void progress_count(struct progress *progress, const char *what, const char *unit, double scale, int64_t done, int64_t total)
{
    struct progress_line line;
    char of[32] = "";
    int digits = scale > 1 ? 1 : 0;
    if (!progress_due(progress, done, &line))
        return;
    if (total > 0)
        snprintf(of, sizeof of, "/%.*f", digits, (double)total / scale);
    double seconds = clock_seconds() - progress->started;
    progress_item(&line, "%s %.*f%s %s", what, digits, (double)done / scale, of, unit);
    if (seconds > 0)
        progress_item(&line, "%.*f %s/s", digits, (double)(done - progress->first) / scale / seconds, unit);
    if (total > 0)
        progress_left(progress, &line, done, total);
    progress_draw(progress, &line);
}
