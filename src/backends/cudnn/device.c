/* Chooses, checks and describes the device. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

enum { OLDEST_MAJOR = 7, OLDEST_MINOR = 5 }; /* the oldest compute capability that cuDNN 9 for CUDA 13 supports */

/* If the call fails, *count may be unset. */
static int count_devices(int *count, struct error *why)
{
    cudaError_t status = cudaGetDeviceCount(count);
    if (status == cudaErrorInsufficientDriver)
        return error_set(why, "there is no NVIDIA driver here, or one too old for CUDA %d.%d", CUDART_VERSION / 1000,
                         CUDART_VERSION % 1000 / 10);
    if (status == cudaErrorNoDevice || (status == cudaSuccess && *count == 0)) {
        const char *visible = getenv("CUDA_VISIBLE_DEVICES");
        return error_set(why, "the driver finds no GPU%s%s", visible ? ": CUDA_VISIBLE_DEVICES is " : "", visible ? visible : "");
    }
    return check_cuda(status, "cudaGetDeviceCount", PLACE, why);
}

/* As nvidia-smi writes it, with a dash before bytes 4, 6, 8 and 10; "" if all bytes are 0. */
static void tell_uuid(const cudaUUID_t *uuid, char *text, size_t size)
{
    static const cudaUUID_t unknown;
    size_t length = 0;
    *text = '\0';
    for (size_t i = 0; memcmp(uuid, &unknown, sizeof unknown) && i < sizeof uuid->bytes; i++)
        length += (size_t)snprintf(text + length, size - length, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                                   (unsigned char)uuid->bytes[i]);
}

static int describe_device(int device, struct device_place *place, struct error *why)
{
    struct cudaDeviceProp properties;
    if (CUDA(cudaGetDeviceProperties(&properties, device), why) ||
        CUDA(cudaDeviceGetPCIBusId(place->pci, sizeof place->pci, device), why))
        return -1;
    if (properties.major < OLDEST_MAJOR || (properties.major == OLDEST_MAJOR && properties.minor < OLDEST_MINOR))
        return error_set(why, "device %d, %s, has compute capability %d.%d: at least %d.%d is needed", device, properties.name,
                         properties.major, properties.minor, OLDEST_MAJOR, OLDEST_MINOR);
    tell_uuid(&properties.uuid, place->uuid, sizeof place->uuid);
    size_t version = cudnnGetVersion();
    snprintf(place->about, sizeof place->about, "cuDNN %zu.%zu.%zu, CUDA %d.%d; %.60s, %.1f GiB, PCI %s", version / 10000,
             version / 100 % 100, version % 100, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10, properties.name,
             (double)properties.totalGlobalMem / (1 << 30), place->pci);
    return 0;
}

int cudnn_device_probe(char *about, size_t size, struct error *why)
{
    int count, device;
    struct device_place place;
    if (count_devices(&count, why) || CUDA(cudaGetDevice(&device), why) || describe_device(device, &place, why))
        return -1;
    snprintf(about, size, "%s", place.about);
    return 0;
}

int cudnn_device_choose(int node_rank, struct device_place *place, struct error *why)
{
    int count;
    if (count_devices(&count, why) || CUDA(cudaSetDevice(node_rank % count), why))
        return -1;
    return describe_device(node_rank % count, place, why);
}
