/* Shared by the sinks. A line that cannot be written is reported once, and the run goes on. */
#include "sink.h"

#include <errno.h>
#include <string.h>

#include "row_file.h"

void report_lost(struct report *report, const char *name, int code)
{
    progress_clear(&report->progress);
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
