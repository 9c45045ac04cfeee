/* Kernels: the functions that nvcc's host code calls to register and launch them (crt/host_runtime.h, which only C++ can
 * include). */
#include <string.h>

#include "inside.h"

enum { KERNELS_MAX = 256, THREADS_MAX = 1024, DYNAMIC_SHARED_MAX = 48 << 10 };

struct CUkern_st { /* cudaKernel_t points to one */
    const void *stub; /* its function on the host */
    const char *name;
};

static struct {
    struct CUkern_st at[KERNELS_MAX];
    int count;
} kernels;

#pragma GCC visibility push(default)
void **__cudaRegisterFatBinary(void *binary);
void __cudaRegisterFatBinaryEnd(void **handle);
void __cudaUnregisterFatBinary(void **handle);
void __cudaRegisterFunction(void **handle, const char *stub, char *device_function, const char *name, int thread_limit,
                            uint3 *tid, uint3 *bid, dim3 *block, dim3 *grid, int *warp);
cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared, void *stream);
cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *stub);
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void **args, size_t shared, cudaStream_t stream);
#pragma GCC visibility pop

void **__cudaRegisterFatBinary(void *binary)
{
    static void *handle;
    handle = binary;
    return &handle;
}

void __cudaRegisterFatBinaryEnd(void **handle)
{
    (void)handle;
}

void __cudaUnregisterFatBinary(void **handle)
{
    (void)handle;
}

void __cudaRegisterFunction(void **handle, const char *stub, char *device_function, const char *name, int thread_limit,
                            uint3 *tid, uint3 *bid, dim3 *block, dim3 *grid, int *warp)
{
    (void)handle, (void)device_function, (void)thread_limit, (void)tid, (void)bid, (void)block, (void)grid, (void)warp;
    if (kernels.count == KERNELS_MAX)
        fake_misuse("more than %d kernels", KERNELS_MAX);
    kernels.at[kernels.count++] = (struct CUkern_st){stub, name};
}

/* Belongs to launches by <<<...>>>, which are not supported here. */
cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared, void *stream)
{
    (void)grid, (void)block, (void)shared, (void)stream;
    return cudaErrorMissingConfiguration;
}

/* Finds a kernel by its host function, or by its handle. */
static struct CUkern_st *find(const void *function)
{
    for (int i = 0; i < kernels.count; i++)
        if (kernels.at[i].stub == function || &kernels.at[i] == function)
            return &kernels.at[i];
    return NULL;
}

cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *stub)
{
    *kernel = find(stub);
    return *kernel ? cudaSuccess : cudaErrorInvalidDeviceFunction;
}

/* ---- launch ---- */

struct launch {
    const char *name;
    dim3 grid, block;
    size_t padding; /* the arguments are aligned to 16 bytes */
    char arguments[];
};

static void run_launch(const void *state)
{
    const struct launch *l = state;
    if (!twin_run(l->name, l->grid, l->block, l->arguments))
        fake_misuse("kernel %s was launched with blocks of %u threads or with arguments for which it was not written", l->name,
                    l->block.x);
}

static bool is_possible(dim3 grid, dim3 block)
{
    bool blocks = grid.x >= 1 && grid.x <= 2147483647 && grid.y >= 1 && grid.y <= 65535 && grid.z >= 1 && grid.z <= 65535;
    bool threads = block.x >= 1 && block.y >= 1 && block.z >= 1 && block.z <= 64;
    return blocks && threads && (size_t)block.x * block.y * block.z <= THREADS_MAX;
}

static cudaError_t launch(const char *name, dim3 grid, dim3 block, const void *arguments, cudaStream_t stream)
{
    size_t bytes = twin_argument_bytes(name);
    if (bytes == 0)
        return cudaErrorInvalidDeviceFunction;
    struct launch *l = need(malloc(sizeof *l + bytes));
    *l = (struct launch){name, grid, block, 0};
    memcpy(l->arguments, arguments, bytes);
    cudaError_t status = fake_enqueue(stream, name, run_launch, l, sizeof *l + bytes);
    free(l);
    return status;
}

/* The common part of both calls; `name`: the call's name. */
static cudaError_t call_launch(const char *name, const void *function, const cudaLaunchConfig_t *config, void **args)
{
    cudaError_t status = call_begin(name, cudaErrorLaunchOutOfResources);
    if (status)
        return status;
    const struct CUkern_st *kernel = find(function);
    if (!kernel)
        return call_end(cudaErrorInvalidDeviceFunction);
    if (!is_possible(config->gridDim, config->blockDim))
        return call_end(cudaErrorInvalidConfiguration);
    if (!args || config->dynamicSmemBytes > DYNAMIC_SHARED_MAX)
        return call_end(cudaErrorInvalidValue);
    return call_end(launch(kernel->name, config->gridDim, config->blockDim, args[0], config->stream));
}

cudaError_t cudaLaunchKernel(const void *function, dim3 grid, dim3 block, void **args, size_t shared, cudaStream_t stream)
{
    cudaLaunchConfig_t config = {.gridDim = grid, .blockDim = block, .dynamicSmemBytes = shared, .stream = stream};
    return call_launch(__func__, function, &config, args);
}

/* Checks a launch that may start before the work it follows has ended: that must be a single kernel of ours, which allows it.
 * Elsewhere (tests/system/gpu/nvcc.sh) the device's kernels are checked: they wait before they touch memory. */
static cudaError_t check_early(const cudaLaunchConfig_t *config)
{
    const struct CUstream_st *stream = stream_find(config->stream);
    for (unsigned i = 0; i < config->numAttrs; i++)
        if (config->attrs[i].id != cudaLaunchAttributeProgrammaticStreamSerialization)
            fake_misuse("a launch has an attribute that the referee does not know: %d", (int)config->attrs[i].id);
    if (config->numAttrs && (!stream || !stream->capture || !capture_is_behind(stream, run_launch)))
        fake_misuse("a launch may overlap with what it comes behind, which is not a kernel that was captured before it");
    return config->numAttrs && fake_call("early launch") ? cudaErrorNotSupported : cudaSuccess;
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *config, const void *function, void **args)
{
    cudaError_t status = config ? check_early(config) : cudaErrorInvalidValue;
    return status ? call_end(status) : call_launch(__func__, function, config, args);
}

/* Answers as for code compiled for an H100. */
cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *attributes, const void *function)
{
    cudaError_t status = call_begin(__func__, cudaErrorInvalidDeviceFunction);
    if (status)
        return status;
    if (!find(function))
        return call_end(cudaErrorInvalidDeviceFunction);
    *attributes = (struct cudaFuncAttributes){.maxThreadsPerBlock = THREADS_MAX, .ptxVersion = 90, .binaryVersion = 90};
    return call_end(cudaSuccess);
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void **args, size_t shared, cudaStream_t stream)
{
    return cudaLaunchKernel(kernel, grid, block, args, shared, stream);
}
