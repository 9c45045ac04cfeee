/* Rank 0's reports: hands each one to every sink. */
#include "report.h"

#include <inttypes.h>

#include "sink.h"

static const struct sink *const sinks[] = {&sink_line, &sink_csv};
enum { SINKS = sizeof sinks / sizeof *sinks };

int report_open(struct report *report, const char *directory, uint64_t step, struct error *why)
{
    *report = (struct report){0};
    progress_open(&report->progress);
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

void report_progress(struct report *report, uint64_t step, uint64_t last_step, double epoch, double loss)
{
    struct progress_line line;
    if (!progress_due(&report->progress, (int64_t)step, &line))
        return;
    progress_item(&line, "step %" PRIu64 "/%" PRIu64, step, last_step);
    progress_item(&line, "loss %.3f", loss);
    if (report->examples_per_second > 0)
        progress_item(&line, "%.0f examples/sec", report->examples_per_second);
    progress_left(&report->progress, &line, (int64_t)step, (int64_t)last_step);
    progress_item(&line, "epoch %.2f", epoch);
    progress_draw(&report->progress, &line);
}

void report_close(struct report *report)
{
    progress_clear(&report->progress);
    for (int i = 0; i < SINKS; i++)
        sinks[i]->close(report);
}
