#include <string.h>

#include "onednn.h"

/* NaN stays NaN, so that it reaches the loss and is seen. */
__attribute__((target_clones("avx512f", "avx2", "default")))
static void bias_and_relu(float *restrict y, const float *restrict bias, bool relu, size_t rows, size_t channels)
{
    for (size_t row = 0; row < rows; row++, y += channels)
        for (size_t c = 0; c < channels; c++) {
            float sum = y[c] + bias[c];
            y[c] = relu && sum < 0 ? 0 : sum;
        }
}

void bias_relu_forward(float *y, const float *bias, bool relu, size_t rows, size_t channels)
{
    if (bias)
        bias_and_relu(y, bias, relu, rows, channels);
    else if (relu)
        host_relu_forward(y, rows * channels);
}

void relu_backward(float *dy, const float *y, size_t count)
{
    enum { PART = 1 << 14 };
#pragma omp parallel for
    for (size_t first = 0; first < count; first += PART)
        host_relu_backward(dy + first, y + first, count - first < PART ? count - first : PART);
}

__attribute__((target_clones("avx512f", "avx2", "default")))
void bias_gradient(float *restrict sums, const float *restrict dy, size_t rows, size_t channels)
{
    memset(sums, 0, channels * sizeof *sums);
    for (size_t row = 0; row < rows; row++)
        for (size_t c = 0; c < channels; c++)
            sums[c] += dy[row * channels + c];
}
