/* The texts of the statuses. */
#include "inside.h"

#define ERRORS(ERROR)                                                                                                  \
    ERROR(cudaSuccess, "no error")                                                                                     \
    ERROR(cudaErrorInvalidValue, "invalid argument")                                                                   \
    ERROR(cudaErrorMemoryAllocation, "out of memory")                                                                  \
    ERROR(cudaErrorInitializationError, "initialization error")                                                        \
    ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument")                                             \
    ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy")                                        \
    ERROR(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version")                 \
    ERROR(cudaErrorDevicesUnavailable, "CUDA-capable device(s) is/are busy or unavailable")                            \
    ERROR(cudaErrorMissingConfiguration, "__global__ function call is not configured")                                 \
    ERROR(cudaErrorInvalidDeviceFunction, "invalid device function")                                                   \
    ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected")                                                     \
    ERROR(cudaErrorInvalidDevice, "invalid device ordinal")                                                            \
    ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle")                                                   \
    ERROR(cudaErrorIllegalState, "the operation cannot be performed in the present state")                             \
    ERROR(cudaErrorNotReady, "device not ready")                                                                       \
    ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered")                                         \
    ERROR(cudaErrorLaunchOutOfResources, "too many resources requested for launch")                                    \
    ERROR(cudaErrorHostMemoryAlreadyRegistered, "part or all of the requested memory range is already mapped")         \
    ERROR(cudaErrorHostMemoryNotRegistered, "pointer does not correspond to a registered memory region")               \
    ERROR(cudaErrorLaunchFailure, "unspecified launch failure")                                                        \
    ERROR(cudaErrorNotSupported, "operation not supported")                                                            \
    ERROR(cudaErrorLossyQuery, "attempted introspection would be semantically lossy")                                  \
    ERROR(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing")                       \
    ERROR(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture")                \
    ERROR(cudaErrorStreamCaptureMerge, "operation would result in a merge of separate capture sequences")              \
    ERROR(cudaErrorStreamCaptureUnmatched, "capture was not ended in the same stream as it began")                    \
    ERROR(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work")                                        \
    ERROR(cudaErrorStreamCaptureIsolation, "dependency created on uncaptured work in another stream")                  \
    ERROR(cudaErrorStreamCaptureImplicit, "operation would make the legacy stream depend on a capturing blocking stream") \
    ERROR(cudaErrorCapturedEvent, "operation not permitted on an event last recorded in a capturing stream")           \
    ERROR(cudaErrorUnknown, "unknown error")

#define TEXT_OF(error, text) case error: return text;

const char *cudaGetErrorString(cudaError_t error)
{
    switch (error) {
        ERRORS(TEXT_OF)
    default: return "unrecognized error code";
    }
}
