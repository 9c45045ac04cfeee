/* The update kernel: what whole steps (steps.c) want of it, the copies of the parameters, and plain arrays for tests and for
 * whoever does not train in whole steps. */
#include "plan.h"

size_t update_blocks(size_t count)
{
    size_t blocks = kernel_blocks(KERNEL_update, count);
    return blocks < PENALTIES_MAX ? blocks : PENALTIES_MAX;
}

static double record_penalty(const struct step_record *record)
{
    double sum = 0;
    for (uint32_t i = 0; i < record->parts && i < PENALTIES_MAX; i++)
        sum += record->penalties[i];
    return sum;
}

void update_slices(struct update_arguments *update, const struct plan *plan)
{
    const struct plan_state *s = plan->state;
    for (int i = 0; i < s->net->layer_count; i++)
        if (s->net->layers[i].weights)
            update->slices[update->slice_count++] = s->operations[i].slice;
}

int update_copies(const struct plan *plan, const float *parameters, struct error *why)
{
    struct plan_state *s = plan->state;
    struct update_arguments update = {
        .parameters = (float *)(uintptr_t)parameters, /* without gradients they stay */
        .count = s->net->parameters,
    };
    update_slices(&update, plan);
    return kernel_launch(&s->library, KERNEL_update, update_blocks(update.count), &update, why);
}

static int launch_update(const struct update_arguments *arguments, struct error *why)
{
    struct library legacy = {0}; /* its stream is CUDA's own */
    return CUDA(cudaDeviceSynchronize(), why) ||
           kernel_launch(&legacy, KERNEL_update, update_blocks(arguments->count), arguments, why) ||
           CUDA(cudaDeviceSynchronize(), why) ? -1 : 0;
}

int cudnn_sgd(struct plan *plan, float *parameters, const float *gradients, size_t count, float rate, float scale, float decay,
              double *penalty, struct error *why)
{
    struct step_record host, *record = state_of(plan)->record;
    uint32_t end = (uint32_t)count;
    struct update_arguments arguments = {
        .parameters = parameters, .gradients = gradients, .rate = rate, .scale = scale, .ring = record, .ring_length = 1,
        .count = count, .slice_count = 1, .slices = {{.biases = end, .end = end, .decay = decay}},
    };
    if (launch_update(&arguments, why) || CUDA(cudaMemcpy(&host, record, sizeof host, cudaMemcpyDeviceToHost), why))
        return -1;
    *penalty = record_penalty(&host);
    return 0;
}

int cudnn_ema(float *shadows, const float *parameters, size_t count, float decay, struct error *why)
{
    struct update_arguments arguments = {
        .parameters = (float *)(uintptr_t)parameters, /* without gradients they stay */
        .shadows = shadows, .ema_decay = decay, .count = count,
    };
    return launch_update(&arguments, why);
}
