/* Graphs: recorded work, replayed in any order that its dependencies allow. */
#include <string.h>

#include "inside.h"

struct CUgraphExec_st {
    struct CUgraph_st *graph;
    struct set last; /* of its previous launch: launches of one graph run one after another */
};

static void *grown(void *at, int count, int *room, size_t size)
{
    if (count < *room)
        return at;
    *room = 2 * *room + 16;
    return need(realloc(at, (size_t)*room * size));
}

void graph_record(struct CUgraph_st *graph, int device, const struct work *work, const struct indices *before)
{
    graph->at = grown(graph->at, graph->count, &graph->room, sizeof *graph->at);
    struct recorded *r = &graph->at[graph->count++];
    *r = (struct recorded){.work = *work, .device = device};
    void *state = need(malloc(work->bytes + 1));
    if (work->bytes)
        memcpy(state, work->state, work->bytes);
    r->work.state = state;
    indices_join(&r->before, before);
}

void graph_record_event(struct CUgraph_st *graph, cudaEvent_t event, const struct indices *before)
{
    graph->events = grown(graph->events, graph->event_count, &graph->event_room, sizeof *graph->events);
    struct external *e = &graph->events[graph->event_count++];
    *e = (struct external){.event = event};
    indices_join(&e->before, before);
}

void graph_release(struct CUgraph_st *graph)
{
    if (--graph->references > 0)
        return;
    for (int i = 0; i < graph->count; i++) {
        free((void *)(uintptr_t)graph->at[i].work.state);
        free(graph->at[i].before.at);
    }
    for (int i = 0; i < graph->event_count; i++)
        free(graph->events[i].before.at);
    free(graph->at);
    free(graph->events);
    free(graph);
}

/* Nodes come after those that they depend on, so one pass from the end marks all that are reached. */
bool graph_is_joined(const struct CUgraph_st *graph, const struct indices *last)
{
    bool joined = true, *reached = need(calloc((size_t)graph->count + 1, sizeof *reached));
    for (int i = 0; i < last->count; i++)
        reached[last->at[i]] = true;
    for (int i = graph->count - 1; i >= 0; i--) {
        joined &= reached[i];
        for (int j = 0; reached[i] && j < graph->at[i].before.count; j++)
            reached[graph->at[i].before.at[j]] = true;
    }
    free(reached);
    return joined;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags)
{
    cudaError_t status = call_begin(__func__, cudaErrorMemoryAllocation);
    if (status)
        return status;
    if (!exec || !graph || flags || !fake_is_taken("graph", graph))
        return call_end(cudaErrorInvalidValue);
    struct CUgraphExec_st *e = need(calloc(1, sizeof *e));
    e->graph = graph;
    graph->references++;
    fake_taken("graphExec", e);
    *exec = e;
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    cudaError_t status = object_destroy(__func__, "graph", graph, cudaErrorInvalidValue);
    if (status)
        return status;
    graph_release(graph);
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    cudaError_t status = object_destroy(__func__, "graphExec", exec, cudaErrorInvalidValue);
    if (status)
        return status;
    graph_release(exec->graph);
    set_clear(&exec->last);
    free(exec);
    return cudaSuccess;
}

/* ---- launch ---- */

/* Adds the launch's nodes with these indices to the set; if there are none, what the launch itself depends on. */
static void translate(const struct indices *indices, struct node **nodes, const struct set *before, struct set *set)
{
    for (int i = 0; i < indices->count; i++)
        set_add(set, nodes[indices->at[i]]);
    if (indices->count == 0)
        set_join(set, before);
}

static void launch_events(const struct CUgraph_st *graph, struct node **nodes, const struct set *before, double time)
{
    for (int i = 0; i < graph->event_count; i++) {
        cudaEvent_t event = graph->events[i].event;
        if (!fake_is_taken("event", event))
            fake_misuse("cudaGraphLaunch: an event that the graph records was destroyed");
        set_clear(&event->work);
        translate(&graph->events[i].before, nodes, before, &event->work);
        event->time = time;
        event->recorded = true;
        event->capture = 0;
    }
}

static void launch_nodes(const struct CUgraph_st *graph, struct node **nodes, const struct set *before, struct set *all)
{
    for (int i = 0; i < graph->count; i++) {
        struct set own = {0};
        translate(&graph->at[i].before, nodes, before, &own);
        nodes[i] = queue_add(graph->at[i].device, &graph->at[i].work, &own);
        set_add(all, nodes[i]);
        set_clear(&own);
    }
}

static void launch(struct CUgraphExec_st *exec, struct CUstream_st *stream)
{
    const struct CUgraph_st *graph = exec->graph;
    struct node **nodes = need(calloc((size_t)graph->count + 1, sizeof *nodes));
    struct set before = {0}, all = {0};
    stream_before(stream, &before);
    set_prune(&exec->last, 0);
    set_join(&before, &exec->last);
    launch_nodes(graph, nodes, &before, &all);
    launch_events(graph, nodes, &before, stream->time);
    if (graph->count) {
        stream_after(stream, &all);
        set_clear(&exec->last);
        set_join(&exec->last, &all);
    }
    set_clear(&before);
    set_clear(&all);
    free(nodes);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t handle)
{
    struct CUstream_st *stream;
    cudaError_t status = call_begin(__func__, cudaErrorInvalidValue);
    if (status)
        return status;
    if (!exec || !fake_is_taken("graphExec", exec))
        return call_end(cudaErrorInvalidValue);
    if (!(stream = stream_find(handle)))
        return call_end(cudaErrorInvalidResourceHandle);
    if (stream->capture) {
        capture_invalidate(stream->capture);
        return call_end(cudaErrorStreamCaptureUnsupported);
    }
    if (stream->legacy && capture_forbids_legacy(stream->device))
        return call_end(cudaErrorStreamCaptureImplicit);
    launch(exec, stream);
    return call_end(cudaSuccess);
}
