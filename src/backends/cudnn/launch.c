/* Launches our own kernels. Each is named by its stub, a host function that nvcc makes (kernels.cu). */
#include "cudnn.h"

#define KERNEL_STUB(name, threads, phases) void kernel_##name(struct name##_arguments);
KERNELS(KERNEL_STUB)

struct entry {
    const void *stub;
    unsigned threads;
};

#define KERNEL_ENTRY(name, threads, phases) {(const void *)kernel_##name, threads},
static const struct entry entries[KERNEL_COUNT] = {KERNELS(KERNEL_ENTRY)};

/* ---- instances, for arguments that fit them ---- */

#define DEVICE_INLINE static inline
#define IS(a, value) do if ((a) != (value)) return 0; while (0)
#define HOLDS(condition) do if (!(condition)) return 0; while (0)
#include "kernels.instances.inc"

#define INSTANCE_STUB(name, text, layer, type, half)                                                                   \
    void kernel_##name##_##layer##_##type(struct name##_arguments);                                                    \
    static int name##_##layer##_##type##_fits(const void *arguments)                                                   \
    {                                                                                                                  \
        struct name##_arguments a = *(const struct name##_arguments *)arguments;                                       \
        return name##_at_##layer(&a, half);                                                                            \
    }
INSTANCES(INSTANCE_STUB)

struct instance {
    enum kernel kernel;
    const void *stub;
    int (*fits)(const void *arguments);
};

#define INSTANCE_ENTRY(name, text, layer, type, half)                                                                  \
    {KERNEL_##name, (const void *)kernel_##name##_##layer##_##type, name##_##layer##_##type##_fits},
static const struct instance instances[] = {INSTANCES(INSTANCE_ENTRY)};

static const void *stub_for(enum kernel kernel, const void *arguments)
{
    for (size_t i = 0; i < sizeof instances / sizeof *instances; i++)
        if (instances[i].kernel == kernel && instances[i].fits(arguments))
            return instances[i].stub;
    return entries[kernel].stub;
}

/* A thread's share: four neighbouring values, one load. BLOCKS_MAX is enough for the largest device. */
enum { SHARE = 4, BLOCKS_MAX = 4096 };

size_t kernel_blocks(enum kernel kernel, size_t elements)
{
    size_t block = entries[kernel].threads * SHARE, blocks = (elements + block - 1) / block;
    return blocks < 1 ? 1 : blocks > BLOCKS_MAX ? BLOCKS_MAX : blocks;
}

/* ---- launch ---- */

/* Code compiled for compute capability 9.0 waits (kernels.cu); PTX for older devices, which a newer one compiles, does not. */
int kernels_overlap(bool *overlap, struct error *why)
{
    struct cudaFuncAttributes attributes;
    if (CUDA(cudaFuncGetAttributes(&attributes, entries[KERNEL_update].stub), why))
        return -1;
    *overlap = attributes.ptxVersion >= 90;
    return 0;
}

static int find_captured_last(cudaStream_t stream, struct captured_last *last, struct error *why)
{
    enum cudaStreamCaptureStatus status;
    unsigned long long capture;
    const cudaGraphNode_t *nodes;
    const cudaGraphEdgeData *edges; /* not read */
    size_t count = 0;
    *last = (struct captured_last){0};
    if (check_cuda(CAPTURE_INFO(stream, &status, &capture, &nodes, &edges, &count), "cudaStreamGetCaptureInfo", PLACE, why))
        return -1;
    if (status == cudaStreamCaptureStatusActive && count == 1)
        *last = (struct captured_last){capture, nodes[0]};
    return 0;
}

/* In a graph, a kernel directly after one of ours may start before that has ended. Nothing else may lie between them: the launch
 * would then depend on a library's work, a copy or an event instead. */
static int is_behind_own(const struct cudnn_library *library, bool *behind, struct error *why)
{
    struct captured_last last = {0};
    if (library->overlap && find_captured_last(library->stream, &last, why))
        return -1;
    *behind = last.capture != 0 && last.capture == library->launched.capture && last.node == library->launched.node;
    return 0;
}

int kernel_launch(struct cudnn_library *library, enum kernel kernel, size_t blocks, const void *arguments, struct error *why)
{
    void *pointers[] = {(void *)(uintptr_t)arguments}; /* only read */
    cudaLaunchAttribute early = {.id = cudaLaunchAttributeProgrammaticStreamSerialization,
                                 .val = {.programmaticStreamSerializationAllowed = 1}};
    cudaLaunchConfig_t config = {.gridDim = {(unsigned)blocks, 1, 1}, .blockDim = {entries[kernel].threads, 1, 1},
                                 .stream = library->stream, .attrs = &early};
    bool behind_own;
    if (is_behind_own(library, &behind_own, why))
        return -1;
    config.numAttrs = behind_own ? 1 : 0;
    if (CUDA(cudaLaunchKernelExC(&config, stub_for(kernel, arguments), pointers), why))
        return -1;
    return library->overlap ? find_captured_last(library->stream, &library->launched, why) : 0;
}

int kernel_add_values(struct cudnn_library *library, const void *a, const void *b, void *y, size_t values, bool half, bool relu,
                      struct error *why)
{
    struct add_arguments arguments = {.a = a, .b = b, .y = y, .values = values, .relu = relu, .half = half};
    return kernel_launch(library, KERNEL_add, kernel_blocks(KERNEL_add, values), &arguments, why);
}

int kernel_convert_rows(struct cudnn_library *library, const void *x, int x_channels, bool x_half, void *y, int y_channels,
                        bool y_half, size_t rows, struct error *why)
{
    struct convert_arguments arguments = {
        .x = x, .y = y, .rows = rows, .x_channels = x_channels, .y_channels = y_channels, .x_half = x_half, .y_half = y_half,
    };
    size_t blocks = kernel_blocks(KERNEL_convert, rows * (size_t)y_channels);
    return kernel_launch(library, KERNEL_convert, blocks, &arguments, why);
}
