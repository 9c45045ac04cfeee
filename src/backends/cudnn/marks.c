/* Moments of the device's work, by events. They are made when they are first needed. */
#include <stdlib.h>

#include "plan.h"

int cudnn_mark(struct plan *plan, int mark, bool beside, struct error *why)
{
    struct cudnn_plan_state *s = state_of(plan);
    if (!s->marks)
        s->marks = memory_new(DEVICE_MARKS, sizeof *s->marks, "the timeline's events", why);
    if (!s->marks || (!s->marks[mark] && CUDA(cudaEventCreateWithFlags(&s->marks[mark], cudaEventDefault), why)))
        return -1;
    return CUDA(cudaEventRecord(s->marks[mark], beside ? s->library.beside : s->library.stream), why);
}

int cudnn_marks(struct plan *plan, double *seconds, int count, struct error *why)
{
    const struct cudnn_plan_state *s = state_of(plan);
    seconds[0] = 0;
    for (int i = 1; i < count; i++) {
        float milliseconds;
        if (CUDA(cudaEventSynchronize(s->marks[i]), why) ||
            CUDA(cudaEventElapsedTime(&milliseconds, s->marks[0], s->marks[i]), why))
            return -1;
        seconds[i] = 1e-3 * (double)milliseconds;
    }
    return 0;
}

void marks_free(struct plan *plan)
{
    struct cudnn_plan_state *s = state_of(plan);
    for (int i = 0; s->marks && i < DEVICE_MARKS; i++)
        if (s->marks[i])
            cudaEventDestroy(s->marks[i]);
    free(s->marks);
}
