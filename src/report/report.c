#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"
#include "rows.h"

static const char metrics_header[] = "step,epoch,total_loss,cross_entropy,precision,last_loss,average_loss,"
                                     "learning_rate,examples_per_second,seconds_per_batch,data_wait_seconds,"
                                     "reduce_wait_seconds\n";

/* Both files go by line, so that what was reported is there when the run is cut. */
static FILE *append(const char *file, struct error *why)
{
    FILE *stream = fopen(file, "ae");
    if (!stream) {
        error_set(why, "%s: cannot be written: %s", file, strerror(errno));
        return NULL;
    }
    setvbuf(stream, NULL, _IOLBF, BUFSIZ);
    return stream;
}

int report_open(struct report *report, const char *directory, uint64_t step, struct error *why)
{
    *report = (struct report){0};
    terminal_find(report);
    if (!directory)
        return 0;
    char log[sizeof report->directory + 16], metrics[sizeof report->directory + 16];
    if (snprintf(report->directory, sizeof report->directory, "%s", directory) >= (int)sizeof report->directory)
        return error_set(why, "the name of the directory %.60s... is too long", directory);
    snprintf(log, sizeof log, "%s/train.log", directory);
    snprintf(metrics, sizeof metrics, "%s/metrics.csv", directory);
    if (rows_keep(log, ROWS_LOG, step, why) || rows_keep(metrics, ROWS_METRICS, step, why) ||
        !(report->log = append(log, why)) || !(report->metrics = append(metrics, why)))
        return -1;
    if (fseek(report->metrics, 0, SEEK_END) == 0 && ftell(report->metrics) == 0)
        fputs(metrics_header, report->metrics);
    return 0;
}

/* A full disk may have room again for the next line. */
static void check_written(struct report *report, FILE *file, const char *name)
{
    if (!file || !ferror(file))
        return;
    clearerr(file);
    report_clear(report);
    if (!report->torn)
        fprintf(stderr, "cifar10_mpi: %s/%s: a line cannot be written: %s; training goes on\n", report->directory, name,
                strerror(errno));
    report->torn = name;
}

int report_close(struct report *report, struct error *why)
{
    report_clear(report);
    if (report->log && fclose(report->log))
        report->torn = "train.log";
    if (report->metrics && fclose(report->metrics))
        report->torn = "metrics.csv";
    report->log = report->metrics = NULL;
    if (!report->torn)
        return 0;
    return error_set(why, "%s/%s is not complete: lines could not be written (is the disk full?)", report->directory,
                     report->torn);
}

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

void report_line(struct report *report, const char *format, ...)
{
    char time[48], text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    stamp(time, sizeof time);
    if (report->shared) /* error and output may overtake each other on their way through mpirun */
        report->drawn = false;
    report_clear(report);
    printf("%s%s: %s\n", report->shared ? TERMINAL_CLEAR : "", time, text);
    fflush(stdout);
    if (report->log)
        fprintf(report->log, "%s: %s\n", time, text);
    check_written(report, report->log, "train.log");
}

void report_step(struct report *report, const struct interval *i)
{
    report->examples_per_second = i->examples_per_second;
    report_line(report, "step %" PRIu64 ", loss = %.2f (%.1f examples/sec; %.3f sec/batch)", i->step, i->last_loss,
                i->examples_per_second, i->seconds_per_batch);
    if (report->metrics)
        fprintf(report->metrics, "%" PRIu64 ",%.6g,%.9g,%.9g,%.9g,%.9g,%.9g,%.6g,%.6g,%.6g,%.6g,%.6g\n", i->step,
                i->epoch, i->total_loss, i->cross_entropy, i->precision, i->last_loss, i->average_loss,
                (double)i->rate, i->examples_per_second, i->seconds_per_batch, i->data_wait, i->reduce_wait);
    check_written(report, report->metrics, "metrics.csv");
}
