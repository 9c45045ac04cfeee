/* Stream capture: work that is enqueued on a captured stream is recorded. If a stream waits for an event that was recorded on a
 * stream of a capture, it joins the capture. */
#include "inside.h"

struct capture {
    unsigned long serial;
    struct CUgraph_st *graph;
    struct CUstream_st *origin;
    enum cudaStreamCaptureMode mode;
    bool invalid;
    cudaGraphNode_t *told; /* what cudaStreamGetCaptureInfo returned last */
    cudaGraphEdgeData *told_edges;
    struct capture *next;
};

static struct {
    struct capture *list; /* active ones */
    unsigned long serial;
} captures;

static struct capture *find(unsigned long serial)
{
    struct capture *c = captures.list;
    while (c && c->serial != serial)
        c = c->next;
    return c;
}

unsigned long fake_capture(cudaStream_t handle)
{
    struct CUstream_st *stream = stream_find(handle);
    return stream && stream->capture ? stream->capture->serial : 0;
}

void capture_invalidate(struct capture *capture)
{
    capture->invalid = true;
}

bool capture_forbids(void)
{
    bool forbids = false;
    for (struct capture *c = captures.list; c; c = c->next)
        if (c->mode != cudaStreamCaptureModeRelaxed)
            forbids = c->invalid = true;
    return forbids;
}

bool capture_forbids_legacy(int device)
{
    bool forbids = false;
    for (struct CUstream_st *s = stream_list(); s; s = s->next)
        if (s->capture && s->blocking && s->device == device)
            forbids = s->capture->invalid = true;
    return forbids;
}

cudaError_t capture_add(struct CUstream_st *stream, const struct work *work)
{
    struct capture *c = stream->capture;
    if (c->invalid)
        return cudaErrorStreamCaptureInvalidated;
    graph_record(c->graph, stream->device, work, &stream->captured);
    stream->captured.count = 0;
    indices_add(&stream->captured, c->graph->count - 1);
    return cudaSuccess;
}

cudaError_t capture_record(struct CUstream_st *stream, cudaEvent_t event, bool external)
{
    struct capture *c = stream->capture;
    if (c->invalid)
        return cudaErrorStreamCaptureInvalidated;
    if (external) {
        graph_record_event(c->graph, event, &stream->captured);
        return cudaSuccess;
    }
    event->capture = c->serial;
    event->captured.count = 0;
    indices_join(&event->captured, &stream->captured);
    return cudaSuccess;
}

bool capture_is_behind(const struct CUstream_st *stream, void (*run)(const void *state))
{
    return stream->captured.count == 1 && stream->capture->graph->at[stream->captured.at[0]].work.run == run;
}

static cudaError_t wrong_wait(struct CUstream_st *stream, cudaError_t status)
{
    if (stream->capture)
        stream->capture->invalid = true;
    return status;
}

cudaError_t capture_wait(struct CUstream_st *stream, cudaEvent_t event)
{
    struct capture *c = find(event->capture);
    if (stream->capture && stream->capture->invalid)
        return cudaErrorStreamCaptureInvalidated;
    if (!event->capture)
        return wrong_wait(stream, cudaErrorStreamCaptureIsolation);
    if (!c)
        return wrong_wait(stream, cudaErrorCapturedEvent);
    if (stream->legacy)
        return c->invalid = true, cudaErrorStreamCaptureImplicit;
    if (stream->capture && stream->capture != c)
        return c->invalid = true, wrong_wait(stream, cudaErrorStreamCaptureMerge);
    stream->capture = c;
    indices_join(&stream->captured, &event->captured);
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, enum cudaStreamCaptureMode mode)
{
    struct CUstream_st *stream;
    cudaError_t status = call_begin(__func__, cudaErrorInvalidValue);
    if (status)
        return status;
    if (!(stream = stream_find(handle)))
        return call_end(cudaErrorInvalidResourceHandle);
    if (stream->legacy)
        return call_end(cudaErrorStreamCaptureUnsupported);
    if (stream->capture)
        return call_end(cudaErrorIllegalState);
    struct capture *c = need(calloc(1, sizeof *c));
    *c = (struct capture){.serial = ++captures.serial, .origin = stream, .mode = mode, .next = captures.list};
    c->graph = need(calloc(1, sizeof *c->graph));
    c->graph->references = 1;
    captures.list = stream->capture = c;
    stream->captured.count = 0;
    return cudaSuccess;
}

