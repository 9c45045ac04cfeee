#include "cudnn.h"

#include <string.h>

enum { WORKSPACE_LEAST = 32 << 20 }; /* bytes */

/* An engine that needs another layout converts x and y: two activations. The third is for filters and parts of sums. */
enum { WORKSPACE_ACTIVATIONS = 3 };

static int open_streams(struct cudnn_library *library, struct error *why)
{
    return CUDA(cudaStreamCreateWithFlags(&library->stream, cudaStreamNonBlocking), why) ||
           CUDA(cudaStreamCreateWithFlags(&library->beside, cudaStreamNonBlocking), why) ||
           CUDA(cudaEventCreateWithFlags(&library->forked, cudaEventDisableTiming), why) ||
           CUDA(cudaEventCreateWithFlags(&library->joined, cudaEventDisableTiming), why) ? -1 : 0;
}

int cudnn_library_fork(struct cudnn_library *library, struct error *why)
{
    library->is_forked = true;
    return CUDA(cudaEventRecord(library->forked, library->stream), why) ||
           CUDA(cudaStreamWaitEvent(library->beside, library->forked, 0), why) ? -1 : 0;
}

int cudnn_library_join(struct cudnn_library *library, struct error *why)
{
    if (!library->is_forked) /* `beside` may not be part of the present capture */
        return 0;
    library->is_forked = false;
    return CUDA(cudaEventRecord(library->joined, library->beside), why) ||
           CUDA(cudaStreamWaitEvent(library->stream, library->joined, 0), why) ? -1 : 0;
}

static int open_cudnn(struct cudnn_library *library, struct error *why)
{
    return CUDNN(cudnnCreate(&library->cudnn), why) || CUDNN(cudnnSetStream(library->cudnn, library->stream), why) ? -1 : 0;
}

int cudnn_library_open(struct cudnn_library *library, const struct plan_request *request, struct error *why)
{
    memset(library, 0, sizeof *library);
    library->precision = request->precision;
    library->deterministic = request->deterministic;
    library->workspace_limit = workspace_limit(request);
    return kernels_overlap(&library->overlap, why) || open_streams(library, why) || open_cudnn(library, why) ||
           CUBLAS(cublasLtCreate(&library->cublas), why) ? -1 : 0;
}

static size_t largest_activation(const struct net *net)
{
    size_t largest = shape_size(net->input);
    for (int i = 0; i < net->layer_count; i++)
        if (shape_size(net->layers[i].out) > largest)
            largest = shape_size(net->layers[i].out);
    return largest;
}

struct workspace_need workspace_need_of(const struct plan_request *request)
{
    if (request->workspace)
        return (struct workspace_need){request->workspace, 0};
    size_t element = element_bytes(request->precision);
    return (struct workspace_need){WORKSPACE_LEAST, WORKSPACE_ACTIVATIONS * element * largest_activation(request->net)};
}

size_t workspace_limit(const struct plan_request *request)
{
    struct workspace_need need = workspace_need_of(request);
    size_t grown = need.image * (size_t)request->batch;
    return grown > need.least ? grown : need.least;
}

void cudnn_library_wants(struct cudnn_library *library, size_t bytes)
{
    if (bytes > library->workspace_bytes)
        library->workspace_bytes = bytes;
}

int cudnn_library_take_workspace(struct cudnn_library *library, struct error *why)
{
    library->workspace = device_new(library->workspace_bytes, "the workspace of one operation", why);
    return library->workspace ? 0 : -1;
}

size_t element_bytes(enum precision precision)
{
    return precision == PRECISION_BF16 ? 2 : sizeof(float);
}

/* Ignores failures: nothing is used any more. */
void cudnn_library_close(struct cudnn_library *library)
{
    if (library->cublas)
        cublasLtDestroy(library->cublas);
    if (library->cudnn)
        cudnnDestroy(library->cudnn);
    if (library->stream)
        cudaStreamDestroy(library->stream);
    if (library->beside)
        cudaStreamDestroy(library->beside);
    if (library->forked)
        cudaEventDestroy(library->forked);
    if (library->joined)
        cudaEventDestroy(library->joined);
    device_free(library->workspace);
    memset(library, 0, sizeof *library);
}
