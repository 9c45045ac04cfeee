#include "progress.h"

#include <fcntl.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

static const double draw_interval = 0.1, line_interval = 10; /* seconds: between drawings on a terminal, between printed lines */

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

static void find_terminal(struct progress *progress)
{
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

/* Whether the user's locale is UTF-8. The program's own locale stays "C". */
static bool is_utf8(void)
{
    locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    bool utf8 = locale && !strcmp(nl_langinfo_l(CODESET, locale), "UTF-8");
    if (locale)
        freelocale(locale);
    return utf8;
}

void progress_open(struct progress *progress, enum progress_choice choice)
{
    const char *kind = getenv("TERM");
    *progress = (struct progress){.hidden = choice == PROGRESS_NEVER, .blocks = is_utf8()};
    if (kind && strcmp(kind, "dumb"))
        find_terminal(progress);
    progress->lines = choice == PROGRESS_ALWAYS && !progress->terminal;
}

/* The columns that a line may fill: one fewer than the terminal has, or than 80 if its width is unknown. */
static int width_of(const struct progress *progress)
{
    struct winsize size;
    if (progress->lines)
        return INT_MAX;
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
    if (!progress->terminal || progress->hidden)
        return;
    fprintf(stderr, "\r%.*s\033[K", width_of(progress), text);
    progress->drawn = true;
}

/* ---- the parts of a line ---- */

void progress_begin(struct progress *progress)
{
    progress->started = 0;
}

/* Reserves that many more columns of the line; false: there is no room. */
static bool take(struct progress_line *line, int columns)
{
    bool fits = columns <= line->width - line->length;
    line->length += fits ? columns : 0;
    return fits;
}

static void count_text(struct progress_line *line, double scale, int64_t done, int64_t total)
{
    char of[32] = "";
    int digits = scale > 1 ? 1 : 0;
    if (total > 0)
        snprintf(of, sizeof of, "/%.*f", digits, (double)total / scale);
    int length = snprintf(line->count, sizeof line->count, "%.*f%s", digits, (double)done / scale, of);
    line->full = !take(line, length);
    if (line->full)
        line->count[0] = '\0';
}

bool progress_due(struct progress *progress, double scale, int64_t done, int64_t total, struct progress_line *line)
{
    if (progress->hidden || !(progress->terminal || progress->lines))
        return false;
    double now = clock_seconds(), since = now - progress->drawn_at;
    if (progress->started == 0) {
        progress->started = now;
        progress->first = done;
    }
    if (since < (progress->lines ? line_interval : draw_interval) || done == progress->first)
        return false;
    *line = (struct progress_line){.width = width_of(progress), .elapsed = now - progress->started, .left = -1, .share = -1};
    if (total > 0) {
        int64_t still = total > done ? total - done : 0;
        line->left = line->elapsed / (double)(done - progress->first) * (double)still;
        line->share = (double)(total - still) / (double)total;
    }
    count_text(line, scale, done, total);
    return true;
}

void progress_times(struct progress_line *line)
{
    char elapsed[CLOCK_TEXT], left[CLOCK_TEXT] = "";
    clock_text(line->elapsed, elapsed);
    if (line->left >= 0)
        clock_text(line->left, left);
    progress_item(line, "%s%s%s", elapsed, left[0] ? "<" : "", left);
}

void progress_item(struct progress_line *line, const char *format, ...)
{
    char item[64];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(item, sizeof item, format, arguments);
    va_end(arguments);
    size_t used = strlen(line->items);
    int joint = used ? 2 : 3; /* ", ", or " [" and "]" */
    line->full = line->full || !take(line, joint + length);
    if (!line->full)
        snprintf(line->items + used, sizeof line->items - used, "%s%s", used ? ", " : "", item);
}

void progress_head(struct progress_line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line->head, sizeof line->head, format, arguments);
    va_end(arguments);
    if (!take(line, length + 1))
        line->head[0] = '\0';
}

/* ---- the whole line ---- */

enum { PERCENT = 5, BAR_FRAME = 2, BAR_LEAST = 4, BAR_MOST = 30 }; /* columns; 5: " 12% ", 2: the bar's ends */

/* A bar of that many columns, of UTF-8's full blocks and one of some eighths, or of #. */
static void bar_text(double share, int columns, bool blocks, char *text)
{
    int eighths = (int)(share * columns * 8), full = eighths / 8, part = blocks ? eighths % 8 : 0;
    for (int i = 0; i < full; i++)
        text = stpcpy(text, blocks ? "\u2588" : "#");
    if (part)
        text += sprintf(text, "\xe2\x96%c", 0x90 - part); /* U+258F has one eighth, U+2589 seven */
    sprintf(text, "%*s", columns - full - (part > 0), "");
}

/* " 12% ", " 12%|###   | ", or nothing. */
static void share_text(const struct progress *progress, const struct progress_line *line, char text[160])
{
    char bar[3 * BAR_MOST + 1];
    int room = line->width - line->length - PERCENT - BAR_FRAME, columns = room < BAR_MOST ? room : BAR_MOST;
    text[0] = '\0';
    if (line->share < 0 || room < -BAR_FRAME || !line->count[0])
        return;
    int used = sprintf(text, "%3d%%", (int)(100 * line->share));
    if (progress->lines || columns < BAR_LEAST) {
        strcpy(text + used, " ");
        return;
    }
    bar_text(line->share, columns, progress->blocks, bar);
    sprintf(text + used, "|%s| ", bar);
}

void progress_draw(struct progress *progress, const struct progress_line *line)
{
    char share[160];
    share_text(progress, line, share);
    const char *items = line->items, *head = line->head;
    fprintf(stderr, "%s%s%s%s%s%s%s%s%s", progress->lines ? "" : "\r", head, head[0] ? " " : "", share, line->count,
            items[0] ? " [" : "", items, items[0] ? "]" : "", progress->lines ? "\n" : "\033[K");
    progress->drawn = !progress->lines;
    progress->drawn_at = clock_seconds();
}

void progress_count(struct progress *progress, const char *what, const char *unit, double scale, int64_t done, int64_t total)
{
    struct progress_line line;
    if (!progress_due(progress, scale, done, total, &line))
        return;
    progress_head(&line, "%s", what);
    progress_times(&line);
    if (line.elapsed > 0)
        progress_item(&line, "%.*f %s/s", scale > 1 ? 1 : 0, (double)(done - progress->first) / scale / line.elapsed, unit);
    progress_draw(progress, &line);
}
