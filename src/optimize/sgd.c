#include "optimize.h"

/* Squares are summed in float within a run, and the runs in double: precise enough for a report,
 * and the loop over a run vectorises. */
enum { RUN = 256, LANES = 16 };

__attribute__((target_clones("avx512f", "avx2", "default")))
static float sgd_run(float *restrict p, const float *restrict g, size_t count, float rate, float scale, float decay)
{
    float lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t j = 0; j < LANES; j++) {
            lanes[j] += p[i + j] * p[i + j];
            p[i + j] -= rate * (scale * g[i + j] + decay * p[i + j]);
        }
    for (; i < count; i++) {
        lanes[i % LANES] += p[i] * p[i];
        p[i] -= rate * (scale * g[i] + decay * p[i]);
    }
    float sum = 0;
    for (int j = 0; j < LANES; j++)
        sum += lanes[j];
    return sum;
}

double sgd_apply(float *parameters, const float *gradients, size_t count, float rate, float scale, float decay)
{
    double squares = 0;
    for (size_t i = 0; i < count; i += RUN) {
        size_t run = count - i < RUN ? count - i : RUN;
        squares += sgd_run(parameters + i, gradients + i, run, rate, scale, decay);
    }
    return 0.5 * decay * squares;
}
