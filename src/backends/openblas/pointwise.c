#include <string.h>

#include "openblas.h"

enum { LANES = 32 }; /* channels summed at a time */

void openblas_bias_set(float *y, const float *bias, size_t rows, size_t channels)
{
    if (!bias)
        memset(y, 0, rows * channels * sizeof *y);
    for (size_t row = 0; bias && row < rows; row++)
        memcpy(y + row * channels, bias, channels * sizeof *y);
}

/* Sums the rows first and adds the result to `sums`: two levels of additions round less than one. */
__attribute__((target_clones("avx512f", "avx2", "default")))
void openblas_bias_gradient(float *restrict sums, const float *restrict dy, size_t rows, size_t channels)
{
    for (size_t first = 0; first < channels; first += LANES) {
        size_t lanes = channels - first < LANES ? channels - first : LANES;
        float partial[LANES] = {0};
        for (size_t row = 0; row < rows; row++)
            for (size_t i = 0; i < lanes; i++)
                partial[i] += dy[row * channels + first + i];
        for (size_t i = 0; i < lanes; i++)
            sums[first + i] += partial[i];
    }
}
