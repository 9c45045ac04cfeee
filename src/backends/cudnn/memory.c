#include "cudnn.h"

/* Says how much was requested, how much is free, and what would help. */
static int out_of_memory(size_t bytes, const char *what, struct error *why)
{
    size_t unused = 0, all = 0;
    if (cudaMemGetInfo(&unused, &all) != cudaSuccess)
        return error_set(why, "%s: the device has no %.1f MB left", what, 1e-6 * (double)bytes);
    return error_set(why, "%s: %.1f MB asked for, %.1f MB of the device's %.1f MB are free: take a smaller --batch-size", what,
                     1e-6 * (double)bytes, 1e-6 * (double)unused, 1e-6 * (double)all);
}

void *device_new(size_t bytes, const char *what, struct error *why)
{
    void *memory = NULL;
    size_t taken = bytes ? bytes : 1;
    cudaError_t status = cudaMalloc(&memory, taken);
    if (status == cudaErrorMemoryAllocation) {
        cudaGetLastError(); /* or a later call reports it */
        out_of_memory(bytes, what, why);
        return NULL;
    }
    if (check_cuda(status, "cudaMalloc", PLACE, why)) {
        error_in(why, "%s", what);
        return NULL;
    }
    /* The memset is on the legacy stream, for which the other streams do not wait. */
    if (!CUDA(cudaMemset(memory, 0, taken), why) && !CUDA(cudaDeviceSynchronize(), why))
        return memory;
    device_free(memory);
    return NULL;
}

void device_free(void *memory)
{
    if (memory)
        cudaFree(memory);
}

float *cudnn_allocate(size_t count, const char *what, struct error *why)
{
    if (count > SIZE_MAX / sizeof(float)) {
        error_set(why, "%s: too large", what);
        return NULL;
    }
    return device_new(count * sizeof(float), what, why);
}

void cudnn_free(float *memory)
{
    device_free(memory);
}

/* Waits for all plans' work before the copy, and for the copy before later work. */
static int copy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, struct error *why)
{
    if (bytes == 0)
        return 0;
    return CUDA(cudaDeviceSynchronize(), why) || CUDA(cudaMemcpy(to, from, bytes, kind), why) ||
           CUDA(cudaStreamSynchronize(NULL), why) ? -1 : 0;
}

int cudnn_upload(float *to, const float *from, size_t count, struct error *why)
{
    return copy(to, from, count * sizeof *to, cudaMemcpyHostToDevice, why);
}

int cudnn_download(float *to, const float *from, size_t count, struct error *why)
{
    return copy(to, from, count * sizeof *to, cudaMemcpyDeviceToHost, why);
}
