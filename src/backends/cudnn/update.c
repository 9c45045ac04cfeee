/* The update kernel: for whole steps (steps.c), for the copies of the parameters, and for plain arrays, which tests and training
 * without whole steps use. */
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

void update_slices(struct update_arguments *update, const struct plan *plan, enum tensor_role role)
{
    const struct cudnn_plan_state *s = plan->state;
    for (int i = 0; i < s->net->layer_count; i++)
        if (s->net->layers[i].weights && s->net->layers[i].weights->role == role)
            update->slices[update->slice_count++] = s->operations[i].slice;
}

/* A moving average moves towards the mean of the sums: p -= (keep - 1) * (sum / samples - p). */
int update_states(const struct plan *plan, const struct update_arguments *trained, struct error *why)
{
    struct cudnn_plan_state *s = plan->state;
    const struct net *net = s->net;
    for (const struct tensor *t = net->tensors; t < net->tensors + net->tensor_count; t++) {
        struct update_arguments update = *trained;
        uint32_t end = (uint32_t)t->count;
        if (t->role != TENSOR_STATE)
            continue;
        update.parameters += t->offset, update.gradients += t->offset;
        update.shadows = NULL, update.ring = NULL, update.count = t->count;
        update.rate = t->keep - 1, update.keeps_rate = 1;
        update.slice_count = 1, update.slices[0] = (struct slice){.biases = end, .end = end, .decay = -1};
        if (kernel_launch(&s->library, KERNEL_update, update_blocks(update.count), &update, why))
            return -1;
    }
    return 0;
}

int update_copies(const struct plan *plan, const float *parameters, struct error *why)
{
    struct cudnn_plan_state *s = plan->state;
    struct update_arguments update = {
        .parameters = (float *)(uintptr_t)parameters, /* not changed without gradients */
        .count = s->net->parameters,
    };
    update_slices(&update, plan, TENSOR_TRAINED);
    update_slices(&update, plan, TENSOR_FROZEN); /* they lie after the trained ones */
    return kernel_launch(&s->library, KERNEL_update, update_blocks(update.count), &update, why);
}

static int launch_update(const struct update_arguments *arguments, struct error *why)
{
    struct cudnn_library legacy = {0}; /* its stream is CUDA's default stream */
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
        .parameters = (float *)(uintptr_t)parameters, /* not changed without gradients */
        .shadows = shadows, .ema_decay = decay, .count = count,
    };
    return launch_update(&arguments, why);
}
