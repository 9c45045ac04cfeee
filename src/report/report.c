#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"
#include "rows.h"
#include "writing.h"

enum { NAME_SIZE = sizeof ((struct report *)0)->directory + 16 };
static const char metrics_header[] = "step,epoch,total_loss,cross_entropy,precision,last_loss,average_loss,"
                                     "learning_rate,examples_per_second,seconds_per_batch,data_wait_seconds,"
                                     "reduce_wait_seconds\n";
static const char evaluated_header[] = "time,step,split,images,precision_at_1,cross_entropy,parameters,data_sha256\n";

/* ---- files ---- */

/* All of a line or nothing of it: a half one, as a full disk leaves it, is cut off, now or before the next. */
static int append(struct report_file *file, const char *line)
{
    if (file->half >= 0 && ftruncate(file->descriptor, file->half))
        return -1;
    file->half = lseek(file->descriptor, 0, SEEK_END);
    int status = file->half < 0 ? -1 : writing_all(file->descriptor, line, strlen(line)), code = errno;
    if (!status || (file->half >= 0 && !ftruncate(file->descriptor, file->half)))
        file->half = -1;
    errno = code;
    return status;
}

/* Once a run: what is lost of a report does not stop it. */
static void tell_lost(struct report *report, const char *name, int code)
{
    report_clear(report);
    if (!report->lost)
        line_print(stderr, "cifar10_mpi: %s: a line cannot be written: %s; training goes on", name, strerror(code));
    report->lost = true;
}

static void file_name(const struct report *report, const struct report_file *file, char *name, size_t size)
{
    snprintf(name, size, "%s/%s", report->directory, file == &report->log ? "train.log" : "metrics.csv");
}

/* errno says why. */
static void file_lost(struct report *report, const struct report_file *file)
{
    char name[NAME_SIZE];
    int code = errno;
    file_name(report, file, name, sizeof name);
    tell_lost(report, name, code);
}

static void add(struct report *report, struct report_file *file, const char *line)
{
    if (file->open && append(file, line))
        file_lost(report, file);
}

static int open_file(struct report *report, struct report_file *file, enum rows rows, uint64_t step, struct error *why)
{
    char name[NAME_SIZE];
    file_name(report, file, name, sizeof name);
    if (rows_keep(name, rows, step, why))
        return -1;
    file->descriptor = writing_open(name, O_WRONLY | O_APPEND | O_CREAT, 0666, why);
    file->open = file->descriptor >= 0;
    file->half = -1;
    return file->open ? 0 : -1;
}

static void close_file(struct report *report, struct report_file *file)
{
    bool failed = file->open && close(file->descriptor); /* what a network file system had kept back */
    file->open = false;
    if (failed)
        file_lost(report, file);
}

int report_open(struct report *report, const char *directory, uint64_t step, struct error *why)
{
    *report = (struct report){0};
    terminal_find(report);
    if (!directory)
        return 0;
    if (snprintf(report->directory, sizeof report->directory, "%s", directory) >= (int)sizeof report->directory)
        return error_set(why, "the name of the directory %.60s... is too long", directory);
    if (open_file(report, &report->log, ROWS_LOG, step, why) || open_file(report, &report->metrics, ROWS_METRICS, step, why))
        return -1;
    if (lseek(report->metrics.descriptor, 0, SEEK_END) == 0)
        add(report, &report->metrics, metrics_header);
    return 0;
}

void report_close(struct report *report)
{
    report_clear(report);
    close_file(report, &report->log);
    close_file(report, &report->metrics);
}

/* ---- lines ---- */

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

/* A run's log is in a file too; for others it is the result, and main() sees to it. A pipe that nobody reads stops a run, which
 * says so itself. */
static void flush_output(struct report *report)
{
    bool failed = fflush(stdout);
    int code = failed ? errno : EIO;
    if (!report->log.open || (!failed && !ferror(stdout)))
        return;
    clearerr(stdout);
    if (code != EPIPE)
        tell_lost(report, "standard output", code);
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
    if (report->shared) /* error and output may overtake each other on their way through mpirun */
        report->drawn = false;
    report_clear(report);
    printf("%s%s", report->shared ? TERMINAL_CLEAR : "", line);
    flush_output(report);
    add(report, &report->log, line);
}

void report_hint(struct report *report, const char *format, ...)
{
    char text[4096];
    va_list arguments;
    if (!report->terminal)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    report_clear(report);
    line_print(stderr, "%s", text);
}

void report_step(struct report *report, const struct interval *i)
{
    char row[512];
    report->examples_per_second = i->examples_per_second;
    report_line(report, "step %" PRIu64 ", loss = %.2f (%.1f examples/sec; %.3f sec/batch)", i->step, i->last_loss,
                i->examples_per_second, i->seconds_per_batch);
    snprintf(row, sizeof row, "%" PRIu64 ",%.6g,%.9g,%.9g,%.9g,%.9g,%.9g,%.6g,%.6g,%.6g,%.6g,%.6g\n", i->step, i->epoch,
             i->total_loss, i->cross_entropy, i->precision, i->last_loss, i->average_loss, (double)i->rate,
             i->examples_per_second, i->seconds_per_batch, i->data_wait, i->reduce_wait);
    add(report, &report->metrics, row);
}

/* ---- evaluations ---- */

/* Opened for each row: hours may lie between two, and a run's directory may be another one by then. */
static int append_evaluated(const char *directory, const char *row, struct error *why)
{
    char name[NAME_SIZE], line[512];
    struct report_file file = {.half = -1};
    if (snprintf(name, sizeof name, "%s/eval.csv", directory) >= (int)sizeof name)
        return error_set(why, "the name of the directory %.60s... is too long", directory);
    file.descriptor = writing_open(name, O_WRONLY | O_APPEND | O_CREAT, 0666, why);
    if (file.descriptor < 0)
        return -1;
    snprintf(line, sizeof line, "%s%s", lseek(file.descriptor, 0, SEEK_END) == 0 ? evaluated_header : "", row);
    int status = append(&file, line) ? error_set(why, "%s: cannot be written: %s", name, strerror(errno)) : 0;
    if (close(file.descriptor) && !status)
        status = error_set(why, "%s: cannot be written: %s", name, strerror(errno));
    return status;
}

void report_evaluation(struct report *report, const char *directory, const struct evaluated *e)
{
    char row[256], date[32] = "";
    double precision = (double)e->right / (double)e->images;
    time_t now = time(NULL);
    struct tm utc;
    struct error why;
    report_line(report, "precision @ 1 = %.3f (step %" PRIu64 ": %" PRId64 " of %" PRId64 ")", precision, e->step, e->right,
                e->images);
    report_line(report, "cross-entropy %.4f (%s images, %s parameters)", e->cross_entropy, e->split, e->parameters);
    if (!directory)
        return;
    if (gmtime_r(&now, &utc))
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    snprintf(row, sizeof row, "%s,%" PRIu64 ",%s,%" PRId64 ",%.9g,%.9g,%s,%.12s\n", date, e->step, e->split, e->images, precision,
             e->cross_entropy, e->parameters, e->data_sha256);
    if (!append_evaluated(directory, row, &why) || report->lost)
        return;
    line_print(stderr, "cifar10_mpi: no row in eval.csv: %s", why.text);
    report->lost = true;
}
