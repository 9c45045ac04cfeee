#include "optimize.h"

#include <stdlib.h>
#include <string.h>

const struct optimizer optimizer_sgd = {
    .name = "sgd",
    .state_count = 1,
    .states = {[OPTIMIZER_EMA] = {.name = "ema", .from_parameters = true, .master_only = true}},
};

bool optimizer_keeps(const struct optimizer *optimizer, int state, bool master)
{
    return state < optimizer->state_count && (master || !optimizer->states[state].master_only);
}

int optimizer_allocate(const struct optimizer *optimizer, bool master, size_t count, float **states, struct error *why)
{
    memset(states, 0, OPTIMIZER_STATES_MAX * sizeof *states);
    for (int i = 0; i < optimizer->state_count; i++)
        if (optimizer_keeps(optimizer, i, master) &&
            !(states[i] = memory_new(count, sizeof *states[i], "the optimizer's state", why)))
            return -1;
    return 0;
}

void optimizer_free(float **states)
{
    for (int i = 0; i < OPTIMIZER_STATES_MAX; i++)
        free(states[i]);
    memset(states, 0, OPTIMIZER_STATES_MAX * sizeof *states);
}

void optimizer_begin(const struct optimizer *optimizer, const float *parameters, size_t count, float **states)
{
    for (int i = 0; i < optimizer->state_count; i++) {
        if (states[i] && optimizer->states[i].from_parameters)
            memcpy(states[i], parameters, count * sizeof *parameters);
        else if (states[i])
            memset(states[i], 0, count * sizeof *states[i]);
    }
}
