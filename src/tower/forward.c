#include "tower.h"
#include "walk.h"

int tower_forward(struct tower *tower, const float *images, int count, float *logits, struct error *why)
{
    if (walk_images(tower, images, count, NULL, NULL, why))
        return -1;
    size_t values = (size_t)count * (size_t)tower->net->classes;
    return logits ? tower->backend->memory_download(logits, tower->plan.output, values, why) : 0;
}
