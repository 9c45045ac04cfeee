/* The log lines, in the tutorial's format, on standard output and in train.log. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "row_file.h"
#include "sink.h"

static const char log_name[] = "train.log";

static void stamp(char *text, size_t size)
{
    struct timeval now;
    struct tm local;
    char seconds[32];
    gettimeofday(&now, NULL);
    localtime_r(&now.tv_sec, &local);
    strftime(seconds, sizeof seconds, "%Y-%m-%d %H:%M:%S", &local);
    snprintf(text, size, "%s.%06ld", seconds, (long)now.tv_usec);
}

/* A training run also has its log in a file, so it goes on if standard output fails. For other commands standard output is the
 * result, and main() checks it. A closed pipe (EPIPE) is not reported here: it stops the run (stop.c). */
static void flush_output(struct report *report)
{
    bool failed = fflush(stdout);
    int code = failed ? errno : EIO;
    if (!report->log.open || (!failed && !ferror(stdout)))
        return;
    clearerr(stdout);
    if (code != EPIPE)
        report_lost(report, "standard output", code);
}

void report_line(struct report *report, const char *format, ...)
{
    char time[48], text[2048], line[sizeof time + sizeof text + 4];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    text_printable(text);
    stamp(time, sizeof time);
    snprintf(line, sizeof line, "%s: %s\n", time, text);
    if (report->progress.shared) /* mpirun may reorder the two streams: erase the progress line on standard output instead */
        report->progress.drawn = false;
    progress_clear(&report->progress);
    printf("%s%s", report->progress.shared ? PROGRESS_ERASE : "", line);
    flush_output(report);
    report_append(report, &report->log, line);
}

void report_hint(struct report *report, const char *format, ...)
{
    char text[4096];
    va_list arguments;
    if (!report->progress.terminal)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    progress_clear(&report->progress);
    line_print(stderr, "%s", text);
}

/* ---- the sink ---- */

static int line_rewind(const struct report *report, uint64_t step, struct error *why)
{
    return row_file_rewind(report->directory, log_name, "%*10s %*16s step %" SCNu64 ",", step, why);
}

static int line_open(struct report *report, uint64_t step, struct error *why)
{
    (void)step;
    return row_file_open(&report->log, report->directory, log_name, why);
}

static void line_interval(struct report *report, const struct interval *i)
{
    if (i->logged)
        report_line(report, "step %" PRIu64 ", loss = %.2f (%.1f examples/sec; %.3f sec/batch)", i->step, i->last_loss,
                    i->examples_per_second, i->seconds_per_batch);
}

static void line_close(struct report *report)
{
    report_close_file(report, &report->log);
}

const struct sink sink_line = {.rewind = line_rewind, .open = line_open, .interval = line_interval, .close = line_close};
