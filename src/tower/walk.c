#include "walk.h"

#include "clock.h"

int walk_prepare(struct tower *tower, struct error *why)
{
    for (int i = 0; i < tower->plan.stage_count; i++) {
        struct stage *stage = &tower->plan.stages[i];
        double before = clock_seconds();
        if (stage->prepare && stage->prepare(stage, tower->parameters, why))
            return error_in(why, "stage %s", stage->name);
        tower->times[i].forward += clock_seconds() - before;
    }
    return 0;
}

int walk_forward(struct tower *tower, struct error *why)
{
    for (int i = 0; i < tower->plan.stage_count; i++) {
        struct stage *stage = &tower->plan.stages[i];
        double before = clock_seconds();
        if (stage->forward(stage, why))
            return error_in(why, "stage %s, forward", stage->name);
        tower->times[i].forward += clock_seconds() - before;
    }
    return 0;
}

int walk_backward(struct tower *tower, int index, float *gradients, struct error *why)
{
    struct stage *stage = &tower->plan.stages[index];
    double before = clock_seconds();
    if (stage->backward(stage, gradients, why))
        return error_in(why, "stage %s, backward", stage->name);
    tower->times[index].backward += clock_seconds() - before;
    return 0;
}
