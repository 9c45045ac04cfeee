/* Charts: curves drawn by gnuplot as SVG. */
#ifndef CHART_H
#define CHART_H

#include <stdbool.h>

#include "error.h"

struct chart_series {
    char title[128];
    const double *x, *y; /* `count` of each; NaN ones are left out. The caller keeps them. */
    int count;
    bool dots; /* draws a dot at each point, too */
    int color; /* from 0 on; equal colours belong together */
};

enum { CHART_SERIES_MOST = 64 };

struct chart {
    const char *title; /* says what x is, too: "Loss by step" */
    bool from_zero; /* the y axis begins at 0 */
    struct chart_series series[CHART_SERIES_MOST];
    int count;
};

/* Adds a curve, unless it has no point or the chart is full. The title is printf's. Returns the curve, or NULL. */
struct chart_series *chart_add(struct chart *chart, const double *x, const double *y, int count, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* How the charts of one SVG are drawn. */
struct chart_style {
    int columns;        /* charts beside each other */
    int width, height;  /* of one chart, in pixels */
    const char *name;   /* first part of the identifiers in the SVG, which must be unique in a page */
    bool on_page;       /* part of an HTML page: without an XML header and a background, text in the page's colour */
};

/* Draws the charts into one SVG; those without curves are left out. *svg: a new text, which the caller frees. -1 also if gnuplot is
 * missing. */
int chart_draw(const struct chart *charts, int count, const struct chart_style *style, char **svg, struct error *why);

/* Runs gnuplot on the script. *output: a new text, what it wrote to standard output. */
int gnuplot_run(const char *script, char **output, struct error *why);

#endif
