/* Reports of evaluations: the tutorial's line, and a row of eval.csv. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "row_file.h"

static const char evaluated_header[] = "time,step,split,images,precision_at_1,cross_entropy,parameters,data_sha256";
static const char evaluated_new[] = ",precision_at_5"; /* not in files that an older version began */

/* Whether the file's first line has the newer columns. */
static bool has_new_columns(const struct row_file *file)
{
    char first[256] = "";
    FILE *stream = fopen(file->name, "r");
    bool has = stream && fgets(first, sizeof first, stream) && strstr(first, evaluated_new);
    if (stream)
        fclose(stream);
    return has;
}

/* Opens the file for each row: hours may pass between two rows, and the directory may be replaced meanwhile. */
static int append_evaluated(const char *directory, const char *row, const char *newer, struct error *why)
{
    struct row_file file;
    char line[512], header[256] = "";
    if (row_file_open(&file, directory, "eval.csv", why))
        return -1;
    bool is_new = row_file_is_empty(&file);
    if (is_new)
        snprintf(header, sizeof header, "%s%s\n", evaluated_header, evaluated_new);
    snprintf(line, sizeof line, "%s%s%s\n", header, row, is_new || has_new_columns(&file) ? newer : "");
    int status = row_file_append(&file, line) ? error_set(why, "%s: cannot be written: %s", file.name, strerror(errno)) : 0;
    if (row_file_close(&file) && !status)
        status = error_set(why, "%s: cannot be written: %s", file.name, strerror(errno));
    return status;
}

void report_evaluation(struct report *report, const char *directory, const struct evaluated *e)
{
    char row[256], newer[32], date[ROW_TIME];
    double precision = (double)e->right / (double)e->images, in_five = (double)e->in_five / (double)e->images;
    struct error why;
    report_line(report, "precision @ 1 = %.3f (step %" PRIu64 ": %" PRId64 " of %" PRId64 ")", precision, e->step, e->right,
                e->images);
    report_line(report, "cross-entropy %.4f (%s images, %s parameters)", e->cross_entropy, e->split, e->parameters);
    report_line(report, "precision @ 5 = %.3f (%" PRId64 " of %" PRId64 ")", in_five, e->in_five, e->images);
    if (!directory)
        return;
    row_time(date);
    snprintf(row, sizeof row, "%s,%" PRIu64 ",%s,%" PRId64 ",%.9g,%.9g,%s,%.12s", date, e->step, e->split, e->images, precision,
             e->cross_entropy, e->parameters, e->data_sha256);
    snprintf(newer, sizeof newer, ",%.9g", in_five);
    if (!append_evaluated(directory, row, newer, &why) || report->lost)
        return;
    line_print(stderr, "cifar10_mpi: no row in eval.csv: %s", why.text);
    report->lost = true;
}
