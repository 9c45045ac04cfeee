#include "history.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lock.h"
#include "table.h"
#include "text_file.h"

static const char *const history_columns[METRICS] = {
    "step", "epoch", "total_loss", "cross_entropy", "precision", "learning_rate", "examples_per_second", "seconds_per_batch",
    "data_wait_seconds", "reduce_wait_seconds", "load_seconds", "forward_seconds", "backward_seconds", "device_seconds",
    "reduce_seconds", "update_seconds", "report_seconds", "save_seconds", "parity_seconds", "evaluate_seconds", "slowest_rank",
    "slowest_seconds", "mean_rank_seconds"};

/* Above every step and every number of seconds per step: rows with larger ones are damaged. */
static const double history_most = 1e12;

/* Cells of a row in the first version; every later row has at least as many. */
enum { METRICS_LEAST = 12, EVALUATIONS_LEAST = 8 };

/* ---- metrics.csv ---- */

static int values_allocate(struct history *history, int rows, struct error *why)
{
    for (int i = 0; i < METRICS; i++)
        if (!(history->values[i] = memory_new((size_t)rows + 1, sizeof(double), "metrics.csv", why)))
            return -1;
    history->elapsed = memory_new((size_t)rows + 1, sizeof(double), "metrics.csv", why);
    return history->elapsed ? 0 : -1;
}

/* Takes the rows whose steps increase; the others count as damaged. */
static void values_take(struct history *history, const struct table *table)
{
    double before = 0, elapsed = 0;
    history->damaged = table->damaged;
    for (int row = 0; row < table->rows; row++) {
        int to = history->rows;
        for (int i = 0; i < METRICS; i++)
            history->values[i][to] = table_number(table, row, table_column(table, history_columns[i]));
        double step = history->values[METRIC_STEP][to], seconds = history->values[METRIC_SECONDS][to];
        if (!(step > before && step < history_most && seconds >= 0 && seconds < history_most)) {
            history->damaged++;
            continue;
        }
        elapsed += (step - before) * seconds;
        before = step;
        history->elapsed[history->rows++] = elapsed;
    }
}

/* Counts what metrics.csv.undone holds: rows of steps that were done again after a restart. */
static void repeats_count(struct history *history, const struct table *undone)
{
    double before = INFINITY;
    for (int row = 0; row < undone->rows; row++) {
        double step = table_number(undone, row, table_column(undone, history_columns[METRIC_STEP]));
        double seconds = table_number(undone, row, table_column(undone, history_columns[METRIC_SECONDS]));
        double interval = history->rows ? history->values[METRIC_STEP][0] : step; /* steps from one row to the next */
        history->repeats += step <= before;
        interval = step > before ? step - before : interval;
        if (!(step > 0 && step < history_most && seconds >= 0 && seconds < history_most))
            continue;
        history->repeated_steps += interval;
        history->repeated_seconds += interval * seconds;
        before = step;
    }
}

static int metrics_read(struct history *history, bool *exists, struct error *why)
{
    char *text, *undone_text, *header = NULL;
    struct table table = {0}, undone = {0};
    struct error ignored;
    if (text_file_read(history->directory, "metrics.csv", &text, why))
        return -1;
    *exists = text != NULL;
    if (text)
        header = strndup(text, strcspn(text, "\n"));
    int status = table_read(&table, text, NULL, "step", METRICS_LEAST, why);
    if (status)
        error_in(why, "%s/metrics.csv", history->directory);
    if (!status && !(status = values_allocate(history, table.rows, why)))
        values_take(history, &table);
    if (!status && header && !text_file_read(history->directory, "metrics.csv.undone", &undone_text, &ignored) &&
        !table_read(&undone, undone_text, header, "step", METRICS_LEAST, &ignored))
        repeats_count(history, &undone);
    free(header);
    table_free(&table);
    table_free(&undone);
    return status;
}

/* ---- eval.csv ---- */

/* Whether a row is of the split, and of the parameters if those are not NULL. */
static bool row_is_of(const struct table *table, int row, const char *split, const char *parameters)
{
    return !strcmp(table_text(table, row, table_column(table, "split")), split) &&
           (!parameters || !strcmp(table_text(table, row, table_column(table, "parameters")), parameters));
}

static bool table_has(const struct table *table, const char *parameters)
{
    for (int row = 0; row < table->rows; row++)
        if (row_is_of(table, row, "test", parameters))
            return true;
    return false;
}

