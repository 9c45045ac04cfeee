/* Parts of a step as CUDA graphs: one launch instead of dozens. */
#include "plan.h"

/* Joins earlier forks first: a capture can join only what was forked in it. */
int cudnn_capture(struct plan *plan, struct error *why)
{
    struct cudnn_library *library = &state_of(plan)->library;
    return cudnn_library_join(library, why) ||
           CUDA(cudaStreamBeginCapture(library->stream, cudaStreamCaptureModeThreadLocal), why) ? -1 : 0;
}

int graph_end(cudaStream_t stream, cudaGraphExec_t *exec, struct error *why)
{
    cudaGraph_t graph = NULL;
    if (CUDA(cudaStreamEndCapture(stream, &graph), why))
        return -1;
    int status = exec ? CUDA(cudaGraphInstantiate(exec, graph, 0), why) : 0;
    cudaError_t destroyed = cudaGraphDestroy(graph);
    return status ? status : check_cuda(destroyed, "cudaGraphDestroy", PLACE, why);
}

int cudnn_captured(struct plan *plan, enum device_part part, struct error *why)
{
    struct cudnn_plan_state *s = state_of(plan);
    return graph_end(s->library.stream, &s->graphs[part], why);
}

void graph_free(cudaGraphExec_t *graph)
{
    if (*graph)
        cudaGraphExecDestroy(*graph);
    *graph = NULL;
}

/* Waiting shows whether the stream has left the capture and the device still works. */
int cudnn_uncapture(struct plan *plan, enum device_part part, struct error *why)
{
    struct cudnn_plan_state *s = state_of(plan);
    graph_free(&s->graphs[part]);
    cudaGetLastError(); /* clears the error, which a later call would report */
    s->library.is_forked = s->library.overlap = false;
    return CUDA(cudaStreamSynchronize(s->library.stream), why);
}

int cudnn_replay(struct plan *plan, enum device_part part, struct error *why)
{
    const struct cudnn_plan_state *s = state_of(plan);
    return CUDA(cudaGraphLaunch(s->graphs[part], s->library.stream), why);
}

void graphs_free(struct plan *plan)
{
    struct cudnn_plan_state *s = state_of(plan);
    for (int i = 0; i < DEVICE_PARTS; i++)
        graph_free(&s->graphs[i]);
}
