/* One HTML file without references to others, readable on light and dark screens. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "chart.h"
#include "report_page.h"
#include "text_file.h"

static const char head[] =
    "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\n"
    "<meta name=viewport content='width=device-width, initial-scale=1'>\n"
    "<style>\n"
    ":root { color-scheme: light dark; --soft: #666; --line: #ddd; --bar: #2f8fd8; }\n"
    "@media (prefers-color-scheme: dark) { :root { --soft: #aaa; --line: #444; } }\n"
    "body { font: 15px/1.5 system-ui, sans-serif; max-width: 1180px; margin: 2em auto; padding: 0 1em; }\n"
    "h1 { font-size: 1.5em; overflow-wrap: anywhere; }\n"
    "h2 { font-size: 1.1em; margin: 1.6em 0 .4em; }\n"
    "table { border-collapse: collapse; width: 100%; max-width: 760px; }\n"
    "th, td { text-align: left; vertical-align: top; padding: .2em .8em .2em 0; border-top: 1px solid var(--line); }\n"
    "th { font-weight: normal; color: var(--soft); width: 11em; }\n"
    "td { overflow-wrap: anywhere; }\n"
    ".bar { background: var(--bar); height: .5em; min-width: 1px; }\n"
    ".curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 1em; }\n"
    "svg { width: 100%; height: auto; }\n"
    "svg [color=black] { color: inherit; }\n"
    "svg [fill=black] { fill: currentColor; }\n"
    "svg [stroke=black] { stroke: currentColor; }\n"
    "</style>\n<title>";

enum { CURVES = 6 };

static void add_evaluation_curve(struct chart *chart, const double *step, const double *value, const struct history *h,
                                 const char *title)
{
    struct chart_series *series = chart_add(chart, step, value, h->evaluation_count, "%s (%s)", title, h->parameters);
    if (series)
        series->dots = true;
}

/* The curves of a run. evaluated: x, precision and cross-entropy of the evaluations. */
static void curves_fill(struct chart charts[CURVES], const struct history *h, double *const evaluated[3])
{
    static const struct {
        enum metric metric;
        const char *name;
    } parts[] = {{METRIC_LOAD, "load"}, {METRIC_FORWARD, "forward"}, {METRIC_BACKWARD, "backward"}, {METRIC_DEVICE, "device"},
                 {METRIC_REDUCE, "reduce"}, {METRIC_UPDATE, "update"}, {METRIC_REPORT, "report"}, {METRIC_SAVE, "save"},
                 {METRIC_PARITY, "parity"}, {METRIC_EVALUATE, "evaluate"}};
    static const char *const titles[CURVES] = {
        "Loss by step", "Precision by step", "Examples per second (all ranks) by step", "Seconds of a step (rank 0) by step",
        "Seconds of a rank's own work in a step, by step", "Learning rate by step"};
    const double *step = h->values[METRIC_STEP];
    for (int i = 0; i < CURVES; i++)
        charts[i] = (struct chart){.title = titles[i], .from_zero = i > 0};
    chart_add(&charts[0], step, h->values[METRIC_TOTAL_LOSS], h->rows, "total loss");
    chart_add(&charts[0], step, h->values[METRIC_CROSS_ENTROPY], h->rows, "cross-entropy");
    add_evaluation_curve(&charts[0], evaluated[0], evaluated[2], h, "cross-entropy, test images");
    chart_add(&charts[1], step, h->values[METRIC_PRECISION], h->rows, "training images");
    add_evaluation_curve(&charts[1], evaluated[0], evaluated[1], h, "test images");
    chart_add(&charts[2], step, h->values[METRIC_EXAMPLES], h->rows, "examples per second");
    chart_add(&charts[3], step, h->values[METRIC_SECONDS], h->rows, "whole step");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (history_mean(h, parts[i].metric) > 0)
            chart_add(&charts[3], step, h->values[parts[i].metric], h->rows, "%s", parts[i].name);
    chart_add(&charts[4], step, h->values[METRIC_SLOWEST_SECONDS], h->rows, "slowest rank");
    chart_add(&charts[4], step, h->values[METRIC_MEAN_SECONDS], h->rows, "mean of all ranks");
    chart_add(&charts[5], step, h->values[METRIC_LEARNING_RATE], h->rows, "learning rate");
}

static int write_curves(FILE *page, const struct chart *charts, struct error *why)
{
    fprintf(page, "<h2>Curves</h2>\n<div class=curves>\n");
    for (int i = 0; i < CURVES; i++) {
        char name[16], *svg;
        snprintf(name, sizeof name, "curve%d", i);
        struct chart_style style = {.columns = 1, .width = 560, .height = 340, .name = name, .on_page = true};
        if (!charts[i].count)
            continue;
        if (chart_draw(&charts[i], 1, &style, &svg, why))
            return -1;
        fprintf(page, "<figure style='margin:0'>%s</figure>\n", svg);
        free(svg);
    }
    fprintf(page, "</div>\n");
    return 0;
}

static int draw_curves(FILE *page, const struct history *history, struct error *why)
{
    int count = history->evaluation_count;
    double *evaluated[3] = {NULL}, *all = memory_new(3 * (size_t)count + 1, sizeof *all, "the curves", why);
    struct chart *charts = memory_new(CURVES, sizeof *charts, "the curves", why);
    int status = all && charts ? 0 : -1;
    for (int i = 0; !status && i < 3; i++)
        evaluated[i] = all + i * count;
    for (int i = 0; !status && i < count; i++) {
        evaluated[0][i] = history->evaluations[i].step;
        evaluated[1][i] = history->evaluations[i].precision;
        evaluated[2][i] = history->evaluations[i].cross_entropy;
    }
    if (!status) {
        curves_fill(charts, history, evaluated);
        status = write_curves(page, charts, why);
    }
    free(all);
    free(charts);
    return status;
}

static void write_settings(FILE *page, const struct history *history)
{
    if (!history->setting_count)
        return;
    fprintf(page, "<details><summary>All options of the newest checkpoint</summary>\n<table>\n");
    for (int i = 0; i < history->setting_count; i++) {
        fprintf(page, "<tr><th>");
        html_text(history->settings[i].name, page);
        fprintf(page, "</th><td>");
        html_text(history->settings[i].value, page);
        fprintf(page, "</td></tr>\n");
    }
    fprintf(page, "</table></details>\n");
}

static int write_page(FILE *page, const struct sheet *sheet, const struct history *history, struct error *why)
{
    fprintf(page, "%s", head);
    html_text(sheet->title, page);
    fprintf(page, "</title></head><body>\n<h1>");
    html_text(sheet->title, page);
    fprintf(page, "</h1>\n");
    sheet_html(sheet, page);
    if (history->rows && draw_curves(page, history, why))
        return -1;
    write_settings(page, history);
    fprintf(page, "</body></html>\n");
    return 0;
}

int report_html(const struct sheet *sheet, const struct history *history, const char *file, struct error *why)
{
    char *text = NULL;
    size_t size;
    FILE *page = open_memstream(&text, &size);
    if (!page)
        return error_set(why, "there is no memory for the page");
    int status = write_page(page, sheet, history, why);
    if (fclose(page) && !status)
        status = error_set(why, "there is no memory for the page");
    if (!status)
        status = text_file_write(file, text, why);
    free(text);
    return status;
}
