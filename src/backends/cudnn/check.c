#include "cudnn.h"

#include <stdio.h>
#include <string.h>

/* Asynchronous errors: a later call than the one at fault reports them. */
static bool may_be_late(cudaError_t status)
{
    return status == cudaErrorIllegalAddress || status == cudaErrorLaunchFailure || status == cudaErrorMisalignedAddress ||
           status == cudaErrorLaunchTimeout || status == cudaErrorAssert || status == cudaErrorECCUncorrectable ||
           status == cudaErrorHardwareStackError || status == cudaErrorIllegalInstruction;
}

int check_failed(const char *library, const char *call, const char *place, const char *status, const char *hint,
                 struct error *why)
{
    int device = -1;
    const char *file = strrchr(place, '/');
    if (cudaGetDevice(&device) != cudaSuccess)
        device = -1;
    return error_set(why, "%s: %.200s (%s), device %d: %.300s%s", library, call, file ? file + 1 : place, device, status, hint);
}

int check_cuda(cudaError_t status, const char *call, const char *place, struct error *why)
{
    if (status == cudaSuccess)
        return 0;
    return check_failed("CUDA", call, place, cudaGetErrorString(status),
                may_be_late(status) ? "; an earlier kernel or copy may be to blame: with CUDA_LAUNCH_BLOCKING=1 and "
                                      "--no-graph the call at fault is named" : "", why);
}

int check_cudnn(cudnnStatus_t status, const char *call, const char *place, struct error *why)
{
    char last[256] = "";
    if (status == CUDNN_STATUS_SUCCESS)
        return 0;
    cudnnGetLastErrorString(last, sizeof last);
    last[strcspn(last, "\n")] = '\0';
    check_failed("cuDNN", call, place, cudnnGetErrorString(status), "", why);
    return *last ? error_add(why, ": %s", last) : -1;
}

int check_cublas(cublasStatus_t status, const char *call, const char *place, struct error *why)
{
    return status == CUBLAS_STATUS_SUCCESS ? 0 : check_failed("cuBLAS", call, place, cublasLtGetStatusString(status), "", why);
}
