/* Events: the set of work on a stream at some moment. */
#include "inside.h"

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    cudaError_t status = call_begin(__func__, cudaErrorMemoryAllocation);
    if (status)
        return status;
    if (!event || flags & ~(unsigned)(cudaEventBlockingSync | cudaEventDisableTiming))
        return call_end(cudaErrorInvalidValue);
    struct CUevent_st *e = need(calloc(1, sizeof *e));
    e->flags = flags;
    e->device = device_current();
    fake_taken("event", e);
    *event = e;
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    cudaError_t status = object_destroy(__func__, "event", event, cudaErrorInvalidResourceHandle);
    if (status)
        return status;
    set_clear(&event->work);
    free(event->captured.at);
    free(event);
    return cudaSuccess;
}

static cudaError_t record(cudaEvent_t event, cudaStream_t handle, bool external)
{
    struct CUstream_st *stream = stream_find(handle);
    if (!event || !fake_is_taken("event", event) || !stream || event->device != stream->device)
        return cudaErrorInvalidResourceHandle;
    if (stream->capture)
        return capture_record(stream, event, external);
    if (external)
        return cudaErrorInvalidValue;
    if (stream->legacy && capture_forbids_legacy(stream->device))
        return cudaErrorStreamCaptureImplicit;
    set_clear(&event->work);
    stream_before(stream, &event->work);
    event->time = stream->time;
    event->recorded = true;
    event->capture = 0;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    cudaError_t status = call_begin(__func__, cudaErrorInvalidResourceHandle);
    return status ? status : call_end(record(event, stream, false));
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags)
{
    cudaError_t status = call_begin(__func__, cudaErrorInvalidResourceHandle);
    if (status)
        return status;
    if (flags & ~(unsigned)cudaEventRecordExternal)
        return call_end(cudaErrorInvalidValue);
    return call_end(record(event, stream, flags & cudaEventRecordExternal));
}

/* Later work on the stream waits for the event's work. An event that was never recorded stands for no work. */
static cudaError_t wait(struct CUstream_st *stream, cudaEvent_t event)
{
    if (stream->capture || event->capture)
        return capture_wait(stream, event);
    if (stream->legacy && capture_forbids_legacy(stream->device))
        return cudaErrorStreamCaptureImplicit;
    event->time = set_prune(&event->work, event->time);
    stream->time = set_prune(&stream->last, stream->time);
    set_join(&stream->last, &event->work);
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned flags)
{
    struct CUstream_st *stream;
    cudaError_t status = call_begin(__func__, cudaErrorInvalidResourceHandle);
    if (status)
        return status;
    if (flags != cudaEventWaitDefault)
        return call_end(cudaErrorInvalidValue);
    if (!event || !fake_is_taken("event", event) || !(stream = stream_find(handle)))
        return call_end(cudaErrorInvalidResourceHandle);
    return call_end(wait(stream, event));
}

/* Begins a question of the host about an event, which may be forbidden. */
static cudaError_t ask(const char *call, cudaEvent_t event)
{
    cudaError_t status = call_begin_unsafe(call, cudaErrorLaunchFailure);
    if (status)
        return status;
    if (!event || !fake_is_taken("event", event))
        return call_end(cudaErrorInvalidResourceHandle);
    return event->capture ? call_end(cudaErrorCapturedEvent) : cudaSuccess;
}

static bool is_done(cudaEvent_t event)
{
    event->time = set_prune(&event->work, event->time);
    return event->work.count == 0;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    cudaError_t status = ask(__func__, event);
    if (status)
        return status;
    queue_run(&event->work);
    return call_end(cudaSuccess);
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t end)
{
    cudaError_t status = ask(__func__, start);
    if (status)
        return status;
    if (!ms)
        return call_end(cudaErrorInvalidValue);
    if (!end || !fake_is_taken("event", end) || !start->recorded || !end->recorded ||
        (start->flags | end->flags) & cudaEventDisableTiming)
        return call_end(cudaErrorInvalidResourceHandle);
    if (end->capture)
        return call_end(cudaErrorCapturedEvent);
    if (!is_done(start) || !is_done(end))
        return call_end(cudaErrorNotReady);
    double between = end->time - start->time;
    *ms = (float)(between > 0 ? between : 0) + 0.0005f;
    return cudaSuccess;
}
