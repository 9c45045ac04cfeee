/* Rank 0's reports: hands each one to every sink. */
#include "report.h"

#include <inttypes.h>

#include "sink.h"

static const struct sink *const sinks[] = {&sink_line, &sink_csv};
enum { SINKS = sizeof sinks / sizeof *sinks };

int report_open(struct report *report, const char *directory, uint64_t step, struct error *why)
{
    *report = (struct report){0};
    report->directory = directory;
    for (int i = 0; directory && i < SINKS; i++)
        if (sinks[i]->rewind(report, step, why) || sinks[i]->open(report, step, why))
            return -1;
    return 0;
}

void report_step(struct report *report, const struct interval *interval)
{
    report->examples_per_second = interval->examples_per_second;
    for (int i = 0; i < SINKS; i++)
        sinks[i]->interval(report, interval);
}

void report_progress(struct report *report, const struct advance *a)
{
    struct progress_line line;
    if (!progress_due(&report->progress, 1, (int64_t)a->step, (int64_t)a->last_step, &line))
        return;
    progress_times(&line);
    progress_item(&line, "loss %.2f", a->loss);
    progress_item(&line, "precision %.2f", a->precision);
    if (report->examples_per_second > 0)
        progress_item(&line, "%.0f images/s", report->examples_per_second);
    progress_head(&line, "epoch %" PRIu64 "/%" PRIu64, a->epoch, a->last_epoch);
    progress_draw(&report->progress, &line);
}

void report_close(struct report *report)
{
    progress_clear(&report->progress);
    for (int i = 0; i < SINKS; i++)
        sinks[i]->close(report);
}
