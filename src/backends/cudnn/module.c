/* What the program finds in this module (module.h). */
#include "../module.h"
#include "plan.h"

static int set_threads(int threads, struct error *why)
{
    return threads < 1 ? error_set(why, "%d threads", threads) : 0; /* the device has its own */
}

static const struct device device = {
    .choose = cudnn_device_choose,
    .data = cudnn_data,
    .begin = cudnn_begin,
    .distort = cudnn_distort,
    .loss = cudnn_step_loss,
    .update = cudnn_update,
    .pin = cudnn_pin,
    .unpin = cudnn_unpin,
    .send = cudnn_send,
    .send_end = cudnn_send_end,
    .sent = cudnn_sent,
    .receive = cudnn_receive,
    .capture = cudnn_capture,
    .captured = cudnn_captured,
    .uncapture = cudnn_uncapture,
    .replay = cudnn_replay,
    .mark = cudnn_mark,
    .marks = cudnn_marks,
    .results_begin = cudnn_results_begin,
    .results_end = cudnn_results_end,
    .wait = cudnn_wait,
    .allreduce_probe = cudnn_allreduce_probe,
    .allreduce_identity = cudnn_allreduce_identity,
    .allreduce_join = cudnn_allreduce_join,
    .allreduce = cudnn_allreduce,
};

__attribute__((visibility("default"))) const struct backend_module cifar10_module = {
    .abi = MODULE_ABI,
    .backend = {
        .name = "cudnn",
        .priority = 30,
        .probe = cudnn_device_probe,
        .set_threads = set_threads,
        .supports = cudnn_supports,
        .layers_max = SLICES_MAX,
        .plan = cudnn_plan,
        .plan_free = cudnn_plan_free,
        .loss = cudnn_loss,
        .memory_allocate = cudnn_allocate,
        .memory_free = cudnn_free,
        .memory_upload = cudnn_upload,
        .memory_download = cudnn_download,
        .sgd = cudnn_sgd,
        .ema = cudnn_ema,
        .device = &device,
    },
};
