#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "../backends.h"
#include "onednn.h"

/* The name of the best set below that `isa` contains. A dnnl_cpu_isa_t has all bits of its predecessors, so a set that a later
 * library adds gets its predecessor's name. */
static const char *isa_name(int isa)
{
    static const struct {
        int isa;
        const char *name;
    } names[] = {
        {dnnl_cpu_isa_avx512_core_amx, "AVX-512 with AMX"},
        {dnnl_cpu_isa_avx512_core_bf16, "AVX-512 with bfloat16"},
        {dnnl_cpu_isa_avx512_core_vnni, "AVX-512 with VNNI"},
        {dnnl_cpu_isa_avx512_core, "AVX-512"},
        {dnnl_cpu_isa_avx2_vnni, "AVX2 with VNNI"},
        {dnnl_cpu_isa_avx2, "AVX2"},
        {dnnl_cpu_isa_avx, "AVX"},
        {dnnl_cpu_isa_sse41, "SSE4.1"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if ((isa & names[i].isa) == names[i].isa)
            return names[i].name;
    return "other";
}

static int onednn_probe(char *about, size_t size, struct error *why)
{
    (void)why;
    const dnnl_version_t *version = dnnl_version();
    snprintf(about, size, "oneDNN %d.%d.%d, %s kernels", version->major, version->minor, version->patch,
             isa_name(dnnl_get_effective_cpu_isa()));
    return 0;
}

static int onednn_set_threads(int threads, struct error *why)
{
    if (threads < 1)
        return error_set(why, "oneDNN cannot use %d threads", threads);
    omp_set_num_threads(threads);
    return 0;
}

/* Whether one stage computes the first two layers. The convolution's windows must then leave no pixel out. */
static bool pools_at_once(const struct plan_request *request)
{
    const struct net_layer *l = request->net->layers;
    return !request->input_gradient && !request->separate && request->net->layer_count > 1 &&
           l[0].layer.kind == LAYER_CONVOLUTION && l[0].layer.kernel >= l[0].layer.stride &&
           l[0].layer.padding == PADDING_SAME && l[0].readers == 1 && l[1].layer.kind == LAYER_MAX_POOL;
}

static const struct host_kind *const onednn_kinds[LAYER_KINDS] = {
    [LAYER_CONVOLUTION] = &onednn_convolution, [LAYER_MAX_POOL] = &onednn_max_pool, [LAYER_LRN] = &onednn_lrn,
    [LAYER_DENSE] = &onednn_dense, [LAYER_ADD] = &host_add, [LAYER_BATCH_NORM] = &host_batch_norm,
};

static const struct host_kind *onednn_choose(const struct plan_request *request, int index)
{
    const struct net_layer *l = &request->net->layers[index];
    enum convolution_choice way = request->convolutions ? request->convolutions[index] : request->convolution;
    if (way != CONVOLUTION_DIRECT && winograd_applies(l))
        return &onednn_winograd;
    if (index == 0 && pools_at_once(request))
        return &onednn_convolution_pool;
    return onednn_kinds[l->layer.kind];
}

static bool onednn_knows(const struct net_layer *l, enum convolution_choice way)
{
    return way != CONVOLUTION_WINOGRAD || winograd_applies(l);
}

static int onednn_supports(const struct layer *layer, struct error *why)
{
    if (layer->kind == LAYER_MAX_POOL && layer->kernel > ONEDNN_POOL_MAX)
        return error_set(why, "pools of more than %dx%d are not supported", ONEDNN_POOL_MAX, ONEDNN_POOL_MAX);
    return host_supports(onednn_kinds, layer, why);
}

static void onednn_plan_free(struct plan *plan)
{
    struct host_plan *host = plan->state;
    struct onednn_library *library = host ? host->backend : NULL;
    host_plan_free(plan);
    if (library)
        onednn_close(library);
    free(library);
}

static int make_plan(struct plan *plan, const struct plan_request *request, struct error *why)
{
    if (host_plan_begin(plan, request, &backend_onednn, why))
        return -1;
    struct host_plan *host = plan->state;
    host->backend = memory_new(1, sizeof(struct onednn_library), "the plan", why);
    return !host->backend || onednn_open(host->backend, why) || host_plan_make(plan, request, onednn_choose, why) ? -1 : 0;
}

static int onednn_plan(struct plan *plan, const struct plan_request *request, struct error *why)
{
    int status = make_plan(plan, request, why);
    if (status)
        onednn_plan_free(plan);
    return status;
}

const struct backend backend_onednn = {
    .name = "onednn",
    .priority = 20,
    .probe = onednn_probe,
    .set_threads = onednn_set_threads,
    .supports = onednn_supports,
    .knows = onednn_knows,
    .plan = onednn_plan,
    .plan_free = onednn_plan_free,
    .loss = host_loss,
    .memory_allocate = host_allocate,
    .memory_free = host_free,
    .memory_upload = host_copy,
    .memory_download = host_copy,
    .sgd = host_sgd,
    .ema = host_ema,
};
