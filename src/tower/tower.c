#include "tower.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "steps.h"
#include "walk.h"

static int take_memory(struct tower *tower, const struct tower_request *request, struct error *why)
{
    const struct backend *backend = tower->backend;
    const struct optimizer *optimizer = tower->optimizer = request->optimizer;
    size_t parameters = tower->net->parameters, stages = (size_t)tower->plan.stage_count;
    if (!(tower->times = memory_new(stages, sizeof *tower->times, "the stages' times", why)) ||
        !(tower->parameters = backend->memory_allocate(parameters, "the parameters", why)))
        return -1;
    for (int i = 0; optimizer && i < optimizer->state_count; i++)
        if (optimizer_keeps(optimizer, i, request->master) &&
            !(tower->states[i] = backend->memory_allocate(parameters, "the optimizer's state", why)))
            return -1;
    if (!request->training || !backend->device)
        return 0;
    tower->gradients = backend->memory_allocate(tower->net->gradients + PARCEL_SLOTS, "the gradients", why);
    return tower->gradients ? 0 : -1;
}

int tower_init(struct tower *tower, const struct tower_request *request, struct error *why)
{
    memset(tower, 0, sizeof *tower);
    tower->backend = request->backend;
    tower->net = request->net;
    struct plan_request plan = {.net = request->net, .batch = request->batch, .training = request->training,
                                .separate = request->separate, .convolution = request->convolution,
                                .convolutions = request->convolutions, .precision = request->precision,
                                .workspace = request->workspace, .deterministic = request->deterministic};
    if (request->precision != PRECISION_FP32 && !request->backend->device)
        return error_set(why, "the %s tower computes in fp32 only", request->backend->name);
    if (request->backend->plan(&tower->plan, &plan, why))
        return error_in(why, "the %s tower for a batch of %d", request->backend->name, request->batch);
    return take_memory(tower, request, why);
}

void tower_free(struct tower *tower)
{
    if (!tower->backend)
        return;
    if (tower->backend->device)
        device_end(tower);
    tower->backend->plan_free(&tower->plan);
    float *const memory[] = {tower->parameters, tower->gradients};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        if (memory[i])
            tower->backend->memory_free(memory[i]);
    for (int i = 0; i < OPTIMIZER_STATES_MAX; i++)
        if (tower->states[i])
            tower->backend->memory_free(tower->states[i]);
    free(tower->times);
    memset(tower, 0, sizeof *tower);
}

void tower_zero_times(struct tower *tower)
{
    memset(tower->times, 0, (size_t)tower->plan.stage_count * sizeof *tower->times);
}

int tower_set_parameters(struct tower *tower, const float *parameters, struct error *why)
{
    if (tower->backend->memory_upload(tower->parameters, parameters, tower->net->parameters, why))
        return -1;
    return walk_prepare(tower, why);
}

int tower_get_parameters(struct tower *tower, float *parameters, struct error *why)
{
    return tower->backend->memory_download(parameters, tower->parameters, tower->net->parameters, why);
}

int tower_set_states(struct tower *tower, float *const *states, struct error *why)
{
    for (int i = 0; i < OPTIMIZER_STATES_MAX; i++)
        if (tower->states[i] && tower->backend->memory_upload(tower->states[i], states[i], tower->net->parameters, why))
            return -1;
    return 0;
}

int tower_get_states(struct tower *tower, float *const *states, struct error *why)
{
    for (int i = 0; i < OPTIMIZER_STATES_MAX; i++)
        if (tower->states[i] && tower->backend->memory_download(states[i], tower->states[i], tower->net->parameters, why))
            return -1;
    return 0;
}

/* input (batch->count, H, W, C) → logits → loss; in training also writes the sums of STATE tensors to `gradients`. */
static int forward(struct tower *tower, const struct batch *batch, float *gradients, struct phases *phases, struct loss_sums *sums,
                   struct error *why)
{
    if (walk_images(tower, batch->images, batch->count, gradients, phases, why))
        return -1;
    double before = clock_seconds();
    phase_enter(phases, PHASE_FORWARD, tower->plan.stage_count);
    int status = tower->backend->loss(&tower->plan, batch->labels, batch->count, sums, why);
    tower->loss_seconds += clock_seconds() - before;
    return status;
}

