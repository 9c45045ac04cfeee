/* Devices like an H100, and the current one. */
#include <stdio.h>
#include <string.h>

#include "inside.h"

static struct {
    bool read;
    struct device_settings settings;
    int current;
} state;

static long long number(const char *name, long long usual)
{
    const char *text = getenv(name);
    return text && *text ? atoll(text) : usual;
}

/* CUDA_VISIBLE_DEVICES: indices, up to the first invalid one. */
static void keep_visible(struct device_settings *s, const char *list)
{
    int all = s->count;
    s->count = 0;
    for (const char *at = list; *at && s->count < all;) {
        char *end;
        long index = strtol(at, &end, 10);
        if (end == at || index < 0 || index >= all)
            break;
        s->physical[s->count++] = (int)index;
        at = *end == ',' ? end + 1 : end;
    }
}

const struct device_settings *devices(void)
{
    struct device_settings *s = &state.settings;
    if (state.read)
        return s;
    state.read = true;
    s->count = (int)number("FAKECUDA_DEVICES", 1);
    s->memory = (size_t)number("FAKECUDA_MEMORY", 2LL << 30);
    s->instances = (int)number("FAKECUDA_MIG", 1);
    s->node = (int)number("FAKECUDA_NODE", 0);
    if (s->instances < 1)
        fake_misuse("FAKECUDA_MIG=%d: at least 1", s->instances);
    if (s->count > DEVICES_MAX)
        fake_misuse("FAKECUDA_DEVICES=%d: at most %d", s->count, DEVICES_MAX);
    for (int i = 0; i < s->count; i++)
        s->physical[i] = i;
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    if (visible && s->count > 0)
        keep_visible(s, visible);
    return s;
}

int device_current(void)
{
    return state.current;
}

int fake_device(void)
{
    return devices()->count > 0 ? devices()->physical[state.current] : -1;
}

/* The number of a device's GPU on its node. */
static int gpu(int device)
{
    return devices()->physical[device] / devices()->instances;
}

int fake_gpu(void)
{
    return devices()->count > 0 ? devices()->node * DEVICES_MAX + gpu(state.current) : -1;
}

/* On failure *count stays as it is, as with the real one. */
cudaError_t cudaGetDeviceCount(int *count)
{
    cudaError_t status = call_begin(__func__, cudaErrorInitializationError);
    if (!status)
        *count = devices()->count;
    return status;
}

static bool is_device(int device)
{
    return device >= 0 && device < devices()->count;
}

cudaError_t cudaSetDevice(int device)
{
    cudaError_t status = call_begin(__func__, cudaErrorDevicesUnavailable);
    if (status)
        return status;
    if (!is_device(device))
        return call_end(cudaErrorInvalidDevice);
    state.current = device;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int *device)
{
    cudaError_t status = call_begin(__func__, cudaErrorUnknown);
    if (!status)
        *device = state.current;
    return status;
}

static struct cudaDeviceProp properties(int device)
{
    struct cudaDeviceProp p = {.totalGlobalMem = devices()->memory,
                               .sharedMemPerBlock = 48 << 10,
                               .regsPerBlock = 65536,
                               .warpSize = 32,
                               .maxThreadsPerBlock = 1024,
                               .maxThreadsDim = {1024, 1024, 64},
                               .maxGridSize = {2147483647, 65535, 65535},
                               .totalConstMem = 64 << 10,
                               .major = 9,
                               .multiProcessorCount = 132,
                               .canMapHostMemory = 1,
                               .concurrentKernels = 1,
                               .ECCEnabled = 1,
                               .pciBusID = 0x10 + gpu(device),
                               .asyncEngineCount = 3,
                               .unifiedAddressing = 1,
                               .memoryBusWidth = 5120,
                               .l2CacheSize = 50 << 20,
                               .maxThreadsPerMultiProcessor = 2048,
                               .sharedMemPerMultiprocessor = 228 << 10,
                               .regsPerMultiprocessor = 65536,
                               .sharedMemPerBlockOptin = 227 << 10,
                               .hostRegisterSupported = 1};
    snprintf(p.name, sizeof p.name, "NVIDIA H100 (referee)%s", devices()->instances > 1 ? " MIG" : "");
    if (devices()->node >= 0) {
        memset(p.uuid.bytes, 0xaa, sizeof p.uuid.bytes);
        p.uuid.bytes[0] = (char)devices()->node;
        p.uuid.bytes[15] = (char)devices()->physical[device];
    }
    return p;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *prop, int device)
{
    cudaError_t status = call_begin(__func__, cudaErrorInvalidDevice);
    if (status)
        return status;
    if (!prop || !is_device(device))
        return call_end(prop ? cudaErrorInvalidDevice : cudaErrorInvalidValue);
    *prop = properties(device);
    return cudaSuccess;
}

/* There is no profiler. */
__attribute__((visibility("default"))) cudaError_t CUDARTAPI cudaProfilerStart(void);
cudaError_t cudaProfilerStart(void)
{
    return call_begin(__func__, cudaErrorNotSupported);
}

cudaError_t cudaDeviceGetPCIBusId(char *id, int size, int device)
{
    cudaError_t status = call_begin(__func__, cudaErrorInvalidDevice);
    if (status)
        return status;
    if (!id || size < 13 || !is_device(device))
        return call_end(id && size >= 13 ? cudaErrorInvalidDevice : cudaErrorInvalidValue);
    snprintf(id, (size_t)size, "0000:%02X:00.0", (unsigned)(0x10 + gpu(device)));
    return cudaSuccess;
}
