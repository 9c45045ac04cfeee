/* The elements of data sets: read block by block, summed up, and counted by class. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

/* ---- reading ---- */

int reading_open(struct reading *r, struct h5 *h5, const char *name, struct error *why)
{
    enum { BLOCK = 1 << 20 }; /* elements */
    *r = (struct reading){.h5 = h5, .name = name, .row = 1};
    if (h5_shape(h5, name, &r->shape, why))
        return -1;
    for (int i = 1; i < r->shape.rank; i++)
        r->row *= r->shape.size[i];
    int64_t rows = r->row > 0 && r->row < BLOCK ? BLOCK / r->row : 1;
    r->block = rows < r->shape.size[0] ? rows : r->shape.size[0];
    r->elements = memory_new((size_t)(r->block ? r->block : 1), (size_t)r->row * sizeof(double), name, why);
    return r->elements ? 0 : -1;
}

int reading_next(struct reading *r, struct error *why)
{
    int64_t left = r->shape.size[0] - (r->first += r->count);
    r->count = left < r->block ? left : r->block;
    return r->count ? h5_read(r->h5, r->name, r->first, r->count, r->elements, why) : 0;
}

void reading_close(struct reading *r)
{
    free(r->elements);
    r->elements = NULL;
}

double reading_value(const struct reading *r, int64_t i)
{
    switch (r->shape.type) {
    case H5_UINT8: return ((const uint8_t *)r->elements)[i];
    case H5_FLOAT: return (double)((const float *)r->elements)[i];
    case H5_DOUBLE: return ((const double *)r->elements)[i];
    case H5_INT64: return (double)((const int64_t *)r->elements)[i];
    }
    return NAN;
}

/* ---- statistics ---- */

/* NaNs are only counted. */
struct statistics {
    double min, max, sum, squares;
    int64_t count, zeros, nan;
};

static void statistics_add(struct statistics *s, double value)
{
    if (isnan(value)) {
        s->nan++;
        return;
    }
    s->min = s->count && s->min < value ? s->min : value;
    s->max = s->count && s->max > value ? s->max : value;
    s->sum += value;
    s->squares += value * value;
    s->zeros += value == 0;
    s->count++;
}

static int statistics_take(struct statistics *s, struct h5 *h5, const char *name, struct error *why)
{
    struct reading r;
    int status = reading_open(&r, h5, name, why);
    *s = (struct statistics){0};
    while (!status && !(status = reading_next(&r, why)) && r.count)
        for (int64_t i = 0; i < r.count * r.row; i++)
            statistics_add(s, reading_value(&r, i));
    reading_close(&r);
    return status;
}

/* Prints a number of three digits, or of fewer if three do not fit into the column. */
static void print_number(double number, int width)
{
    char text[32];
    for (int digits = 3; digits > 0; digits--)
        if (snprintf(text, sizeof text, "%.*g", digits, number) <= width)
            break;
    printf(" %*s", width, text);
}

static void statistics_print(const struct statistics *s)
{
    double count = s->count ? (double)s->count : NAN, mean = s->sum / count, variance = s->squares / count - mean * mean;
    print_number(mean, 8);
    print_number(sqrt(variance > 0 ? variance : s->count ? 0 : NAN), 8);
    print_number(s->count ? s->min : NAN, 7);
    print_number(s->count ? s->max : NAN, 7);
    print_number(sqrt(s->squares), 5);
    print_number(100 * (double)s->zeros / count, 4);
    putchar('%');
    if (s->nan)
        printf(" %" PRId64 " NaN", s->nan);
}

/* ---- the table ---- */

/* "/params/conv1/weights" -> "conv1/weights"; *group: the length of "/params". */
static const char *name_in_group(const char *name, int *group)
{
    const char *slash = strchr(name + 1, '/');
    *group = slash ? (int)(slash - name) : 0;
    return slash ? slash + 1 : name;
}

/* Begins the lines of another group of data sets. */
static void print_group(const char *name, int length, bool floats, int width)
{
    char group[H5_NAME];
    snprintf(group, sizeof group, "%.*s", length, name);
    text_printable(group);
    if (floats)
        printf("\n%-*s %-9s %8s %8s %7s %7s %5s %5s\n", width + 2, group, "shape", "mean", "std dev", "min", "max", "norm",
               "zeros");
    else
        printf("\n%-*s %-9s %s\n", width + 2, group, "type", "shape");
}

