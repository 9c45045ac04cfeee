#include "chart.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Points drawn of a curve. If it has more, each point drawn is the mean of several neighbours. */
enum { POINTS_MOST = 500 };

/* Colours that people with any colour vision can tell apart, on white and on black (near those of Okabe and Ito). Further curves
 * differ by their dashes. */
static const char *const colors[] = {"#2f8fd8", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#a0522d", "#999999"};
enum { COLORS = sizeof colors / sizeof *colors };

static bool is_point(const struct chart_series *s, int i)
{
    return isfinite(s->x[i]) && isfinite(s->y[i]);
}

struct chart_series *chart_add(struct chart *chart, const double *x, const double *y, int count, const char *format, ...)
{
    struct chart_series series = {.x = x, .y = y, .count = count, .color = chart->count};
    bool any = false;
    for (int i = 0; i < count && !any; i++)
        any = is_point(&series, i);
    if (!any || chart->count == CHART_SERIES_MOST)
        return NULL;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(series.title, sizeof series.title, format, arguments);
    va_end(arguments);
    text_printable(series.title);
    chart->series[chart->count] = series;
    return &chart->series[chart->count++];
}

/* Writes the text as a single-quoted string of gnuplot, in which nothing is expanded. */
static void write_quoted(FILE *script, const char *text)
{
    fputc('\'', script);
    for (; *text; text++)
        fprintf(script, *text == '\'' ? "''" : "%c", *text);
    fputc('\'', script);
}

/* Writes the points as a block of data named $dN. */
static void write_points(FILE *script, const struct chart_series *s, int n)
{
    int group = (s->count + POINTS_MOST - 1) / POINTS_MOST;
    fprintf(script, "$d%d << END\n", n);
    for (int first = 0; first < s->count; first += group) {
        double x = 0, y = 0, points = 0;
        for (int i = first; i < first + group && i < s->count; i++)
            if (is_point(s, i)) {
                x += s->x[i];
                y += s->y[i];
                points++;
            }
        if (points > 0)
            fprintf(script, "%.9g %.6g\n", x / points, y / points);
    }
    fprintf(script, "END\n");
}

static void write_chart(FILE *script, const struct chart *chart)
{
    for (int i = 0; i < chart->count; i++)
        write_points(script, &chart->series[i], i);
    fprintf(script, "set title ");
    write_quoted(script, chart->title);
    fprintf(script, "\nset key %s\nset yrange [%s:*]\nplot ", chart->count > 1 ? "on" : "off", chart->from_zero ? "0" : "*");
    for (int i = 0; i < chart->count; i++) {
        const struct chart_series *s = &chart->series[i];
        fprintf(script, "%s$d%d using 1:2 with %s lw 1.6 dt %d lc rgb '%s' pt 7 ps 0.5 title ", i ? ", " : "", i,
                s->dots || s->count < 3 ? "linespoints" : "lines", 1 + s->color / COLORS % 5, colors[s->color % COLORS]);
        write_quoted(script, s->title);
    }
    fprintf(script, "\n");
}

static void write_script(FILE *script, const struct chart *charts, int count, const struct chart_style *style)
{
    int drawn = 0;
    for (int i = 0; i < count; i++)
        drawn += charts[i].count > 0;
    int rows = (drawn + style->columns - 1) / style->columns;
    fprintf(script, "set encoding utf8\nset terminal svg noenhanced size %d,%d font 'sans-serif,12' name '%s'%s\n",
            style->columns * style->width, rows * style->height, style->name, style->on_page ? "" : " background '#ffffff'");
    fprintf(script, "set grid lc rgb '#bbbbbb' dt 3\nset key below maxrows 8\nset border 3\nset tics nomirror\n"
                    "set multiplot layout %d,%d\n", rows, style->columns);
    for (int i = 0; i < count; i++)
        if (charts[i].count > 0)
            write_chart(script, &charts[i]);
    fprintf(script, "unset multiplot\n");
}

int chart_draw(const struct chart *charts, int count, const struct chart_style *style, char **svg, struct error *why)
{
    char *text = NULL, *begin;
    size_t size;
    FILE *script = open_memstream(&text, &size);
    *svg = NULL;
    if (!script)
        return error_set(why, "there is no memory for a chart");
    write_script(script, charts, count, style);
    int status = fclose(script) ? error_set(why, "there is no memory for a chart") : gnuplot_run(text, svg, why);
    free(text);
    if (!status && !(begin = strstr(*svg, "<svg"))) {
        free(*svg);
        *svg = NULL;
        return error_set(why, "gnuplot drew nothing");
    } else if (!status && style->on_page) {
        memmove(*svg, begin, strlen(begin) + 1);
    }
    return status;
}
