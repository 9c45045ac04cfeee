/* Streams, and waiting for them. */
#include "inside.h"

static struct {
    struct CUstream_st legacy[DEVICES_MAX];
    struct CUstream_st *list; /* the others */
} streams;

void indices_add(struct indices *set, int index)
{
    for (int i = 0; i < set->count; i++)
        if (set->at[i] == index)
            return;
    if (set->count == set->room) {
        set->room = 2 * set->room + 4;
        set->at = need(realloc(set->at, (size_t)set->room * sizeof *set->at));
    }
    set->at[set->count++] = index;
}

void indices_join(struct indices *set, const struct indices *other)
{
    for (int i = 0; i < other->count; i++)
        indices_add(set, other->at[i]);
}

static struct CUstream_st *legacy_stream(int device)
{
    struct CUstream_st *stream = &streams.legacy[device];
    stream->legacy = true;
    stream->device = device;
    return stream;
}

struct CUstream_st *stream_find(cudaStream_t handle)
{
    if (!handle || handle == cudaStreamLegacy)
        return legacy_stream(device_current());
    return fake_is_taken("stream", handle) && handle->device == device_current() ? handle : NULL;
}

struct CUstream_st *stream_list(void)
{
    return streams.list;
}

void stream_before(struct CUstream_st *stream, struct set *before)
{
    stream->time = set_prune(&stream->last, stream->time);
    set_join(before, &stream->last);
    if (stream->blocking)
        set_join(before, &legacy_stream(stream->device)->last);
    for (struct CUstream_st *other = stream->legacy ? streams.list : NULL; other; other = other->next)
        if (other->blocking && other->device == stream->device)
            set_join(before, &other->last);
}

void stream_after(struct CUstream_st *stream, const struct set *last)
{
    struct set copy = {0};
    set_join(&copy, last);
    set_clear(&stream->last);
    stream->last = copy;
}

cudaError_t stream_add(struct CUstream_st *stream, const struct work *work)
{
    if (stream->capture)
        return capture_add(stream, work);
    if (stream->legacy && capture_forbids_legacy(stream->device))
        return cudaErrorStreamCaptureImplicit;
    struct set before = {0}, last = {0};
    stream_before(stream, &before);
    set_add(&last, queue_add(stream->device, work, &before));
    stream_after(stream, &last);
    set_clear(&before);
    set_clear(&last);
    return cudaSuccess;
}

void stream_wait(struct CUstream_st *stream)
{
    struct set before = {0};
    stream_before(stream, &before);
    queue_run(&before);
    set_clear(&before);
}

cudaError_t fake_enqueue(cudaStream_t handle, const char *what, void (*run)(const void *), const void *state, size_t bytes)
{
    struct CUstream_st *stream = stream_find(handle);
    struct work work = {.what = what, .run = run, .state = state, .bytes = bytes};
    return stream ? stream_add(stream, &work) : cudaErrorInvalidResourceHandle;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *handle, unsigned flags)
{
    cudaError_t status = call_begin_unsafe(__func__, cudaErrorMemoryAllocation);
    if (status)
        return status;
    if (!handle || flags & ~(unsigned)cudaStreamNonBlocking)
        return call_end(cudaErrorInvalidValue);
    struct CUstream_st *stream = need(calloc(1, sizeof *stream));
    stream->device = device_current();
    stream->blocking = !(flags & cudaStreamNonBlocking);
    stream->next = streams.list;
    streams.list = stream;
    fake_taken("stream", stream);
    *handle = stream;
    return cudaSuccess;
}

/* Work that is queued on it will still be done. */
cudaError_t cudaStreamDestroy(cudaStream_t handle)
{
    cudaError_t status = object_destroy(__func__, "stream", handle, cudaErrorInvalidResourceHandle);
    if (status)
        return status;
    if (handle->capture)
        capture_invalidate(handle->capture);
    for (struct CUstream_st **at = &streams.list; *at; at = &(*at)->next)
        if (*at == handle) {
            *at = handle->next;
            break;
        }
    set_clear(&handle->last);
    free(handle->captured.at);
    free(handle);
    return cudaSuccess;
}

cudaError_t fake_wait(cudaStream_t handle)
{
    struct CUstream_st *stream = stream_find(handle);
    if (!stream)
        return call_end(cudaErrorInvalidResourceHandle);
    if (stream->capture) {
        capture_invalidate(stream->capture);
        return call_end(cudaErrorStreamCaptureUnsupported);
    }
    if (stream->legacy && capture_forbids_legacy(stream->device))
        return call_end(cudaErrorStreamCaptureImplicit);
    stream_wait(stream);
    return call_end(cudaSuccess);
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle)
{
    cudaError_t status = call_begin_unsafe(__func__, cudaErrorLaunchFailure);
    return status ? status : fake_wait(handle);
}

cudaError_t cudaDeviceSynchronize(void)
{
    cudaError_t status = call_begin_unsafe(__func__, cudaErrorLaunchFailure);
    if (status)
        return status;
    if (capture_forbids_legacy(device_current()))
        return call_end(cudaErrorStreamCaptureUnsupported);
    queue_run_device(device_current());
    return call_end(cudaSuccess);
}
