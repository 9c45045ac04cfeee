/* Shared by the tests that compare with tests/reference: its files, its drawn tensors, and the difference of two vectors.
 * scripts/make_reference.py makes the files and describes them. If a function here fails, it fails the test that calls it. */
#ifndef TESTS_REFERENCE_H
#define TESTS_REFERENCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

static inline struct h5 *reference_open(const char *name)
{
    struct error why;
    char path[256];
    snprintf(path, sizeof path, "tests/reference/%s", name);
    struct h5 *h5 = h5_open(path, &why);
    if (!h5)
        fail_msg("%s", why.text);
    return h5;
}

static inline void reference_close(struct h5 *h5)
{
    struct error why;
    if (h5_close(h5, &why))
        fail_msg("%s", why.text);
}

/* Reads a whole data set of that type; the caller frees it. */
static inline void *reference_read(struct h5 *h5, enum h5_type type, struct h5_shape *shape, size_t *count,
                                   const char *format, ...)
{
    static const size_t bytes[] = {[H5_UINT8] = 1, [H5_FLOAT] = 4, [H5_DOUBLE] = 8, [H5_INT64] = 8};
    struct error why;
    struct h5_shape found;
    char name[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    if (h5_shape(h5, name, &found, &why))
        fail_msg("%s", why.text);
    assert_int_equal(found.type, type);
    *count = 1;
    for (int i = 0; i < found.rank; i++)
        *count *= (size_t)found.size[i];
    void *data = malloc(*count * bytes[type]);
    assert_non_null(data);
    if (h5_read(h5, name, 0, found.size[0], data, &why))
        fail_msg("%s", why.text);
    if (shape)
        *shape = found;
    return data;
}

/* Element `index` of a drawn tensor: the script's `draw`. */
static inline float reference_draw(uint64_t stream, uint64_t index, float scale)
{
    uint64_t z = ((stream << 32) + index + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z = z ^ z >> 31;
    return (float)((int32_t)(z >> 40) - (1 << 23)) * 0x1p-23f * scale;
}

/* A drawn tensor, from the attribute of `group` that says "stream S, scale X, shape AxBxC"; freed by the caller. */
static inline float *reference_drawn(struct h5 *h5, const char *group, const char *tensor, struct h5_shape *shape,
                                     size_t *count)
{
    struct error why;
    char text[128];
    unsigned long stream;
    float scale;
    long long size[H5_RANK_MAX] = {1, 1, 1, 1};
    if (h5_get_text(h5, group, tensor, text, sizeof text, &why))
        fail_msg("%s", why.text);
    int read = sscanf(text, "stream %lu, scale %f, shape %lldx%lldx%lldx%lld", &stream, &scale, &size[0], &size[1],
                      &size[2], &size[3]);
    assert_true(read > 2);
    struct h5_shape found = {.type = H5_FLOAT, .rank = read - 2};
    *count = 1;
    for (int i = 0; i < H5_RANK_MAX; i++) {
        found.size[i] = size[i];
        *count *= (size_t)size[i];
    }
    float *values = malloc(*count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < *count; i++)
        values[i] = reference_draw(stream, i, scale);
    if (shape)
        *shape = found;
    return values;
}

struct difference {
    double norm; /* norm of the difference, relative to that of the expected vector */
    double most; /* largest difference, relative to the largest expected value */
};

/* Both are infinite if any value is not finite. */
static inline struct difference difference_between(const float *found, const float *expected, size_t count)
{
    double norm = 0, error = 0, most = 0, largest = 0;
    for (size_t i = 0; i < count; i++) {
        double apart = fabs((double)found[i] - expected[i]);
        if (!isfinite(found[i]) || !isfinite(expected[i]))
            return (struct difference){INFINITY, INFINITY};
        error += apart * apart;
        norm += (double)expected[i] * expected[i];
        most = fmax(most, apart);
        largest = fmax(largest, fabs(expected[i]));
    }
    return (struct difference){norm > 0 ? sqrt(error / norm) : sqrt(error), largest > 0 ? most / largest : most};
}

#endif
