/* Parts of a step as CUDA graphs: one launch instead of dozens. */
#include "plan.h"

int cudnn_capture(struct plan *plan, struct error *why)
{
    return CUDA(cudaStreamBeginCapture(state_of(plan)->library.stream, cudaStreamCaptureModeThreadLocal), why);
}

int cudnn_captured(struct plan *plan, enum device_part part, struct error *why)
{
    struct plan_state *s = state_of(plan);
    cudaGraph_t graph = NULL;
    if (CUDA(cudaStreamEndCapture(s->library.stream, &graph), why))
        return -1;
    int status = CUDA(cudaGraphInstantiate(&s->graphs[part], graph, 0), why);
    cudaError_t destroyed = cudaGraphDestroy(graph);
    return status ? status : check_cuda(destroyed, "cudaGraphDestroy", PLACE, why);
}

int cudnn_replay(struct plan *plan, enum device_part part, struct error *why)
{
    const struct plan_state *s = state_of(plan);
    return CUDA(cudaGraphLaunch(s->graphs[part], s->library.stream), why);
}

void graphs_free(struct plan *plan)
{
    struct plan_state *s = state_of(plan);
    for (int i = 0; i < DEVICE_PARTS; i++)
        if (s->graphs[i])
            cudaGraphExecDestroy(s->graphs[i]);
}
