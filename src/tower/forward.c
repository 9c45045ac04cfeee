#include "tower.h"
#include "walk.h"

int tower_forward(struct tower *tower, const float *images, int count, float *logits, struct error *why)
{
    const struct backend *backend = tower->backend;
    const struct plan *plan = &tower->plan;
    if (count > plan->batch)
        return error_set(why, "a batch of %d images does not fit a tower for %d", count, plan->batch);
    if (backend->memory_upload(plan->input, images, (size_t)count * shape_size(tower->net->input), why) ||
        walk_forward(tower, why))
        return -1;
    return logits ? backend->memory_download(logits, plan->output, (size_t)count * (size_t)tower->net->classes, why) : 0;
}
