/* Copies between the device and pinned memory. Sending runs beside the work. */
#include <stdlib.h>

#include "plan.h"

int exchange_init(struct plan *plan, struct error *why)
{
    struct cudnn_plan_state *s = state_of(plan);
    s->sent = memory_new((size_t)plan->stage_count, sizeof *s->sent, "the plan's events", why);
    if (!s->sent)
        return -1;
    for (int i = 0; i < plan->stage_count; i++)
        if (CUDA(cudaEventCreateWithFlags(&s->sent[i], cudaEventDisableTiming), why))
            return -1;
    return 0;
}

void exchange_free(struct plan *plan)
{
    struct cudnn_plan_state *s = state_of(plan);
    for (int i = 0; s->sent && i < plan->stage_count; i++)
        if (s->sent[i])
            cudaEventDestroy(s->sent[i]);
    free(s->sent);
}

int cudnn_pin(void *memory, size_t bytes, struct error *why)
{
    if (CUDA(cudaHostRegister(memory, bytes, cudaHostRegisterDefault), why))
        return error_add(why, "; %.1f MB of host memory are to be locked, which 'ulimit -l' or a container may limit; --allreduce "
                         "nccl needs none", 1e-6 * (double)bytes);
    return 0;
}

int cudnn_unpin(void *memory, struct error *why)
{
    return CUDA(cudaHostUnregister(memory), why);
}

/* In a capture, an event that the host waits for must be an external one: a node of the graph. */
static int record_sent(struct cudnn_plan_state *s, int ticket, struct error *why)
{
    enum cudaStreamCaptureStatus status;
    if (CUDA(cudaStreamIsCapturing(s->library.beside, &status), why))
        return -1;
    unsigned flags = status == cudaStreamCaptureStatusActive ? cudaEventRecordExternal : cudaEventRecordDefault;
    return CUDA(cudaEventRecordWithFlags(s->sent[ticket], s->library.beside, flags), why);
}

int cudnn_send(struct plan *plan, float *to, const float *from, size_t count, int ticket, struct error *why)
{
    struct cudnn_plan_state *s = state_of(plan);
    if (cudnn_library_fork(&s->library, why) ||
        CUDA(cudaMemcpyAsync(to, from, count * sizeof *to, cudaMemcpyDeviceToHost, s->library.beside), why))
        return -1;
    return record_sent(s, ticket, why);
}

int cudnn_send_end(struct plan *plan, struct error *why)
{
    return cudnn_library_join(&state_of(plan)->library, why);
}

int cudnn_sent(struct plan *plan, int ticket, struct error *why)
{
    return CUDA(cudaEventSynchronize(state_of(plan)->sent[ticket]), why);
}

int cudnn_receive(struct plan *plan, float *to, const float *from, size_t count, struct error *why)
{
    return CUDA(cudaMemcpyAsync(to, from, count * sizeof *to, cudaMemcpyHostToDevice, state_of(plan)->library.stream), why);
}
