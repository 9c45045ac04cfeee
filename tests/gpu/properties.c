/* The current device's properties as cuDNN serialises them, on standard output: plans.c reads such a file where the device is
 * not there (h100-device.json, a100-device.json). */
#include <stdio.h>
#include <stdlib.h>

#include "backends/cudnn/cudnn.h"

static int device_describe(cudnnBackendDescriptor_t *device, struct error *why)
{
    int32_t number;
    return CUDA(cudaGetDevice(&number), why) ||
           CUDNN(cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, device), why) ||
           CUDNN(cudnnBackendSetAttribute(*device, CUDNN_ATTR_DEVICEPROP_DEVICE_ID, CUDNN_TYPE_INT32, 1, &number), why) ||
           CUDNN(cudnnBackendFinalize(*device), why) ? -1 : 0;
}

/* Up to `size` characters into text, which may be NULL; their number, or all of them where size is 0, into length. */
static int device_tell(cudnnBackendDescriptor_t device, int64_t size, int64_t *length, char *text, struct error *why)
{
    return CUDNN(cudnnBackendGetAttribute(device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, size, length, text),
                 why);
}

/* The text, which is the caller's, and its length. */
static char *device_text(cudnnBackendDescriptor_t device, int64_t *length, struct error *why)
{
    int64_t size;
    if (device_tell(device, 0, &size, NULL, why))
        return NULL;
    char *text = memory_new((size_t)size, 1, "the properties", why);
    if (text && device_tell(device, size, length, text, why)) {
        free(text);
        return NULL;
    }
    return text;
}

int main(void)
{
    struct error why;
    cudnnBackendDescriptor_t device;
    int64_t length;
    char *text = device_describe(&device, &why) ? NULL : device_text(device, &length, &why);
    if (!text) {
        fprintf(stderr, "properties: %s\n", why.text);
        return 1;
    }
    int status = fwrite(text, 1, (size_t)length, stdout) != (size_t)length || fflush(stdout);
    free(text);
    cudnnBackendDestroyDescriptor(device);
    return status;
}
