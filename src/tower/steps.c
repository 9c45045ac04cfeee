/* Giving training steps to a tower and reading their results, alike for towers on the host and on a device. */
#include "steps.h"

#include <string.h>

int tower_start(struct tower *tower, const struct training_request *request, struct error *why)
{
    tower->training.request = *request;
    return tower->backend->device ? device_start(tower, why) : 0;
}

int tower_join(struct tower *tower, const void *identity, struct error *why)
{
    const struct world *world = tower->training.request.world;
    return tower->backend->device->allreduce_join(&tower->plan, identity, world->rank, world->size, why);
}

bool tower_runs_ahead(const struct tower *tower)
{
    return tower->backend->device && device_runs_ahead(tower);
}

int tower_steps_at_once(const struct tower *tower)
{
    return tower->backend->device ? STEPS_AT_ONCE : 1;
}

int tower_give(struct tower *tower, const struct step *steps, int count, struct error *why)
{
    struct training *t = &tower->training;
    if (count < 1 || count > tower_steps_at_once(tower))
        return error_set(why, "%d steps at once: the tower takes 1 to %d", count, tower_steps_at_once(tower));
    for (int i = 0; i < count; i++)
        t->rates[steps[i].number % STEPS_UNDER_WAY] = steps[i].rate;
    return tower->backend->device ? device_give(tower, steps, count, why) : host_step(tower, steps, why);
}

int tower_results(struct tower *tower, struct step_result *results, int count, struct error *why)
{
    const struct training *t = &tower->training;
    if (tower->backend->device && device_results(tower, results, count, why))
        return -1;
    if (!tower->backend->device)
        *results = t->result;
    for (int i = 0; i < count; i++)
        results[i].rate = t->rates[results[i].step % STEPS_UNDER_WAY];
    return 0;
}

int tower_get_gradients(struct tower *tower, float *gradients, struct error *why)
{
    size_t count = tower->net->gradients;
    if (tower->backend->device)
        return tower->backend->memory_download(gradients, tower->gradients, count, why);
    memcpy(gradients, tower->training.sums, count * sizeof *gradients);
    return 0;
}
