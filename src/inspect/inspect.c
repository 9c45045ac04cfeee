#include "inspect.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

static void print_name(const char *name)
{
    printf("  %-20s ", name);
}

/* Prints every attribute of an object as a line "name  value". */
static int print_attributes(struct h5 *h5, const char *object, struct error *why)
{
    char (*names)[H5_NAME], value[4096];
    int count, status = 0;
    if (h5_attributes(h5, object, &names, &count, why))
        return -1;
    for (int i = 0; i < count && !status; i++) {
        status = h5_get_as_text(h5, object, names[i], value, sizeof value, why);
        if (!status) {
            text_printable(names[i]);
            text_printable(value);
            print_name(names[i]);
            puts(value);
        }
    }
    free(names);
    return status;
}

/* ---- data sets ---- */

struct statistics {
    double min, max, sum, squares;
    int64_t count, nan;
};

static void statistics_add(struct statistics *s, const float *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double value = (double)values[i];
        if (isnan(value)) {
            s->nan++;
            continue;
        }
        s->min = s->count && s->min < value ? s->min : value;
        s->max = s->count && s->max > value ? s->max : value;
        s->sum += value;
        s->squares += value * value;
        s->count++;
    }
}

static int statistics_take(struct h5 *h5, const char *name, const struct h5_shape *shape, struct statistics *s,
                           struct error *why)
{
    enum { BLOCK = 1 << 20 };
    int64_t row = 1;
    for (int i = 1; i < shape->rank; i++)
        row *= shape->size[i];
    int64_t block = row > 0 && row < BLOCK ? BLOCK / row : 1;
    block = block < shape->size[0] ? block : shape->size[0];
    float *values = memory_new((size_t)block, (size_t)row * sizeof *values, name, why);
    int status = values ? 0 : -1;
    for (int64_t first = 0, rows; !status && first < shape->size[0]; first += rows) {
        rows = shape->size[0] - first < block ? shape->size[0] - first : block;
        status = h5_read(h5, name, first, rows, values, why);
        if (!status)
            statistics_add(s, values, rows * row);
    }
    free(values);
    return status;
}

static int print_data_set(struct h5 *h5, const char *name, struct error *why)
{
    struct h5_shape shape;
    struct statistics s = {0};
    char shape_text[96], shown[H5_NAME];
    if (h5_shape(h5, name, &shape, why))
        return -1;
    h5_shape_text(&shape, shape_text, sizeof shape_text);
    snprintf(shown, sizeof shown, "%s", name);
    text_printable(shown);
    printf("  %-32s %-8s ", shown, h5_type_name(shape.type));
    if (shape.type != H5_FLOAT) {
        puts(shape_text);
    } else {
        if (statistics_take(h5, name, &shape, &s, why))
            return -1;
        double mean = s.count ? s.sum / (double)s.count : NAN;
        double variance = s.count ? s.squares / (double)s.count - mean * mean : NAN;
        double deviation = sqrt(variance > 0 ? variance : s.count ? 0 : NAN);
        printf("%-16s %10.3g %10.3g %10.3g %10.3g %6" PRId64 "\n", shape_text, s.count ? s.min : NAN, mean,
               s.count ? s.max : NAN, deviation, s.nan);
    }
    return 0;
}

static int print_data_sets(struct h5 *h5, bool statistics, struct error *why)
{
    char (*names)[H5_NAME];
    int count, status = 0;
    if (h5_list(h5, &names, &count, why))
        return -1;
    if (statistics)
        printf("\n  %-32s %-8s %-16s %10s %10s %10s %10s %6s\n", "data set", "type", "shape", "min", "mean", "max",
               "deviation", "NaN");
    else
        printf("\n  %-32s %-8s %s\n", "data set", "type", "shape");
    for (int i = 0; i < count && !status; i++)
        status = print_data_set(h5, names[i], why);
    free(names);
    return status;
}

/* ---- the two kinds of file ---- */

static int print_checkpoint(struct h5 *h5, struct error *why)
{
    if (checkpoint_verify(h5, why))
        return -1;
    line_print(stdout, "%s: a checkpoint, complete, its digest is right", h5_path(h5));
    if (print_attributes(h5, "/", why))
        return -1;
    printf("\n  made by\n");
    return print_attributes(h5, "/provenance", why) || print_data_sets(h5, true, why) ? -1 : 0;
}

/* Compares the data sets with the digests in the file. *verified: the number of data sets that have one. */
static int data_verify(struct h5 *h5, int *verified, struct error *why)
{
    char (*names)[H5_NAME], stored[80], found[80];
    int count, status = 0;
    *verified = 0;
    if (h5_list(h5, &names, &count, why))
        return -1;
    for (int i = 0; i < count && !status; i++) {
        if (!h5_has(h5, names[i], "sha256"))
            continue;
        status = h5_get_text(h5, names[i], "sha256", stored, sizeof stored, why);
        if (!status)
            status = h5_sha256(h5, names[i], found, why);
        if (!status && strcmp(stored, found))
            status = error_set(why, "%s: %s: is damaged: its SHA-256 is %s, its content's is %s", h5_path(h5), names[i],
                               stored, found);
        *verified += !status;
    }
    free(names);
    return status;
}

static int print_packed(struct h5 *h5, struct error *why)
{
    int verified;
    if (data_verify(h5, &verified, why))
        return -1;
    line_print(stdout, "%s: a packed data set, the digests of %d data sets are right", h5_path(h5), verified);
    return print_attributes(h5, "/", why) || print_data_sets(h5, false, why) ? -1 : 0;
}

int inspect_run(const char *file, struct error *why)
{
    char format[64];
    struct h5 *h5 = h5_open(file, why);
    if (!h5)
        return -1;
    int status;
    if (!h5_has(h5, "/", "format") || h5_get_text(h5, "/", "format", format, sizeof format, why))
        status = error_set(why, "%s: is an HDF5 file, but neither a packed data set nor a checkpoint of cifar10_mpi",
                           file);
    else if (!strcmp(format, CHECKPOINT_FORMAT))
        status = print_checkpoint(h5, why);
    else if (!strcmp(format, DATASET_FORMAT))
        status = print_packed(h5, why);
    else
        status = error_set(why, "%s: is an HDF5 file of format '%s', which this program does not know", file, format);
    struct error ignored;
    return h5_close(h5, status ? &ignored : why) || status ? -1 : 0;
}
