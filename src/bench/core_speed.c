#include "core_speed.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

enum { ROUNDS = 1 << 15, TRIALS = 20, CHAINS = 12 };

/* CHAINS independent chains of multiply-adds, which the Makefile lets the compiler fuse in this file: enough to fill the pipelines
 * (2 units x 4 or 5 cycles), few enough to stay in registers. The width of the CPU's own vectors is the fastest. */
#define ROWS_OF(WIDTH)                                                                                                \
    __attribute__((target_clones("avx512f", "fma", "default")))                                                       \
    static float rows_of_##WIDTH(float factor, float addend)                                                          \
    {                                                                                                                 \
        typedef float vector __attribute__((vector_size(WIDTH * sizeof(float))));                                     \
        vector sums[CHAINS], total = {0};                                                                             \
        for (int i = 0; i < CHAINS; i++)                                                                              \
            sums[i] = (float)i + (vector){0};                                                                         \
        for (int round = 0; round < ROUNDS; round++)                                                                  \
            for (int i = 0; i < CHAINS; i++)                                                                          \
                sums[i] = sums[i] * factor + addend;                                                                  \
        for (int i = 0; i < CHAINS; i++)                                                                              \
            total += sums[i];                                                                                         \
        return total[0];                                                                                              \
    }
ROWS_OF(4)
ROWS_OF(8)
ROWS_OF(16)

static const struct {
    int width;
    float (*run)(float factor, float addend);
} loops[] = {{4, rows_of_4}, {8, rows_of_8}, {16, rows_of_16}};

double peak_measure(void)
{
    double peak = 0;
    volatile float sink = 0; /* keeps the compiler from removing the loops */
    for (int trial = 0; trial < TRIALS; trial++)
        for (int i = 0; i < 3; i++) {
            double before = clock_seconds();
            sink += loops[i].run(0.5f, 0.25f);
            double rate = 2.0 * ROUNDS * CHAINS * loops[i].width / (clock_seconds() - before);
            peak = rate > peak ? rate : peak;
        }
    (void)sink;
    return peak;
}

int bandwidth_measure(double *rate, struct error *why)
{
    const size_t half = (size_t)4 << 20;
    char *data = memory_new(2, half, "the data to copy", why);
    if (!data)
        return -1;
    *rate = 0;
    for (int trial = 0; trial < TRIALS; trial++) {
        double before = clock_seconds();
        memcpy(data + (trial % 2) * half, data + (1 - trial % 2) * half, half);
        double found = 2 * (double)half / (clock_seconds() - before);
        *rate = found > *rate ? found : *rate;
    }
    free(data);
    return 0;
}