/* Copies the gradient of a stage, from stage->complete to `end`, to the host's parcel, if it is on a device. */
static int bring(const struct tower *tower, const struct stage *stage, float *parcel, size_t end, struct error *why)
{
    size_t from = stage->complete;
    if (!tower->gradients || from == end)
        return 0;
    if (tower->backend->memory_download(parcel + from, tower->gradients + from, end - from, why))
        return error_in(why, "stage %s, backward", stage->name);
    return 0;
}

int tower_gradients(struct tower *tower, const struct batch *batch, struct reducer *reducer, float *parcel,
                    struct error *why)
{
    struct plan *plan = &tower->plan;
    struct loss_sums sums;
    float *gradients = tower->gradients ? tower->gradients : parcel;
    if (forward(tower, batch, gradients, reducer->phases, &sums, why))
        return -1;
    parcel_write(parcel + tower->net->gradients, sums.loss, (double)sums.correct, (int)sums.count);
    size_t end = tower->net->gradients;
    for (int i = plan->stage_count - 1; i >= 0; end = plan->stages[i--].complete) {
        const struct stage *stage = &plan->stages[i];
        phase_enter(reducer->phases, PHASE_BACKWARD, i);
        if (walk_backward(tower, i, gradients, why) || bring(tower, stage, parcel, end, why) ||
            reducer_ready(reducer, stage->complete, why))
            return -1;
    }
    return 0;
}

int tower_evaluate(struct tower *tower, const struct batch *batch, struct loss_sums *sums, struct error *why)
{
    struct loss_sums of_batch;
    if (forward(tower, batch, NULL, NULL, &of_batch, why))
        return -1;
    sums->loss += of_batch.loss;
    sums->correct += of_batch.correct;
    sums->count += of_batch.count;
    return 0;
}

/* A STATE tensor: p += (1 - keep) * (g * scale - p), which is sgd with rate keep - 1 and decay -1. */
static int update_tensor(struct tower *tower, const struct tensor *t, const float *gradients, float scale, float rate,
                         double *penalty, struct error *why)
{
    bool state = t->role == TENSOR_STATE;
    return tower->backend->sgd(&tower->plan, tower->parameters + t->offset, gradients + t->offset, t->count,
                               state ? t->keep - 1 : rate, scale, state ? -1 : t->decay, penalty, why);
}

static int update_tensors(struct tower *tower, const float *gradients, float scale, float rate, double *penalty,
                          struct error *why)
{
    const struct net *net = tower->net;
    *penalty = 0;
    for (const struct tensor *t = net->tensors; t < net->tensors + net->tensor_count; t++) {
        double of_tensor;
        if (t->role == TENSOR_FROZEN)
            continue;
        if (update_tensor(tower, t, gradients, scale, rate, &of_tensor, why))
            return error_in(why, "the update of %s", t->name);
        *penalty += t->role == TENSOR_TRAINED ? of_tensor : 0;
    }
    return 0;
}

static int average_parameters(struct tower *tower, float ema_decay, struct error *why)
{
    float *shadows = tower->states[OPTIMIZER_EMA];
    double before = clock_seconds();
    if (shadows && tower->backend->ema(shadows, tower->parameters, tower->net->trained, ema_decay, why))
        return -1;
    tower->ema_seconds += clock_seconds() - before;
    return 0;
}

int tower_update(struct tower *tower, const float *gradients, float samples, const struct step *step, double *penalty,
                 struct error *why)
{
    double before = clock_seconds();
    if (tower->gradients && tower->backend->memory_upload(tower->gradients, gradients, tower->net->gradients, why))
        return -1;
    if (tower->gradients)
        gradients = tower->gradients;
    if (update_tensors(tower, gradients, 1.0f / samples, step->rate, penalty, why))
        return -1;
    tower->update_seconds += clock_seconds() - before;
    return average_parameters(tower, step->ema_decay, why) || walk_prepare(tower, why) ? -1 : 0;
}