/* Ends a capture; its streams are as before it. */
static void end(struct capture *capture)
{
    for (struct CUstream_st *s = stream_list(); s; s = s->next)
        if (s->capture == capture) {
            s->capture = NULL;
            s->captured.count = 0;
        }
    for (struct capture **at = &captures.list; *at; at = &(*at)->next)
        if (*at == capture) {
            *at = capture->next;
            break;
        }
    free(capture->told);
    free(capture->told_edges);
    free(capture);
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t *graph)
{
    struct CUstream_st *stream;
    cudaError_t status = call_begin(__func__, cudaErrorStreamCaptureInvalidated);
    if (status && status != cudaErrorStreamCaptureInvalidated)
        return status;
    if (!(stream = stream_find(handle)) || !graph)
        return call_end(stream ? cudaErrorInvalidValue : cudaErrorInvalidResourceHandle);
    struct capture *c = stream->capture;
    *graph = NULL;
    if (!c)
        return call_end(cudaErrorIllegalState);
    if (c->origin != stream)
        return c->invalid = true, call_end(cudaErrorStreamCaptureUnmatched);
    if (c->invalid)
        status = cudaErrorStreamCaptureInvalidated; /* the capture ends whether or not the call was told to fail */
    else if (!status && !graph_is_joined(c->graph, &stream->captured))
        status = cudaErrorStreamCaptureUnjoined;
    if (status) {
        graph_release(c->graph);
    } else {
        *graph = c->graph;
        fake_taken("graph", c->graph);
    }
    end(c);
    return call_end(status);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, enum cudaStreamCaptureStatus *answer)
{
    struct CUstream_st *stream;
    cudaError_t status = call_begin(__func__, cudaErrorInvalidValue);
    if (status)
        return status;
    if (!(stream = stream_find(handle)) || !answer)
        return call_end(stream ? cudaErrorInvalidValue : cudaErrorInvalidResourceHandle);
    if (stream->legacy && capture_forbids_legacy(stream->device))
        return call_end(cudaErrorStreamCaptureImplicit);
    *answer = !stream->capture            ? cudaStreamCaptureStatusNone
              : stream->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                         : cudaStreamCaptureStatusActive;
    return cudaSuccess;
}

/* Returns the nodes that the next work depends on. Nodes are numbers here. */
static void tell_nodes(const struct CUstream_st *stream, const cudaGraphNode_t **nodes, const cudaGraphEdgeData **edges,
                       size_t *count)
{
    struct capture *c = stream->capture;
    size_t n = (size_t)stream->captured.count;
    c->told = need(realloc(c->told, (n + 1) * sizeof *c->told));
    for (size_t i = 0; i < n; i++)
        c->told[i] = (cudaGraphNode_t)(uintptr_t)(stream->captured.at[i] + 1);
    free(c->told_edges);
    c->told_edges = need(calloc(n + 1, sizeof *c->told_edges));
    *nodes = c->told, *edges = c->told_edges, *count = n;
}

cudaError_t cudaStreamGetCaptureInfo(cudaStream_t handle, enum cudaStreamCaptureStatus *state, unsigned long long *number,
                                     cudaGraph_t *graph, const cudaGraphNode_t **nodes, const cudaGraphEdgeData **edges,
                                     size_t *count)
{
    struct CUstream_st *stream;
    cudaError_t status = call_begin(__func__, cudaErrorInvalidValue);
    if (status)
        return status;
    if (!(stream = stream_find(handle)) || !state || graph || !nodes != !count || (edges && !nodes))
        return call_end(stream ? cudaErrorInvalidValue : cudaErrorInvalidResourceHandle);
    if (nodes && !edges) /* CUDA does so only if an edge has data, as after some libraries' launches */
        return call_end(cudaErrorLossyQuery);
    if (stream->legacy && capture_forbids_legacy(stream->device))
        return call_end(cudaErrorStreamCaptureImplicit);
    *state = !stream->capture            ? cudaStreamCaptureStatusNone
             : stream->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                        : cudaStreamCaptureStatusActive;
    if (*state != cudaStreamCaptureStatusActive)
        return call_end(cudaSuccess);
    if (number)
        *number = stream->capture->serial;
    if (nodes)
        tell_nodes(stream, nodes, edges, count);
    return call_end(cudaSuccess);
}
