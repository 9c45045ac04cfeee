#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>

#include "../backends.h"
#include "openblas.h"

static const struct operation_kind *const kinds[] = {
    [LAYER_CONVOLUTION] = &blas_convolution,
    [LAYER_MAX_POOL] = &blas_max_pool,
    [LAYER_LRN] = &blas_norm,
    [LAYER_DENSE] = &blas_dense,
};

/* What a plan owns beside its four buffers. */
struct plan_state {
    struct operation operations[NET_LAYERS_MAX];
    float *activations[NET_LAYERS_MAX], *gradients[NET_LAYERS_MAX]; /* between layer i and i + 1 */
    float *scratch;
};

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

static void openblas_plan_free(struct plan *plan)
{
    struct plan_state *state = plan->state;
    host_plan_free(plan);
    if (!state)
        return;
    for (int i = 0; i < NET_LAYERS_MAX; i++) {
        free(state->activations[i]);
        free(state->gradients[i]);
    }
    free(state->scratch);
    free(state);
}

static int stage_prepare(struct stage *stage, const float *parameters, struct error *why)
{
    (void)why;
    struct operation *operation = stage->state;
    operation->parameters = parameters;
    return 0;
}

/* A batch of activations of that shape. */
static float *batch_new(int batch, struct shape shape, const char *what, struct error *why)
{
    return memory_new((size_t)batch, shape_size(shape) * sizeof(float), what, why);
}

static int allocate_between(struct plan *plan, const struct plan_request *request, struct error *why)
{
    const struct net *net = request->net;
    struct plan_state *state = plan->state;
    size_t scratch = 0;
    for (int i = 0; i < net->layer_count; i++) {
        const struct net_layer *l = &net->layers[i];
        size_t wanted = kinds[l->layer.kind]->scratch(l);
        scratch = wanted > scratch ? wanted : scratch;
        if (i == net->layer_count - 1)
            break;
        if (!(state->activations[i] = batch_new(plan->batch, l->out, l->layer.name, why)))
            return -1;
        if (request->training && !(state->gradients[i] = batch_new(plan->batch, l->out, l->layer.name, why)))
            return -1;
    }
    state->scratch = host_allocate(scratch, "the workspace of one layer", why);
    return state->scratch ? 0 : -1;
}

static void connect_stage(struct plan *plan, const struct plan_request *request, int i)
{
    const struct net_layer *l = &request->net->layers[i];
    struct plan_state *state = plan->state;
    bool first = i == 0, last = i == request->net->layer_count - 1;

    state->operations[i] = (struct operation){
        .layer = l,
        .batch = plan->batch,
        .x = first ? plan->input : state->activations[i - 1],
        .y = last ? plan->output : state->activations[i],
        .dx = first ? plan->input_gradient : state->gradients[i - 1],
        .dy = last ? plan->output_gradient : state->gradients[i],
        .scratch = state->scratch,
    };
    plan->stages[i] = (struct stage){
        .first = i,
        .last = i,
        .complete = net_trained_from(request->net, i),
        .prepare = stage_prepare,
        .forward = kinds[l->layer.kind]->forward,
        .backward = request->training ? kinds[l->layer.kind]->backward : NULL,
        .state = &state->operations[i],
    };
    snprintf(plan->stages[i].name, sizeof plan->stages[i].name, "%s", l->layer.name);
}

static int openblas_plan(struct plan *plan, const struct plan_request *request, struct error *why)
{
    *plan = (struct plan){.batch = request->batch, .classes = request->net->classes};
    if (request->batch < 1)
        return error_set(why, "a batch of %d images: there must be at least 1", request->batch);
    if (!(plan->state = memory_new(1, sizeof(struct plan_state), "the plan", why)) ||
        plan_allocate_ends(plan, request, host_allocate, why) || allocate_between(plan, request, why)) {
        openblas_plan_free(plan);
        return -1;
    }
    plan->stage_count = request->net->layer_count;
    for (int i = 0; i < plan->stage_count; i++)
        connect_stage(plan, request, i);
    return 0;
}

const struct backend backend_openblas = {
    .name = "openblas",
    .priority = 10,
    .probe = openblas_probe,
    .set_threads = openblas_set_threads,
    .plan = openblas_plan,
    .plan_free = openblas_plan_free,
    .loss = host_loss,
    .memory_allocate = host_allocate,
    .memory_free = host_free,
    .memory_upload = host_copy,
    .memory_download = host_copy,
    .sgd = host_sgd,
    .ema = host_ema,
};
