/* Histograms by the top bits of each float. These bits order positive floats by value, so that a slot is a range of values. */
#include "histogram.h"

#include <math.h>
#include <string.h>

#include "finite.h"

enum { BLOCK = 16384, LANES = 8, TABLES = 4, HALF = HISTOGRAM_SLOTS / 2, SLOTS_PER_OCTAVE = 1 << (23 - HISTOGRAM_SHIFT) };

static uint32_t slot_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits >> HISTOGRAM_SHIFT;
}

/* The smallest magnitude of a slot. */
static double slot_start(int slot)
{
    uint32_t bits = (uint32_t)slot << HISTOGRAM_SHIFT;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Sums and extremes in independent parts, so that the loop vectorises. */
struct lanes {
    double sum[LANES], squares[LANES];
    float least[LANES], most[LANES];
    uint32_t zeros[LANES];
};

static inline void lane_add(struct lanes *lanes, int lane, float value)
{
    lanes->sum[lane] += (double)value;
    lanes->squares[lane] += (double)value * (double)value;
    lanes->least[lane] = value < lanes->least[lane] ? value : lanes->least[lane];
    lanes->most[lane] = value > lanes->most[lane] ? value : lanes->most[lane];
    lanes->zeros[lane] += value == 0;
}

__attribute__((target_clones("avx512f", "avx2", "default")))
static void lanes_add(struct lanes *lanes, const float *values, size_t count)
{
    size_t whole = count - count % LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (int lane = 0; lane < LANES; lane++)
            lane_add(lanes, lane, values[i + (size_t)lane]);
    for (size_t i = whole; i < count; i++)
        lane_add(lanes, (int)(i - whole), values[i]);
}

/* Consecutive values are counted in different tables: of equal values, an increment then need not wait for the one before it. */
static void count_slots(struct histogram *histogram, const float *values, size_t count)
{
    uint16_t tables[TABLES][HISTOGRAM_SLOTS] = {{0}};
    for (size_t i = 0; i < count; i++)
        tables[i % TABLES][slot_of(values[i])]++;
    for (int slot = 0; slot < HISTOGRAM_SLOTS; slot++)
        for (int table = 0; table < TABLES; table++)
            histogram->count[slot] += tables[table][slot];
}

/* Adds `count` finite values; 1 <= count <= BLOCK. */
static void block_add(struct histogram *histogram, const float *values, size_t count)
{
    struct lanes lanes = {.sum = {0}};
    for (int i = 0; i < LANES; i++)
        lanes.least[i] = lanes.most[i] = values[0];
    if (histogram->values == 0)
        histogram->minimum = histogram->maximum = values[0];
    lanes_add(&lanes, values, count);
    count_slots(histogram, values, count);
    histogram->values += count;
    for (int i = 0; i < LANES; i++) {
        histogram->zeros += lanes.zeros[i];
        histogram->sum += lanes.sum[i];
        histogram->squares += lanes.squares[i];
        histogram->minimum = fmin(histogram->minimum, lanes.least[i]);
        histogram->maximum = fmax(histogram->maximum, lanes.most[i]);
    }
}

/* Adds the finite ones of `count` values; 1 <= count <= BLOCK. */
static void block_add_finite(struct histogram *histogram, const float *values, size_t count)
{
    float finite[BLOCK];
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i]))
            finite[kept++] = values[i];
    histogram->not_finite += count - kept;
    if (kept > 0)
        block_add(histogram, finite, kept);
}

void histogram_add(struct histogram *histogram, const float *values, size_t count)
{
    for (size_t start = 0; start < count; start += BLOCK) {
        size_t part = count - start < BLOCK ? count - start : BLOCK;
        if (floats_finite(values + start, part))
            block_add(histogram, values + start, part);
        else
            block_add_finite(histogram, values + start, part);
    }
}

/* Appends a bucket, but no empty one at the beginning. */
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
