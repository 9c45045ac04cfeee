/* Histograms of float values, such as a tensor's parameters or gradients, for TensorBoard's Distributions and Histograms pages
 * (src/formats). */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/* A value is counted by the top 11 bits of its float: sign, exponent and two bits of the mantissa. So a power of two is divided
 * into four slots. */
enum { HISTOGRAM_SHIFT = 21, HISTOGRAM_SLOTS = 1 << (32 - HISTOGRAM_SHIFT) };

/* A zeroed struct is an empty histogram. */
struct histogram {
    uint64_t count[HISTOGRAM_SLOTS];
    uint64_t values;     /* finite values */
    uint64_t zeros;      /* values that are 0 or -0 */
    uint64_t not_finite; /* NaNs and infinities, counted nowhere else */
    double minimum, maximum; /* of the finite values; 0 if there are none */
    double sum, squares;     /* sums of the finite values and of their squares */
};

/* Adds `count` values, in a fixed order of summation. */
void histogram_add(struct histogram *histogram, const float *values, size_t count);

/* The buckets of TensorBoard's form: bucket i holds the values from limit[i - 1] to limit[i], bucket 0 those below limit[0]. Values
 * that are smaller than 2^-12 of the largest magnitude share one bucket around zero. Only the buckets from the first value to the
 * last one are given; together they hold all finite values. */
enum { HISTOGRAM_OCTAVES = 12, HISTOGRAM_BUCKETS = 2 * (4 * HISTOGRAM_OCTAVES + 1) + 1 };
struct histogram_buckets {
    int count; /* 0 if there are no finite values */
    double limit[HISTOGRAM_BUCKETS], values[HISTOGRAM_BUCKETS];
};
void histogram_buckets(const struct histogram *histogram, struct histogram_buckets *buckets);

#endif
