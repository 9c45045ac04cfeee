/* metrics.csv: one row per interval (report.h describes the columns). */
#include <inttypes.h>

#include "row_file.h"
#include "sink.h"

static const char metrics_name[] = "metrics.csv";
static const char metrics_header[] = "step,epoch,total_loss,cross_entropy,precision,last_loss,average_loss,"
                                     "learning_rate,examples_per_second,seconds_per_batch,data_wait_seconds,"
                                     "reduce_wait_seconds\n";

static int csv_rewind(const struct report *report, uint64_t step, struct error *why)
{
    return row_file_rewind(report->directory, metrics_name, "%" SCNu64 ",", step, why);
}

static int csv_open(struct report *report, uint64_t step, struct error *why)
{
    (void)step;
    if (row_file_open(&report->metrics, report->directory, metrics_name, why))
        return -1;
    if (row_file_is_empty(&report->metrics))
        report_append(report, &report->metrics, metrics_header);
    return 0;
}

static void csv_interval(struct report *report, const struct interval *i)
{
    char row[512];
    snprintf(row, sizeof row, "%" PRIu64 ",%.6g,%.9g,%.9g,%.9g,%.9g,%.9g,%.6g,%.6g,%.6g,%.6g,%.6g\n", i->step, i->epoch,
             i->total_loss, i->cross_entropy, i->precision, i->last_loss, i->average_loss, (double)i->rate,
             i->examples_per_second, i->seconds_per_batch, i->data_wait, i->reduce_wait);
    report_append(report, &report->metrics, row);
}

static void csv_close(struct report *report)
{
    report_close_file(report, &report->metrics);
}

const struct sink sink_csv = {.rewind = csv_rewind, .open = csv_open, .interval = csv_interval, .close = csv_close};
