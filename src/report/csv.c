/* metrics.csv: one row per interval (report.h describes the columns). */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "row_file.h"
#include "sink.h"

static const char metrics_name[] = "metrics.csv";
static const char metrics_header[] = "step,epoch,total_loss,cross_entropy,precision,last_loss,average_loss,"
                                     "learning_rate,examples_per_second,seconds_per_batch,data_wait_seconds,"
                                     "reduce_wait_seconds,time";
static const enum phase_kind metrics_phases[] = {PHASE_LOAD, PHASE_FORWARD, PHASE_BACKWARD, PHASE_DEVICE, PHASE_REDUCE,
                                                 PHASE_UPDATE, PHASE_REPORT, PHASE_SAVE, PHASE_PARITY};
enum { METRICS_PHASES = sizeof metrics_phases / sizeof *metrics_phases, ROW = 1024 };

/* Appends to a row of ROW bytes. */
static void row_put(char *row, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void row_put(char *row, const char *format, ...)
{
    va_list arguments;
    size_t length = strlen(row);
    va_start(arguments, format);
    vsnprintf(row + length, ROW - length, format, arguments);
    va_end(arguments);
}

static int csv_rewind(const struct report *report, uint64_t step, struct error *why)
{
    return row_file_rewind(report->directory, metrics_name, "%" SCNu64 ",", step, why);
}

static int csv_open(struct report *report, uint64_t step, struct error *why)
{
    char header[ROW] = "";
    (void)step;
    if (row_file_open(&report->metrics, report->directory, metrics_name, why))
        return -1;
    row_put(header, "%s", metrics_header);
    for (int i = 0; i < METRICS_PHASES; i++)
        row_put(header, ",%s_seconds", phase_name(metrics_phases[i]));
    row_put(header, ",slowest_rank,slowest_seconds,mean_rank_seconds\n");
    if (row_file_is_empty(&report->metrics))
        report_append(report, &report->metrics, header);
    report->columns = row_file_columns(&report->metrics);
    return 0;
}

/* Cuts the row off after its first `columns` columns; 0: it stays whole. */
static void cut_row(char *row, int columns)
{
    char *end = columns ? strchr(row, ',') : NULL;
    for (int i = 1; end && i < columns; i++)
        end = strchr(end + 1, ',');
    if (end)
        strcpy(end, "\n");
}

static void csv_interval(struct report *report, const struct interval *i)
{
    char row[ROW] = "", now[ROW_TIME];
    row_time(now);
    row_put(row, "%" PRIu64 ",%.6g,%.9g,%.9g,%.9g,%.9g,%.9g,%.6g,%.6g,%.6g,%.6g,%.6g,%s", i->step, i->epoch, i->total_loss,
            i->cross_entropy, i->precision, i->last_loss, i->average_loss, (double)i->rate, i->examples_per_second,
            i->seconds_per_batch, i->data_wait, i->reduce_wait, now);
    for (int p = 0; p < METRICS_PHASES; p++)
        row_put(row, ",%.6g", i->phases[metrics_phases[p]]);
    row_put(row, ",%d,%.6g,%.6g\n", i->slowest_rank, i->slowest_seconds, i->mean_rank_seconds);
    cut_row(row, report->columns);
    report_append(report, &report->metrics, row);
}

static void csv_close(struct report *report)
{
    report_close_file(report, &report->metrics);
}

const struct sink sink_csv = {.rewind = csv_rewind, .open = csv_open, .interval = csv_interval, .close = csv_close};
