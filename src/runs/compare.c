#include "compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "grid.h"
#include "runs.h"
#include "sheet.h"

/* ---- precision ---- */

static int precision_count(const struct comparison *c, const struct history *h)
{
    return c->evaluated ? h->evaluation_count : h->rows;
}

static double precision_at(const struct comparison *c, const struct history *h, int i)
{
    return c->evaluated ? h->evaluations[i].precision : h->values[METRIC_PRECISION][i];
}

/* The highest precision; NaN: there is none. */
static double precision_best(const struct comparison *c, const struct history *h)
{
    double best = NAN;
    for (int i = 0; i < precision_count(c, h); i++)
        best = fmax(best, precision_at(c, h, i)); /* fmax ignores a NaN */
    return best;
}

/* Seconds of training until the run first reached the target; NaN: it has not. */
static double seconds_to_target(const struct comparison *c, const struct history *h)
{
    for (int i = 0; i < precision_count(c, h); i++)
        if (precision_at(c, h, i) >= c->precision)
            return history_elapsed(h, c->evaluated ? h->evaluations[i].step : h->values[METRIC_STEP][i]);
    return NAN;
}

/* The highest precision that all runs reached, of those that have any; rounded down, so that it can be written with two digits. */
static double common_precision(const struct comparison *c)
{
    double least = NAN;
    for (int i = 0; i < c->count; i++)
        least = fmin(least, precision_best(c, &c->runs[i]));
    return floor(100 * least + 1e-9) / 100; /* 100 x 0.29 is below 29 */
}

/* ---- the table ---- */

/* The length of the directories' common parent, with its last '/'. */
static int common_prefix(const struct history *runs, int count)
{
    const char *first = runs[0].directory, *slash = strrchr(first, '/');
    size_t length = slash && slash[1] ? (size_t)(slash - first) + 1 : 0;
    for (int i = 1; i < count; i++)
        while (length && strncmp(first, runs[i].directory, length))
            for (length--; length && first[length - 1] != '/';)
                length--;
    for (int i = 0; i < count; i++)
        if (!runs[i].directory[length])
            return 0;
    return (int)length;
}

static void set_number(struct grid *grid, int row, const char *format, double value)
{
    char text[64];
    snprintf(text, sizeof text, format, value);
    grid_set(grid, row, "%s", isnan(value) ? "-" : text);
}

static double last_evaluation(const struct history *h)
{
    return h->evaluation_count ? h->evaluations[h->evaluation_count - 1].precision : NAN;
}

static void fill_results(struct grid *grid, const struct comparison *c)
{
    static const char *const names[] = {"run", "step", "loss", "train", "test", "best", "ex/sec"};
    for (size_t column = 0; column < sizeof names / sizeof *names; column++) {
        grid_column(grid, names[column]);
        for (int i = 0; i < c->count; i++) {
            const struct history *h = &c->runs[i];
            switch (column) {
            case 0: grid_set(grid, i, "%s", comparison_name(c, i)); break;
            case 1: grid_set(grid, i, "%.0f", history_steps(h)); break;
            case 2: set_number(grid, i, "%.3f", history_last(h, METRIC_TOTAL_LOSS)); break;
            case 3: set_number(grid, i, "%.3f", history_last(h, METRIC_PRECISION)); break;
            case 4: set_number(grid, i, "%.3f", last_evaluation(h)); break;
            case 5: set_number(grid, i, "%.3f", precision_best(c, h)); break;
            case 6: set_number(grid, i, "%.0f", history_mean(h, METRIC_EXAMPLES)); break;
            }
        }
    }
}

static void fill_target_times(struct grid *grid, const struct comparison *c, char title[32])
{
    char text[CLOCK_TEXT];
    grid_column(grid, "time");
    for (int i = 0; i < c->count; i++) {
        clock_text(history_elapsed(&c->runs[i], history_steps(&c->runs[i])), text);
        grid_set(grid, i, "%s", text);
    }
    if (isnan(c->precision))
        return;
    snprintf(title, 32, "to %.4g", c->precision);
    grid_column(grid, title);
    for (int i = 0; i < c->count; i++) {
        clock_text(seconds_to_target(c, &c->runs[i]), text);
        grid_set(grid, i, "%s", text);
    }
}

static void print_legend(const struct comparison *c, int width)
{
    printf("\nColumns\n");
    sheet_line("loss, train", "loss and precision of training images, means of the last interval", stdout, width);
    sheet_line("test", "precision @ 1 on test images (eval), the last one", stdout, width);
    sheet_line("best, to", c->evaluated ? "of the precision on test images" :
               "of the precision on training images, since not all runs were evaluated", stdout, width);
    sheet_line("time, to", "time of training (h:mm:ss), without pauses and without steps that were done again", stdout, width);
}

static int print_results(const struct comparison *c, int width, struct error *why)
{
    struct grid grid;
    char title[32];
    if (grid_init(&grid, c->count, why))
        return -1;
    fill_results(&grid, c);
    fill_target_times(&grid, c, title);
    grid_print(&grid, width);
    print_legend(c, width);
    grid_free(&grid);
    return 0;
}

/* A line for each run that is damaged or unfinished. */
static void print_notes(const struct comparison *c, int width)
{
    bool any = false;
    for (int i = 0; i < c->count; i++) {
        const struct history *h = &c->runs[i];
        const char *goal = history_setting(h, "last_step");
        char text[1280];
        if (h->note.text[0])
            line_print(stderr, "cifar10_mpi: %s", h->note.text);
        if (h->damaged)
            line_print(stderr, "cifar10_mpi: %s/metrics.csv: damaged rows were left out: %d", h->directory, h->damaged);
        if (!*goal || history_steps(h) >= atof(goal))
            continue;
        printf("%s", any ? "" : "\nUnfinished runs\n");
        any = true;
        snprintf(text, sizeof text, "%s: at step %.0f of %.64s%s", comparison_name(c, i), history_steps(h), goal,
                 h->running ? ", running" : "");
        text_printable(text);
        sheet_line("", text, stdout, width);
    }
}

/* ---- all of it ---- */

static int compare_all(const struct history *runs, int count, double precision, const char *svg, struct error *why)
{
    struct comparison c = {.runs = runs, .count = count, .prefix = common_prefix(runs, count), .evaluated = true};
    int width = sheet_width();
    for (int i = 0; i < count; i++)
        c.evaluated = c.evaluated && runs[i].evaluation_count;
    c.precision = precision > 0 ? precision : common_precision(&c);
    if (print_results(&c, width, why))
        return -1;
    print_notes(&c, width);
    compare_options(&c, width);
    return *svg ? compare_curves(&c, svg, why) : 0;
}

int runs_compare(char *const *directories, int count, double precision, const char *svg, struct error *why)
{
    struct history *runs = memory_new((size_t)count, sizeof *runs, "the runs", why);
    int shown = 0, status = runs ? 0 : -1;
    struct error bad;
    for (int i = 0; !status && i < count; i++) {
        if (!history_read(&runs[shown], directories[i], &bad)) {
            shown++;
        } else {
            line_print(stderr, "cifar10_mpi: %s", bad.text);
            history_free(&runs[shown]);
        }
    }
    if (!status && shown)
        status = compare_all(runs, shown, precision, svg, why);
    if (!status && shown < count)
        status = error_set(why, "%d of %d directories could not be shown", count - shown, count);
    for (int i = 0; i < shown; i++)
        history_free(&runs[i]);
    free(runs);
    return status;
}
