/* Histograms by the top bits of each float. These bits order positive floats by value, so that a slot is a range of values. */
#include "histogram.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { LANES = 8, HALF = HISTOGRAM_SLOTS / 2, EXPONENT_SHIFT = 23, FIRST_NOT_FINITE = 0xff << (EXPONENT_SHIFT - HISTOGRAM_SHIFT) };
enum { SLOTS_PER_OCTAVE = 1 << (EXPONENT_SHIFT - HISTOGRAM_SHIFT) };

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The smallest magnitude of a slot. */
static double slot_start(int slot)
{
    uint32_t bits = (uint32_t)slot << HISTOGRAM_SHIFT;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Sums and extremes in LANES independent parts, which the compiler turns into vector instructions. */
struct lanes {
    double sum[LANES], squares[LANES];
    float least[LANES], most[LANES];
};

static void lanes_add(struct lanes *lanes, const float *values)
{
    for (int i = 0; i < LANES; i++) {
        double value = isfinite(values[i]) ? values[i] : 0;
        lanes->sum[i] += value;
        lanes->squares[i] += value * value;
        lanes->least[i] = isfinite(values[i]) && values[i] < lanes->least[i] ? values[i] : lanes->least[i];
        lanes->most[i] = isfinite(values[i]) && values[i] > lanes->most[i] ? values[i] : lanes->most[i];
    }
}

static void count_values(struct histogram *histogram, const float *values, size_t count)
{
    uint64_t zeros = 0;
    for (size_t i = 0; i < count; i++) {
        histogram->count[float_bits(values[i]) >> HISTOGRAM_SHIFT]++;
        zeros += values[i] == 0;
    }
    histogram->zeros += zeros;
}

/* Takes NaNs and infinities out of the slots. */
static uint64_t drop_not_finite(struct histogram *histogram)
{
    uint64_t dropped = 0;
    for (int slot = FIRST_NOT_FINITE; slot < HALF; slot++) {
        dropped += histogram->count[slot] + histogram->count[HALF + slot];
        histogram->count[slot] = histogram->count[HALF + slot] = 0;
    }
    return dropped;
}

void histogram_add(struct histogram *histogram, const float *values, size_t count)
{
    struct lanes lanes;
    float rest[LANES];
    size_t whole = count - count % LANES;
    for (int i = 0; i < LANES; i++) {
        lanes.sum[i] = lanes.squares[i] = 0;
        lanes.least[i] = INFINITY;
        lanes.most[i] = -INFINITY;
        rest[i] = whole + (size_t)i < count ? values[whole + (size_t)i] : NAN;
    }
    for (size_t i = 0; i < whole; i += LANES)
        lanes_add(&lanes, values + i);
    lanes_add(&lanes, rest);
    count_values(histogram, values, count);
    uint64_t dropped = drop_not_finite(histogram);
    bool empty = histogram->values == 0;
    histogram->values += count - dropped;
    histogram->not_finite += dropped;
    for (int i = 0; i < LANES; i++) {
        histogram->sum += lanes.sum[i];
        histogram->squares += lanes.squares[i];
        if (lanes.least[i] > lanes.most[i])
            continue; /* no finite value in this lane */
        histogram->minimum = empty || lanes.least[i] < histogram->minimum ? lanes.least[i] : histogram->minimum;
        histogram->maximum = empty || lanes.most[i] > histogram->maximum ? lanes.most[i] : histogram->maximum;
        empty = false;
    }
}

/* Appends a bucket, unless it is empty and would be the first. */
static void bucket_add(struct histogram_buckets *buckets, double limit, uint64_t values)
{
    if (buckets->count == 0 && values == 0)
        return;
    buckets->limit[buckets->count] = limit;
    buckets->values[buckets->count++] = (double)values;
}

void histogram_buckets(const struct histogram *histogram, struct histogram_buckets *buckets)
{
    uint64_t around_zero = 0;
    int top = HALF - 1;
    buckets->count = 0;
    if (histogram->values == 0)
        return;
    while (top > 0 && histogram->count[top] + histogram->count[HALF + top] == 0)
        top--;
    int bottom = top - SLOTS_PER_OCTAVE * HISTOGRAM_OCTAVES; /* the slots below it share a bucket */
    bottom = bottom < 1 ? 1 : bottom;
    for (int slot = 0; slot < bottom; slot++)
        around_zero += histogram->count[slot] + histogram->count[HALF + slot];
    for (int slot = top; slot >= bottom; slot--)
        bucket_add(buckets, -slot_start(slot), histogram->count[HALF + slot]);
    bucket_add(buckets, slot_start(bottom), around_zero);
    for (int slot = bottom; slot <= top; slot++)
        bucket_add(buckets, slot_start(slot + 1), histogram->count[slot]);
    while (buckets->values[buckets->count - 1] == 0)
        buckets->count--;
}
