/* Launching the kernels of our own. Each is named by its stub, a function on the host that nvcc makes (kernels.cu). */
#include "cudnn.h"

#define KERNEL_STUB(name, threads, phases) void kernel_##name(struct name##_arguments);
KERNELS(KERNEL_STUB)

struct entry {
    const void *stub;
    unsigned threads;
};

#define KERNEL_ENTRY(name, threads, phases) {(const void *)kernel_##name, threads},
static const struct entry entries[KERNEL_COUNT] = {KERNELS(KERNEL_ENTRY)};

/* A thread's share: four neighbouring values, one load. Enough blocks for the largest device, and few enough that their
 * penalties are soon added up. */
enum { SHARE = 4, BLOCKS_MAX = 4096 };

size_t kernel_blocks(enum kernel kernel, size_t elements)
{
    size_t block = entries[kernel].threads * SHARE, blocks = (elements + block - 1) / block;
    return blocks < 1 ? 1 : blocks > BLOCKS_MAX ? BLOCKS_MAX : blocks;
}

int kernel_launch(const struct library *library, enum kernel kernel, size_t blocks, const void *arguments,
                  struct error *why)
{
    const struct entry *entry = &entries[kernel];
    void *pointers[] = {(void *)(uintptr_t)arguments}; /* only read */
    dim3 grid = {(unsigned)blocks, 1, 1}, block = {entry->threads, 1, 1};
    return CUDA(cudaLaunchKernel(entry->stub, grid, block, pointers, 0, library->stream), why);
}

int kernel_convert_rows(const struct library *library, const void *x, int x_channels, bool x_half, void *y, int y_channels,
                        bool y_half, size_t rows, struct error *why)
{
    struct convert_arguments arguments = {
        .x = x, .y = y, .rows = rows, .x_channels = x_channels, .y_channels = y_channels, .x_half = x_half, .y_half = y_half,
    };
    size_t blocks = kernel_blocks(KERNEL_convert, rows * (size_t)y_channels);
    return kernel_launch(library, KERNEL_convert, blocks, &arguments, why);
}