/* Takes the evaluations on all test images: --num-examples may have left some out. */
static int evaluations_take(struct history *history, const struct table *table, struct error *why)
{
    double most = 0;
    int images = table_column(table, "images");
    snprintf(history->parameters, sizeof history->parameters, "%s", table_has(table, "EMA") ? "EMA" : "raw");
    history->evaluations = memory_new((size_t)table->rows + 1, sizeof *history->evaluations, "eval.csv", why);
    if (!history->evaluations)
        return -1;
    for (int row = 0; row < table->rows; row++)
        if (row_is_of(table, row, "test", history->parameters))
            most = fmax(most, table_number(table, row, images));
    for (int row = 0; row < table->rows; row++) {
        struct history_evaluation e = {table_number(table, row, table_column(table, "step")),
                                       table_number(table, row, table_column(table, "precision_at_1")),
                                       table_number(table, row, table_column(table, "cross_entropy"))};
        if (row_is_of(table, row, "test", history->parameters) && table_number(table, row, images) >= most && isfinite(e.step) &&
            isfinite(e.precision))
            history->evaluations[history->evaluation_count++] = e;
    }
    return 0;
}

static int steps_compare(const void *left, const void *right)
{
    const struct history_evaluation *l = left, *r = right;
    return (l->step > r->step) - (l->step < r->step);
}

/* A damaged eval.csv becomes a note. */
static void evaluations_read(struct history *history)
{
    char *text;
    struct table table = {0};
    struct error why;
    if (text_file_read(history->directory, "eval.csv", &text, &why))
        history->note = why;
    else if (table_read(&table, text, NULL, "step", EVALUATIONS_LEAST, &why) || evaluations_take(history, &table, &why)) {
        error_in(&why, "%s/eval.csv", history->directory);
        history->note = why;
    }
    if (history->evaluation_count)
        qsort(history->evaluations, (size_t)history->evaluation_count, sizeof *history->evaluations, steps_compare);
    table_free(&table);
}

/* ---- all of it ---- */

int history_read(struct history *history, const char *directory, struct error *why)
{
    bool has_metrics = false;
    char *log = NULL;
    struct stat about;
    struct error ignored;
    *history = (struct history){.directory = directory, .saved_step = NAN, .saved_seconds = NAN};
    if (stat(directory, &about))
        return error_set(why, "%s: cannot be read: %s", directory, strerror(errno));
    if (!S_ISDIR(about.st_mode))
        return error_set(why, "%s: is not the directory of a run", directory);
    if (metrics_read(history, &has_metrics, why))
        return -1;
    evaluations_read(history);
    history_read_checkpoint(history);
    if (!has_metrics && isnan(history->saved_step)) {
        if (history->note.text[0])
            *why = history->note;
        return history->note.text[0] ? -1 : error_set(why, "%s: holds no run: neither metrics.csv nor a checkpoint", directory);
    }
    if (text_file_read(directory, "train.log", &log, &ignored))
        history->note = ignored;
    history_read_log(&history->log, log);
    free(log);
    history->running = lock_is_held(directory);
    return 0;
}

void history_free(struct history *history)
{
    for (int i = 0; i < METRICS; i++)
        free(history->values[i]);
    free(history->elapsed);
    free(history->evaluations);
    free(history->settings);
    *history = (struct history){0};
}

/* ---- queries ---- */

const char *history_setting(const struct history *history, const char *name)
{
    for (int i = 0; i < history->setting_count; i++)
        if (!strcmp(history->settings[i].name, name))
            return history->settings[i].value;
    return "";
}

double history_mean(const struct history *history, enum metric metric)
{
    double sum = 0, steps = 0, before = 0;
    for (int row = 0; row < history->rows; row++) {
        double weight = history->values[METRIC_STEP][row] - before, value = history->values[metric][row];
        before = history->values[METRIC_STEP][row];
        if (isfinite(value)) {
            sum += weight * value;
            steps += weight;
        }
    }
    return steps > 0 ? sum / steps : NAN;
}

double history_last(const struct history *history, enum metric metric)
{
    return history->rows ? history->values[metric][history->rows - 1] : NAN;
}

double history_elapsed(const struct history *history, double step)
{
    double step_before = 0, elapsed_before = 0;
    for (int row = 0; row < history->rows; row++) {
        double at = history->values[METRIC_STEP][row], elapsed = history->elapsed[row];
        if (step <= at)
            return elapsed_before + (elapsed - elapsed_before) * (step - step_before) / (at - step_before);
        step_before = at;
        elapsed_before = elapsed;
    }
    return history->rows ? elapsed_before + (step - step_before) * history_last(history, METRIC_SECONDS) : NAN;
}

double history_steps(const struct history *history)
{
    double steps = fmax(history_last(history, METRIC_STEP), history->saved_step); /* fmax ignores a NaN */
    return isnan(steps) ? 0 : steps;
}
