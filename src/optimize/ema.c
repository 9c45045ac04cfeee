#include "optimize.h"

float ema_decay(float limit, uint64_t step)
{
    float decay = (1.0f + (float)step) / (10.0f + (float)step);
    return decay < limit ? decay : limit;
}

__attribute__((target_clones("avx512f", "avx2", "default")))
void ema_update(float *restrict shadows, const float *restrict parameters, size_t count, float decay)
{
    float rest = 1.0f - decay;
    for (size_t i = 0; i < count; i++)
        shadows[i] -= rest * (shadows[i] - parameters[i]);
}
