#include <cblas.h>
#include <stdio.h>

#include "../backends.h"
#include "openblas.h"

static const struct host_kind *const openblas_kinds[LAYER_KINDS] = {
    [LAYER_CONVOLUTION] = &openblas_convolution, [LAYER_MAX_POOL] = &openblas_max_pool, [LAYER_LRN] = &openblas_lrn,
    [LAYER_DENSE] = &openblas_dense, [LAYER_ADD] = &host_add, [LAYER_BATCH_NORM] = &host_batch_norm,
};

static const struct host_kind *openblas_choose(const struct plan_request *request, int index)
{
    return openblas_kinds[request->net->layers[index].layer.kind];
}

static int openblas_probe(char *about, size_t size, struct error *why)
{
    (void)why;
    char version[32] = "?";
    if (sscanf(openblas_get_config(), "OpenBLAS %31s", version) != 1)
        snprintf(version, sizeof version, "of unknown version");
    snprintf(about, size, "OpenBLAS %s, %s kernels", version, openblas_get_corename());
    return 0;
}

static int openblas_set_threads(int threads, struct error *why)
{
    if (threads < 1)
        return error_set(why, "OpenBLAS cannot use %d threads", threads);
    openblas_set_num_threads(threads);
    return 0;
}

static int openblas_supports(const struct layer *layer, struct error *why)
{
    return host_supports(openblas_kinds, layer, why);
}

static int openblas_plan(struct plan *plan, const struct plan_request *request, struct error *why)
{
    if (!host_plan_begin(plan, request, &backend_openblas, why) && !host_plan_make(plan, request, openblas_choose, why))
        return 0;
    host_plan_free(plan);
    return -1;
}

const struct backend backend_openblas = {
    .name = "openblas",
    .priority = 10,
    .probe = openblas_probe,
    .set_threads = openblas_set_threads,
    .supports = openblas_supports,
    .plan = openblas_plan,
    .plan_free = host_plan_free,
    .loss = host_loss,
    .memory_allocate = host_allocate,
    .memory_free = host_free,
    .memory_upload = host_copy,
    .memory_download = host_copy,
    .sgd = host_sgd,
    .ema = host_ema,
};
