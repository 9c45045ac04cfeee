/* Sinks: where the reports of a run go, a file each.
 *
 * To add one: a file in this folder with a `const struct sink`, what it keeps in struct report, and its line in the list of
 * report.c. Rank 0 only, as all reports. */
#ifndef SINK_H
#define SINK_H

#include "report.h"

struct sink {
    /* Before open: sets aside what report->directory holds of later steps than `step`, since a resumed run does them again. */
    int (*rewind)(const struct report *report, uint64_t step, struct error *why);
    /* Opens its file in report->directory, to go on after `step`. */
    int (*open)(struct report *report, uint64_t step, struct error *why);
    /* The steps of an interval are done. What cannot be written is reported (report_lost); the run goes on. */
    void (*interval)(struct report *report, const struct interval *interval);
    /* Also of one that is not open. */
    void (*close)(struct report *report);
};

extern const struct sink sink_line; /* standard output and train.log (line.c) */
extern const struct sink sink_csv;  /* metrics.csv (csv.c) */

/* Says on standard error, once a run, that a line of `name` cannot be written; code: errno. */
void report_lost(struct report *report, const char *name, int code);

/* Appends a line to the file, or reports it lost; not to a file that is closed. */
void report_append(struct report *report, struct row_file *file, const char *line);
void report_close_file(struct report *report, struct row_file *file);

#endif
