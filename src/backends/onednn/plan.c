#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "../backends.h"
#include "onednn.h"

static const struct operation_kind *const kinds[] = {
    [LAYER_CONVOLUTION] = &onednn_convolution,
    [LAYER_MAX_POOL] = &onednn_max_pool,
    [LAYER_LRN] = &onednn_norm,
    [LAYER_DENSE] = &onednn_dense,
};

/* What a plan owns beside its four buffers. */
struct plan_state {
    struct library library;
    struct operation operations[NET_LAYERS_MAX];
    float *activations[NET_LAYERS_MAX], *gradients[NET_LAYERS_MAX]; /* between layer i and i + 1 */
};

/* The best one that is known here. The bits of a dnnl_cpu_isa_t are steps: each one has those of its predecessors, so a later
 * library's new one has its predecessor's name. */
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

static void onednn_plan_free(struct plan *plan)
{
    struct plan_state *state = plan->state;
    host_plan_free(plan);
    if (!state)
        return;
    library_close(&state->library);
    for (int i = 0; i < NET_LAYERS_MAX; i++) {
        free(state->activations[i]);
        free(state->gradients[i]);
    }
    free(state);
}

static int stage_prepare(struct stage *stage, const float *parameters, struct error *why)
{
    struct operation *operation = stage->state;
    operation->parameters = parameters;
    return operation->kind->prepare ? operation->kind->prepare(operation, why) : 0;
}

static int stage_forward(struct stage *stage, float *gradients, struct error *why)
{
    (void)gradients;
    struct operation *operation = stage->state;
    return operation->kind->forward(operation, why);
}

static int stage_backward(struct stage *stage, float *gradients, struct error *why)
{
    struct operation *operation = stage->state;
    return operation->kind->backward(operation, gradients, why);
}

static void stage_free(struct stage *stage)
{
    struct operation *operation = stage->state;
    if (operation->kind->free)
        operation->kind->free(operation);
}

/* A batch of activations of that shape. */
static float *batch_new(int batch, struct shape shape, const char *what, struct error *why)
{
    return memory_new((size_t)batch, shape_size(shape) * sizeof(float), what, why);
}

static int allocate_between(struct plan *plan, const struct plan_request *request, struct error *why)
{
    struct plan_state *state = plan->state;
    for (int i = 0; i + 1 < request->net->layer_count; i++) {
        const struct net_layer *l = &request->net->layers[i];
        if (!(state->activations[i] = batch_new(plan->batch, l->out, l->layer.name, why)) ||
            (request->training && !(state->gradients[i] = batch_new(plan->batch, l->out, l->layer.name, why))))
            return -1;
    }
    return 0;
}

/* The first two layers in one stage: it takes for granted that the convolution's windows leave no pixel out. */
static bool pools_at_once(const struct plan_request *request)
{
    const struct net_layer *l = request->net->layers;
    return !request->input_gradient && request->net->layer_count > 1 && l[0].layer.kind == LAYER_CONVOLUTION &&
           l[0].layer.kernel >= l[0].layer.stride && l[1].layer.kind == LAYER_MAX_POOL;
}

static const struct operation_kind *choose_kind(const struct plan_request *request, int i)
{
    const struct net_layer *l = &request->net->layers[i];
    enum convolution_choice way = request->convolutions ? request->convolutions[i] : request->convolution;
    if (way != CONVOLUTION_DIRECT && winograd_applies(l))
        return &onednn_winograd;
    if (i == 0 && pools_at_once(request))
        return &onednn_convolution_pool;
    return kinds[l->layer.kind];
}

static int make_stage(struct plan *plan, const struct plan_request *request, int i, struct error *why)
{
    const struct net_layer *l = &request->net->layers[i];
    const struct operation_kind *kind = choose_kind(request, i);
    struct plan_state *state = plan->state;
    int end = i + kind->layers - 1;
    bool first = i == 0, last = end == request->net->layer_count - 1;
    struct stage *stage = &plan->stages[plan->stage_count++];

    state->operations[i] = (struct operation){
        .kind = kind,
        .layer = l,
        .library = &state->library,
        .vectors = vector_set_at(0),
        .batch = plan->batch,
        .x = first ? plan->input : state->activations[i - 1],
        .y = last ? plan->output : state->activations[end],
        .dx = first ? plan->input_gradient : state->gradients[i - 1],
        .dy = last ? plan->output_gradient : state->gradients[end],
    };
    *stage = (struct stage){
        .first = i,
        .last = end,
        .complete = net_trained_from(request->net, i),
        .prepare = stage_prepare,
        .forward = stage_forward,
        .backward = request->training ? stage_backward : NULL,
        .free = stage_free,
        .state = &state->operations[i],
    };
    snprintf(stage->name, sizeof stage->name, kind->layers > 1 ? "%.23s+%.23s" : "%.23s", l->layer.name,
             request->net->layers[end].layer.name);
    if (kind->init && kind->init(&state->operations[i], why))
        return -1;
    stage->forward_operations = state->operations[i].forward_operations;
    stage->backward_operations = state->operations[i].backward_operations;
    return 0;
}

static int make_plan(struct plan *plan, const struct plan_request *request, struct error *why)
{
    struct plan_state *state = plan->state = memory_new(1, sizeof *state, "the plan", why);
    if (!state || library_open(&state->library, why) || plan_allocate_ends(plan, request, host_allocate, why) ||
        allocate_between(plan, request, why))
        return -1;
    for (int i = 0; i < request->net->layer_count; i = plan->stages[plan->stage_count - 1].last + 1)
        if (make_stage(plan, request, i, why))
            return -1;
    return 0;
}

static bool onednn_knows(const struct net_layer *l, enum convolution_choice way)
{
    return way != CONVOLUTION_WINOGRAD || winograd_applies(l);
}

static int onednn_plan(struct plan *plan, const struct plan_request *request, struct error *why)
{
    *plan = (struct plan){.batch = request->batch, .classes = request->net->classes};
    if (request->batch < 1)
        return error_set(why, "a batch of %d images: there must be at least 1", request->batch);
    if (make_plan(plan, request, why)) {
        onednn_plan_free(plan);
        return -1;
    }
    return 0;
}

const struct backend backend_onednn = {
    .name = "onednn",
    .priority = 20,
    .probe = onednn_probe,
    .set_threads = onednn_set_threads,
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
