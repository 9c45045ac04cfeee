/* Two files: the attributes and data sets in which they differ, and by how much. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

enum { VALUE_TEXT = 4096 };

/* ---- names of both files ---- */

/* Two sorted lists of names, of which walk_next finds the next name in order: in `a`, in `b` or in both. */
struct name_walk {
    char (*a)[H5_NAME], (*b)[H5_NAME];
    int a_count, b_count, a_next, b_next;
    const char *name; /* the current one */
    bool in_a, in_b;
};

static bool walk_next(struct name_walk *w)
{
    bool more_a = w->a_next < w->a_count, more_b = w->b_next < w->b_count;
    if (!more_a && !more_b)
        return false;
    int order = !more_a ? 1 : !more_b ? -1 : strcmp(w->a[w->a_next], w->b[w->b_next]);
    w->in_a = order <= 0;
    w->in_b = order >= 0;
    w->name = w->in_a ? w->a[w->a_next] : w->b[w->b_next];
    w->a_next += w->in_a;
    w->b_next += w->in_b;
    return true;
}

static void walk_free(struct name_walk *w)
{
    free(w->a);
    free(w->b);
}

/* ---- attributes ---- */

static int text_of(struct h5 *h5, const char *object, const char *name, bool is_there, char value[VALUE_TEXT], struct error *why)
{
    snprintf(value, VALUE_TEXT, "(none)");
    if (is_there && h5_get_as_text(h5, object, name, value, VALUE_TEXT, why))
        return -1;
    if (!value[0])
        snprintf(value, VALUE_TEXT, "(empty)");
    text_printable(value);
    return 0;
}

/* Adds the number of attributes that differ to *different. Digests are left out: they differ whenever something else does. */
static int compare_attributes(struct h5 *a, struct h5 *b, const char *object, int *different, struct error *why)
{
    struct name_walk w = {0};
    char of_a[VALUE_TEXT], of_b[VALUE_TEXT], name[H5_NAME];
    int status = 0;
    if (h5_has(a, object, NULL) && h5_attributes(a, object, &w.a, &w.a_count, why))
        return -1;
    if (h5_has(b, object, NULL) && h5_attributes(b, object, &w.b, &w.b_count, why))
        status = -1;
    while (!status && walk_next(&w)) {
        status = text_of(a, object, w.name, w.in_a, of_a, why) || text_of(b, object, w.name, w.in_b, of_b, why) ? -1 : 0;
        if (status || !strcmp(w.name, "digest") || !strcmp(of_a, of_b))
            continue;
        text_printable(strcpy(name, w.name));
        printf("  %-20s %s -> %s\n", name, of_a, of_b);
        ++*different;
    }
    walk_free(&w);
    return status;
}

/* ---- data sets ---- */

struct difference {
    int64_t count, different;
    double most;           /* the largest absolute difference */
    double squares, first; /* sums of squares: of the differences, of the first file's values */
};

static void difference_add(struct difference *d, double a, double b)
{
    double apart = a == b || (isnan(a) && isnan(b)) ? 0 : fabs(a - b);
    d->count++;
    d->different += apart != 0; /* also if it is NaN */
    d->most = apart > d->most || isnan(apart) ? apart : d->most;
    d->squares += apart * apart;
    d->first += isnan(a) ? 0 : a * a;
}

static int difference_take(struct difference *d, struct reading *a, struct reading *b, struct error *why)
{
    *d = (struct difference){0};
    for (;;) {
        if (reading_next(a, why) || reading_next(b, why))
            return -1;
        if (!a->count)
            return 0;
        for (int64_t i = 0; i < a->count * a->row; i++)
            difference_add(d, reading_value(a, i), reading_value(b, i));
    }
}

static bool shapes_equal(const struct h5_shape *a, const struct h5_shape *b)
{
    return a->type == b->type && a->rank == b->rank && !memcmp(a->size, b->size, (size_t)a->rank * sizeof *a->size);
}

static void difference_print(const char *name, const struct difference *d)
{
    line_print(stdout, "  %-32s %9.2f%% %10.3g %10.3g %9.3g%%", name, 100 * (double)d->different / (double)d->count, d->most,
           sqrt(d->squares / (double)d->count), d->first > 0 ? 100 * sqrt(d->squares / d->first) : INFINITY);
}

/* Adds 1 to *different if the data set differs. */
static int compare_both(struct h5 *a, struct h5 *b, const char *name, int *different, struct error *why)
{
    struct reading of_a, of_b = {0};
    struct difference d;
    char shape_a[96], shape_b[96];
    int status = reading_open(&of_a, a, name, why) || reading_open(&of_b, b, name, why) ? -1 : 0;
    if (!status && !shapes_equal(&of_a.shape, &of_b.shape)) {
        h5_shape_text(&of_a.shape, shape_a, sizeof shape_a);
        h5_shape_text(&of_b.shape, shape_b, sizeof shape_b);
        line_print(stdout, "  %-32s %s %s -> %s %s", name, h5_type_name(of_a.shape.type), shape_a, h5_type_name(of_b.shape.type),
                   shape_b);
        ++*different;
    } else if (!status) {
        status = difference_take(&d, &of_a, &of_b, why);
        if (!status && d.different) {
            difference_print(name, &d);
            ++*different;
        }
    }
    reading_close(&of_a);
    reading_close(&of_b);
    return status;
}

static int compare_data_sets(struct h5 *a, struct h5 *b, int *different, int *count, struct error *why)
{
    struct name_walk w = {0};
    int status = h5_list(a, &w.a, &w.a_count, why) || h5_list(b, &w.b, &w.b_count, why) ? -1 : 0;
    for (; !status && walk_next(&w); ++*count) {
        if (w.in_a && w.in_b) {
            status = compare_both(a, b, w.name, different, why);
            continue;
        }
        line_print(stdout, "  %-32s only in %s", w.name, h5_path(w.in_a ? a : b));
        ++*different;
    }
    walk_free(&w);
    return status;
}

int print_differences(struct h5 *a, struct h5 *b, struct error *why)
{
    int attributes = 0, sets = 0, count = 0;
    line_print(stdout, "%s -> %s", h5_path(a), h5_path(b));
    if (compare_attributes(a, b, "/", &attributes, why) || compare_attributes(a, b, "/provenance", &attributes, why))
        return -1;
    if (!attributes)
        printf("  all attributes are equal\n");
    printf("\n  %-32s %10s %10s %10s %10s\n", "data set", "different", "largest", "rms", "relative");
    if (compare_data_sets(a, b, &sets, &count, why))
        return -1;
    printf("  %d of %d data sets are equal\n", count - sets, count);
    return 0;
}
