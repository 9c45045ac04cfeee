/* The reports of rank 0: to each sink in turn. */
#include "report.h"

#include <errno.h>
#include <string.h>

#include "progress.h"
#include "row_file.h"
#include "sink.h"

static const struct sink *const sinks[] = {&sink_line, &sink_csv};
enum { SINKS = sizeof sinks / sizeof *sinks };

int report_open(struct report *report, const char *directory, uint64_t step, struct error *why)
{
    *report = (struct report){0};
    terminal_find(report);
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

void report_close(struct report *report)
{
    report_clear(report);
    for (int i = 0; i < SINKS; i++)
        sinks[i]->close(report);
}

/* ---- for the sinks ---- */

void report_lost(struct report *report, const char *name, int code)
{
    report_clear(report);
    if (!report->lost)
        line_print(stderr, "cifar10_mpi: %s: a line cannot be written: %s; training goes on", name, strerror(code));
    report->lost = true;
}

void report_append(struct report *report, struct row_file *file, const char *line)
{
    if (file->open && row_file_append(file, line))
        report_lost(report, file->name, errno);
}

void report_close_file(struct report *report, struct row_file *file)
{
    if (row_file_close(file))
        report_lost(report, file->name, errno);
}
