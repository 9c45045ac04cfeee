/* The curves of several runs, laid over each other: one SVG of four charts. */
#include <math.h>
#include <stdlib.h>

#include "chart.h"
#include "compare.h"
#include "text_file.h"

enum { CHARTS = 4, LOSS = 0, BY_STEP = 1, BY_TIME = 2, RATE = 3 };

/* Steps, seconds of training and precisions of a run's evaluations: arrays of `count` within one, which the caller frees. */
struct compared_points {
    double *step, *seconds, *precision;
    int count;
};

static int points_take(struct compared_points *points, const struct history *h, struct error *why)
{
    size_t count = (size_t)h->evaluation_count;
    double *all = memory_new(3 * count + 1, sizeof *all, "the curves", why);
    *points = (struct compared_points){all, all + count, all + 2 * count, (int)count};
    for (size_t i = 0; all && i < count; i++) {
        points->step[i] = h->evaluations[i].step;
        points->seconds[i] = history_elapsed(h, h->evaluations[i].step);
        points->precision[i] = h->evaluations[i].precision;
    }
    return all ? 0 : -1;
}

/* Adds a curve in the run's colour. */
static void add_run_curve(struct chart *chart, const struct comparison *c, int run, const double *x, const double *y, int count,
                          bool dots)
{
    struct chart_series *series = chart_add(chart, x, y, count, "%s", comparison_name(c, run));
    if (series) {
        series->dots = dots;
        series->color = run;
    }
}

static void charts_fill(struct chart charts[CHARTS], const struct comparison *c, const struct compared_points *points)
{
    charts[LOSS] = (struct chart){.title = "Total loss of training images by step"};
    charts[BY_STEP] = (struct chart){.title = c->evaluated ? "Precision @ 1 on test images by step" :
                                              "Precision on training images by step", .from_zero = true};
    charts[BY_TIME] = (struct chart){.title = c->evaluated ? "Precision @ 1 on test images by seconds of training" :
                                              "Precision on training images by seconds of training", .from_zero = true};
    charts[RATE] = (struct chart){.title = "Examples per second by step", .from_zero = true};
    for (int run = 0; run < c->count; run++) {
        const struct history *h = &c->runs[run];
        const struct compared_points *p = &points[run];
        double *const *values = h->values;
        add_run_curve(&charts[LOSS], c, run, values[METRIC_STEP], values[METRIC_TOTAL_LOSS], h->rows, false);
        add_run_curve(&charts[RATE], c, run, values[METRIC_STEP], values[METRIC_EXAMPLES], h->rows, false);
        if (c->evaluated) {
            add_run_curve(&charts[BY_STEP], c, run, p->step, p->precision, p->count, true);
            add_run_curve(&charts[BY_TIME], c, run, p->seconds, p->precision, p->count, true);
        } else {
            add_run_curve(&charts[BY_STEP], c, run, values[METRIC_STEP], values[METRIC_PRECISION], h->rows, false);
            add_run_curve(&charts[BY_TIME], c, run, h->elapsed, values[METRIC_PRECISION], h->rows, false);
        }
    }
}

static int charts_write(const struct chart *charts, const char *file, struct error *why)
{
    struct chart_style style = {.columns = 2, .width = 560, .height = 400, .name = "compare"};
    char *svg;
    int curves = 0;
    for (int i = 0; i < CHARTS; i++)
        curves += charts[i].count;
    if (!curves)
        return error_set(why, "there are no curves to draw: no run has reported a step yet");
    int status = chart_draw(charts, CHARTS, &style, &svg, why);
    if (!status)
        status = text_file_write(file, svg, why);
    free(svg);
    return status;
}

int compare_curves(const struct comparison *c, const char *file, struct error *why)
{
    struct compared_points *points = memory_new((size_t)c->count, sizeof *points, "the curves", why);
    struct chart *charts = memory_new(CHARTS, sizeof *charts, "the curves", why);
    int status = points && charts ? 0 : -1, taken = 0;
    for (; !status && taken < c->count; taken++)
        status = points_take(&points[taken], &c->runs[taken], why);
    if (!status) {
        charts_fill(charts, c, points);
        status = charts_write(charts, file, why);
    }
    for (int i = 0; i < taken; i++)
        free(points[i].step);
    free(points);
    free(charts);
    return status;
}