static int print_data_set(struct h5 *h5, const char *name, int width, struct error *why)
{
    struct h5_shape shape;
    struct statistics s;
    char shape_text[96], shown[H5_NAME];
    int group;
    if (h5_shape(h5, name, &shape, why))
        return -1;
    h5_shape_text(&shape, shape_text, sizeof shape_text);
    snprintf(shown, sizeof shown, "%s", name_in_group(name, &group));
    text_printable(shown);
    if (shape.type != H5_FLOAT) {
        printf("  %-*s %-9s %s\n", width, shown, h5_type_name(shape.type), shape_text);
        return 0;
    }
    if (statistics_take(&s, h5, name, why))
        return -1;
    printf("  %-*s %-9s", width, shown, shape_text);
    statistics_print(&s);
    printf("\n");
    return 0;
}

static int print_named(struct h5 *h5, char (*names)[H5_NAME], int count, struct error *why)
{
    int width = 0, group, before = -1;
    for (int i = 0; i < count; i++) {
        int length = (int)strlen(name_in_group(names[i], &group));
        width = length > width ? length : width;
    }
    for (int i = 0; i < count; i++) {
        struct h5_shape shape;
        name_in_group(names[i], &group);
        if (h5_shape(h5, names[i], &shape, why))
            return -1;
        if (group != before || strncmp(names[i], names[i - 1], (size_t)group))
            print_group(names[i], group, shape.type == H5_FLOAT, width);
        before = group;
        if (print_data_set(h5, names[i], width, why))
            return -1;
    }
    return 0;
}

int print_data_sets(struct h5 *h5, struct error *why)
{
    char (*names)[H5_NAME];
    int count;
    if (h5_list(h5, &names, &count, why))
        return -1;
    int status = print_named(h5, names, count, why);
    free(names);
    return status;
}

/* ---- classes ---- */

int labels_count(struct h5 *h5, const char *split, int classes, uint8_t **labels, int64_t **counts, int64_t *images,
                 struct error *why)
{
    char name[64];
    struct h5_shape shape;
    *labels = NULL;
    *counts = NULL;
    snprintf(name, sizeof name, "/%s/labels", split);
    bool is_there = h5_has(h5, name, NULL);
    *images = 0;
    if (is_there && h5_shape(h5, name, &shape, why))
        return -1;
    if (is_there && (shape.type != H5_UINT8 || shape.rank != 1))
        return error_set(why, "%s: %s: is no list of labels", h5_path(h5), name);
    if (is_there)
        *images = shape.size[0];
    *labels = memory_new((size_t)*images + 1, 1, name, why);
    *counts = memory_new((size_t)classes + 1, sizeof **counts, "the number of images of each class", why);
    if (!*labels || !*counts || (*images && h5_read(h5, name, 0, *images, *labels, why)))
        return -1;
    for (int64_t i = 0; i < *images; i++) {
        if ((*labels)[i] >= classes)
            return error_set(why, "%s: %s: image %" PRId64 " has label %d, but there are %d classes", h5_path(h5), name, i,
                             (*labels)[i], classes);
        (*counts)[(*labels)[i]]++;
    }
    return 0;
}

int print_class_counts(struct h5 *h5, struct error *why)
{
    static const char *const splits[] = {"train", "test"};
    char (*classes)[64];
    int count;
    uint8_t *labels[2] = {NULL, NULL};
    int64_t *counts[2] = {NULL, NULL}, images[2];
    if (h5_get_texts(h5, "/", "class_names", &classes, &count, why))
        return -1;
    int status = 0;
    for (int i = 0; i < 2 && !status; i++)
        status = labels_count(h5, splits[i], count, &labels[i], &counts[i], &images[i], why);
    if (!status)
        printf("\n%10s %10s  class\n", splits[0], splits[1]);
    for (int i = 0; i < count && !status; i++)
        printf("%10" PRId64 " %10" PRId64 "  %s\n", counts[0][i], counts[1][i], classes[i]);
    if (!status)
        printf("%10" PRId64 " %10" PRId64 "  all %d classes\n", images[0], images[1], count);
    for (int i = 0; i < 2; i++) {
        free(labels[i]);
        free(counts[i]);
    }
    free(classes);
    return status;
}
