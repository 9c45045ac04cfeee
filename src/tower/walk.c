#include "walk.h"

#include "clock.h"
#include "device_trace.h"

int walk_time(struct tower *tower, double before, double *seconds, const char *what, const char *stage, struct error *why)
{
    if (tower->waits && tower->backend->device->wait(&tower->plan, why))
        return -1;
    *seconds += clock_seconds() - before;
    return device_trace_mark(tower, what, stage, false, why);
}

int walk_prepare(struct tower *tower, struct error *why)
{
    for (int i = 0; i < tower->plan.stage_count; i++) {
        struct stage *stage = &tower->plan.stages[i];
        double before = clock_seconds();
        if ((stage->prepare && stage->prepare(stage, tower->parameters, why)) ||
            walk_time(tower, before, &tower->times[i].forward, stage->prepare ? "prepare" : NULL, stage->name, why))
            return error_in(why, "stage %s", stage->name);
    }
    return 0;
}

int walk_forward(struct tower *tower, float *gradients, struct phases *phases, struct error *why)
{
    for (int i = 0; i < tower->plan.stage_count; i++) {
        struct stage *stage = &tower->plan.stages[i];
        double before = clock_seconds();
        phase_enter(phases, PHASE_FORWARD, i);
        if (stage->forward(stage, gradients, why) ||
            walk_time(tower, before, &tower->times[i].forward, "forward", stage->name, why))
            return error_in(why, "stage %s, forward", stage->name);
    }
    return 0;
}

int walk_images(struct tower *tower, const float *images, int count, float *gradients, struct phases *phases, struct error *why)
{
    const struct plan *plan = &tower->plan;
    if (count > plan->batch)
        return error_set(why, "a batch of %d images does not fit a tower for %d", count, plan->batch);
    if (tower->backend->memory_upload(plan->input, images, (size_t)count * shape_size(tower->net->input), why))
        return -1;
    return walk_forward(tower, gradients, phases, why);
}

int walk_backward(struct tower *tower, int index, float *gradients, struct error *why)
{
    struct stage *stage = &tower->plan.stages[index];
    double before = clock_seconds();
    if (stage->backward(stage, gradients, why) ||
        walk_time(tower, before, &tower->times[index].backward, "backward", stage->name, why))
        return error_in(why, "stage %s, backward", stage->name);
    return 0;
}
