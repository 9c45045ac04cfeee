/* Reports of evaluations: the tutorial's line, and a row of eval.csv. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "row_file.h"

static const char evaluated_header[] = "time,step,split,images,precision_at_1,cross_entropy,parameters,data_sha256\n";

/* Opens the file for each row: hours may pass between two rows, and the directory may be replaced meanwhile. */
static int append_evaluated(const char *directory, const char *row, struct error *why)
{
    struct row_file file;
    char line[512];
    if (row_file_open(&file, directory, "eval.csv", why))
        return -1;
    snprintf(line, sizeof line, "%s%s", row_file_is_empty(&file) ? evaluated_header : "", row);
    int status = row_file_append(&file, line) ? error_set(why, "%s: cannot be written: %s", file.name, strerror(errno)) : 0;
    if (row_file_close(&file) && !status)
        status = error_set(why, "%s: cannot be written: %s", file.name, strerror(errno));
    return status;
}

void report_evaluation(struct report *report, const char *directory, const struct evaluated *e)
{
    char row[256], date[ROW_TIME];
    double precision = (double)e->right / (double)e->images;
    struct error why;
    report_line(report, "precision @ 1 = %.3f (step %" PRIu64 ": %" PRId64 " of %" PRId64 ")", precision, e->step, e->right,
                e->images);
    report_line(report, "cross-entropy %.4f (%s images, %s parameters)", e->cross_entropy, e->split, e->parameters);
    if (!directory)
        return;
    row_time(date);
    snprintf(row, sizeof row, "%s,%" PRIu64 ",%s,%" PRId64 ",%.9g,%.9g,%s,%.12s\n", date, e->step, e->split, e->images, precision,
             e->cross_entropy, e->parameters, e->data_sha256);
    if (!append_evaluated(directory, row, &why) || report->lost)
        return;
    line_print(stderr, "cifar10_mpi: no row in eval.csv: %s", why.text);
    report->lost = true;
}
