/* Compares what engines compute, because some versions of cuDNN have engines with wrong results. All engines get the same
 * numbers: multiples of 1/8 from -1 to 1, which are exact in bfloat16 and TF32; the sums of their products are exact in float. So
 * engines that multiply and add agree to the bit, except for the rounding of bfloat16 results. Those that transform first
 * (Winograd, FFT) agree less exactly. */
#include "convolution.h"

#include <stdlib.h>
#include <string.h>

enum { STRIPES = 32, STRIPE = SAMPLE / STRIPES };

static size_t lesser_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t tensor_count(const struct cudnn_convolution *c, enum convolution_tensor tensor)
{
    const struct net_layer *l = c->layer;
    size_t batch = (size_t)c->batch, kernel = (size_t)l->layer.kernel, channels = (size_t)c->x_channels;
    switch (tensor) {
    case TENSOR_X: return batch * (size_t)l->in.height * (size_t)l->in.width * channels;
    case TENSOR_FILTER: return (size_t)l->layer.outputs * kernel * kernel * channels;
    default: return batch * shape_size(l->out);
    }
}

/* ---- numbers ---- */

/* Multiples of 1/8 from -1 to 1, by a linear congruential generator (Numerical Recipes' constants). */
static void numbers_make(void *to, size_t count, bool half, uint32_t seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525 + 1013904223;
        float value = (float)((int)(seed >> 16) % 17 - 8) / 8;
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        if (half)
            ((uint16_t *)to)[i] = (uint16_t)(bits >> 16);
        else
            ((float *)to)[i] = value;
    }
}

/* Each tensor's numbers repeat with a prime period of its own. So images differ, and so do tensors; otherwise the sums of their
 * products would be large. */
static int tensor_fill(const struct cudnn_convolution *c, enum convolution_tensor tensor, void *to, struct error *why)
{
    static const uint16_t periods[] = {[TENSOR_X] = 65521, [TENSOR_FILTER] = 65519, [TENSOR_Y] = 65497};
    size_t count = tensor_count(c, tensor), have = lesser_size(count, periods[tensor]);
    size_t element = element_bytes(c->library->precision);
    void *numbers = memory_new(have, element, "numbers to try engines with", why);
    if (!numbers)
        return -1;
    numbers_make(numbers, have, element == 2, periods[tensor]);
    int failed = CUDA(cudaMemcpy(to, numbers, have * element, cudaMemcpyHostToDevice), why);
    free(numbers);
    for (size_t next; !failed && have < count; have += next) {
        next = lesser_size(have, count - have);
        failed = CUDA(cudaMemcpy((char *)to + have * element, to, next * element, cudaMemcpyDeviceToDevice), why);
    }
    return failed;
}

int numbers_fill(const struct cudnn_convolution *c, const struct convolution_memory *m, struct error *why)
{
    return tensor_fill(c, TENSOR_X, m->x, why) || tensor_fill(c, TENSOR_FILTER, m->filter, why) ||
           (m->dy && tensor_fill(c, TENSOR_Y, m->dy, why)) || CUDA(cudaDeviceSynchronize(), why) ? -1 : 0;
}

/* Sets all bytes of a tensor in the activations' type. */
static int tensor_set(const struct cudnn_convolution *c, enum convolution_tensor tensor, void *at, int byte, struct error *why)
{
    return at ? CUDA(cudaMemset(at, byte, tensor_count(c, tensor) * element_bytes(c->library->precision)), why) : 0;
}

int numbers_clear(const struct cudnn_convolution *c, const struct convolution_memory *m, struct error *why)
{
    return tensor_set(c, TENSOR_X, m->x, 0, why) || tensor_set(c, TENSOR_FILTER, m->filter, 0, why) ||
           tensor_set(c, TENSOR_Y, m->y, 0, why) || tensor_set(c, TENSOR_X, m->dx, 0, why) ||
           tensor_set(c, TENSOR_FILTER, m->dfilter, 0, why) || tensor_set(c, TENSOR_Y, m->dy, 0, why) ||
           CUDA(cudaDeviceSynchronize(), why) ? -1 : 0;
}

/* ---- samples ---- */

static int stripe_get(float *to, const void *from, size_t count, bool half, struct error *why)
{
    uint16_t halves[STRIPE];
    if (CUDA(cudaMemcpy(half ? (void *)halves : to, from, count * (half ? sizeof *halves : sizeof *to), cudaMemcpyDeviceToHost),
             why))
        return -1;
    for (size_t i = 0; half && i < count; i++) {
        uint32_t bits = (uint32_t)halves[i] << 16;
        memcpy(&to[i], &bits, sizeof bits);
    }
    return 0;
}

/* Takes stripes evenly spread from the first value to the last; together they are all values if there are at most SAMPLE. */
static int sample_get(const struct cudnn_convolution *c, enum convolution_tensor tensor, const char *from, float *sample,
                      struct error *why)
{
    size_t count = tensor_count(c, tensor), stripe = lesser_size(count, STRIPE), element = element_bytes(c->library->precision);
    for (size_t i = 0; i < STRIPES; i++) {
        size_t at = i * (count - stripe) / (STRIPES - 1);
        if (stripe_get(sample + i * STRIPE, from + at * element, stripe, element == 2, why))
            return -1;
    }
    return 0;
}

int engine_sample(const struct cudnn_convolution *c, enum convolution_pass pass, int i, const struct convolution_memory *m,
                  float *sample, struct error *why)
{
    enum convolution_tensor tensor = pass == PASS_FORWARD ? TENSOR_Y : pass == PASS_INPUT ? TENSOR_X : TENSOR_FILTER;
    void *output = pass == PASS_FORWARD ? m->y : pass == PASS_INPUT ? m->dx : m->dfilter;
    int nan = 0xff; /* every byte of a NaN: values that the engine does not write are noticed */
    return tensor_set(c, tensor, output, nan, why) || CUDA(cudaDeviceSynchronize(), why) || engine_run(c, pass, i, why) ||
           CUDA(cudaDeviceSynchronize(), why) || sample_get(c, tensor, output, sample, why) ? -1 : 0;
}

/* The largest relative norm of the difference. One rounding is 6e-8 in float, 5e-4 in TF32 and 2e-3 in bfloat16; Winograd's
 * transforms make about ten of them or, with large tiles, about a hundred. A filter's gradient that misses one of 1,000 images is
 * off by 3e-2. */
static double tolerance(enum precision precision)
{
    return precision == PRECISION_FP32 ? 1e-4 : precision == PRECISION_TF32 ? 5e-3 : 1e-2;
}

bool samples_agree(const struct cudnn_convolution *c, const float *a, const float *b)
{
    double most = tolerance(c->library->precision), off = 0, size = 0;
    for (int i = 0; i < SAMPLE; i++) {
        off += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)b[i] * (double)b[i];
    }
    return off <= most * most * size;
}
