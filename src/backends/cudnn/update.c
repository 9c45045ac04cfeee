/* The update of plain arrays: for tests, and for whoever does not train in whole steps (those are in steps.c). */
#include <stdlib.h>

#include "plan.h"

static const struct library legacy; /* its stream is CUDA's own */

static int launch_update(const struct update_arguments *arguments, struct error *why)
{
    return CUDA(cudaDeviceSynchronize(), why) ||
           kernel_launch(&legacy, KERNEL_update, kernel_blocks(KERNEL_update, arguments->count), arguments, why) ||
           CUDA(cudaDeviceSynchronize(), why) ? -1 : 0;
}

static int sum_penalties(const double *penalties, size_t blocks, double *penalty, struct error *why)
{
    double *host = memory_new(blocks, sizeof *host, "the penalties", why);
    int status = host ? CUDA(cudaMemcpy(host, penalties, blocks * sizeof *host, cudaMemcpyDeviceToHost), why) : -1;
    *penalty = 0;
    for (size_t i = 0; !status && i < blocks; i++)
        *penalty += host[i];
    free(host);
    return status;
}

int cudnn_sgd(float *parameters, const float *gradients, size_t count, float rate, float scale, float decay,
              double *penalty, struct error *why)
{
    size_t blocks = kernel_blocks(KERNEL_update, count);
    double *penalties = device_new(blocks * sizeof *penalties, "the penalties", why);
    struct update_arguments arguments = {
        .parameters = parameters, .gradients = gradients, .rate = rate, .scale = scale, .penalties = penalties,
        .count = count, .segment_count = 1, .segments = {{0, count, decay}},
    };
    int status = !penalties || launch_update(&arguments, why) || sum_penalties(penalties, blocks, penalty, why) ? -1 : 0;
    device_free(penalties);
    return status;
}

int cudnn_ema(float *shadows, const float *parameters, size_t count, float decay, struct error *why)
{
    struct update_arguments arguments = {
        .parameters = (float *)(uintptr_t)parameters, /* without gradients they stay */
        .shadows = shadows, .ema_decay = decay, .count = count,
    };
    return launch_update(&arguments, why);
}
