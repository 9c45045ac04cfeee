/* Sinks: where the reports of a run go. Each has its own source file.
 *
 * To add one: write a file in this folder with a `const struct sink`, put its state in struct report, and add it to the list in
 * report.c. Sinks run on rank 0 only. */
#ifndef SINK_H
#define SINK_H

#include "report.h"

struct sink {
    /* Called before open. Moves rows of steps after `step` out of its file, since a resumed run repeats those steps. */
    int (*rewind)(const struct report *report, uint64_t step, struct error *why);
    /* Opens its file in report->directory, to continue after `step`. */
    int (*open)(struct report *report, uint64_t step, struct error *why);
    /* Writes an interval. If that fails, reports it (report_lost), and the run goes on. */
    void (*interval)(struct report *report, const struct interval *interval);
    /* Does nothing to a sink that is not open. */
    void (*close)(struct report *report);
};

extern const struct sink sink_line; /* standard output and train.log (line.c) */
extern const struct sink sink_csv;  /* metrics.csv (csv.c) */

/* Reports on standard error, once per run, that a line of `name` cannot be written; code: errno. */
void report_lost(struct report *report, const char *name, int code);

/* Appends a line to the file, or reports it lost. Does nothing to a closed file. */
void report_append(struct report *report, struct row_file *file, const char *line);
void report_close_file(struct report *report, struct row_file *file);

#endif
