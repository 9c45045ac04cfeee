/* Plans of the CPU backends: a buffer between each two layers, one scratch buffer for all, and the stages. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

/* ---- stages ---- */

static int stage_prepare(struct stage *stage, const float *parameters, struct error *why)
{
    struct host_operation *o = stage->state;
    o->parameters = parameters;
    return o->kind->prepare ? o->kind->prepare(o, why) : 0;
}

static int stage_forward(struct stage *stage, float *gradients, struct error *why)
{
    struct host_operation *o = stage->state;
    o->gradients = gradients;
    return o->kind->forward(o, why);
}

__attribute__((target_clones("avx512f", "avx2", "default")))
static void add_to(float *restrict sum, const float *restrict values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += values[i];
}

static int stage_backward(struct stage *stage, float *gradients, struct error *why)
{
    struct host_operation *o = stage->state;
    size_t count = (size_t)o->batch * shape_size(o->layer->in);
    o->gradients = gradients;
    if (o->kind->backward(o, why))
        return -1;
    if (o->sum_x)
        add_to(o->sum_x, o->dx, count);
    if (o->sum_added)
        add_to(o->sum_added, o->dadded, count);
    return 0;
}

static void stage_free(struct stage *stage)
{
    struct host_operation *o = stage->state;
    if (o->kind->free)
        o->kind->free(o);
}

int host_supports(const struct host_kind *const *kinds, const struct layer *layer, struct error *why)
{
    if (layer->kind < LAYER_KINDS && kinds[layer->kind])
        return 0;
    return error_set(why, "layers of kind %d are not supported", (int)layer->kind);
}

/* ---- wiring ---- */

static const float *output_of(const struct plan *plan, int layer)
{
    const struct host_plan *host = plan->state;
    return layer == NET_INPUT ? plan->input : host->activations[layer];
}

/* Where layer `reader` writes the gradient of its input: into that gradient itself or, if it already has a value, into the spare
 * buffer, which is then added to *sum. */
static float *host_place_gradient(const struct plan *plan, const struct net *net, int reader, int input, float **sum)
{
    const struct host_plan *host = plan->state;
    *sum = NULL;
    if (input == NET_INPUT)
        return plan->input_gradient;
    if (!plan_adds_gradient(net, reader, input))
        return host->gradients[input];
    *sum = host->gradients[input];
    return host->spare;
}

static void host_place_operation(struct plan *plan, const struct plan_request *request, int first, int last)
{
    const struct net *net = request->net;
    const struct net_layer *l = &net->layers[first];
    struct host_plan *host = plan->state;
    struct host_operation *o = &host->operations[first];
    bool ends = last == net->layer_count - 1, adds = l->layer.kind == LAYER_ADD;
    o->x = output_of(plan, l->from);
    o->added = adds ? output_of(plan, l->add) : NULL;
    o->y = ends ? plan->output : host->activations[last];
    if (!request->training)
        return;
    o->dy = ends ? plan->output_gradient : host->gradients[last];
    o->dx = host_place_gradient(plan, net, first, l->from, &o->sum_x);
    if (!adds)
        return;
    o->dadded = host_place_gradient(plan, net, first, l->add, &o->sum_added);
    if (l->add == l->from) { /* dx has already been written there */
        o->sum_added = host->gradients[l->add];
        o->dadded = host->spare;
    }
}

static int make_stage(struct plan *plan, const struct plan_request *request, const struct host_kind *kind, int first,
                      struct error *why)
{
    struct host_plan *host = plan->state;
    const struct net_layer *l = &request->net->layers[first];
    struct host_operation *o = &host->operations[first];
    struct stage *stage = &plan->stages[plan->stage_count++];
    int last = first + kind->layers - 1;
    *o = (struct host_operation){.kind = kind, .layer = l, .batch = plan->batch, .training = request->training,
                                 .scratch = host->scratch, .backend = host->backend};
    host_place_operation(plan, request, first, last);
    *stage = (struct stage){
        .first = first, .last = last, .complete = net_trained_from(request->net, first), .prepare = stage_prepare,
        .forward = stage_forward, .backward = request->training ? stage_backward : NULL, .free = stage_free, .state = o,
    };
    snprintf(stage->name, sizeof stage->name, kind->layers > 1 ? "%.23s+%.23s" : "%.23s", l->layer.name,
             request->net->layers[last].layer.name);
    if (kind->init && kind->init(o, why))
        return -1;
    stage->forward_operations = o->forward_operations;
    stage->backward_operations = o->backward_operations;
    return 0;
}

/* ---- memory ---- */

static float *batch_new(const struct plan *plan, const struct net_layer *l, struct error *why)
{
    return memory_new((size_t)plan->batch, shape_size(l->out) * sizeof(float), l->layer.name, why);
}

/* The scratch buffer, and a spare buffer as large as the largest gradient that several layers add to. */
static int allocate_shared(struct plan *plan, const struct plan_request *request, host_choose *choose, struct error *why)
{
    struct host_plan *host = plan->state;
    size_t scratch = 0, spare = 0;
    for (int i = 0; i < host->layers; i++) {
        const struct net_layer *l = &request->net->layers[i];
        const struct host_kind *kind = choose(request, i);
        size_t wanted = kind->scratch ? kind->scratch(l) : 0, output = shape_size(l->out);
        scratch = wanted > scratch ? wanted : scratch;
        spare = request->training && l->readers > 1 && output > spare ? output : spare;
    }
    host->scratch = host_allocate(scratch, "the workspace of one layer", why);
    host->spare = memory_new((size_t)plan->batch, spare * sizeof(float), "a part of a gradient", why);
    return host->scratch && host->spare ? 0 : -1;
}

static int allocate_between(struct plan *plan, const struct plan_request *request, struct error *why)
{
    struct host_plan *host = plan->state;
    for (int i = 0; i + 1 < host->layers; i++) {
        const struct net_layer *l = &request->net->layers[i];
        if (!(host->activations[i] = batch_new(plan, l, why)) ||
            (request->training && !(host->gradients[i] = batch_new(plan, l, why))))
            return -1;
    }
    return 0;
}

/* ---- plans ---- */

int host_plan_begin(struct plan *plan, const struct plan_request *request, const struct backend *backend, struct error *why)
{
    if (plan_begin(plan, request, backend, why))
        return -1;
    struct host_plan *host = plan->state = memory_new(1, sizeof *host, "the plan", why);
    if (!host)
        return -1;
    size_t layers = (size_t)(host->layers = request->net->layer_count);
    host->operations = memory_new(layers, sizeof *host->operations, "the plan", why);
    host->activations = memory_new(layers, sizeof *host->activations, "the plan", why);
    host->gradients = memory_new(layers, sizeof *host->gradients, "the plan", why);
    return host->operations && host->activations && host->gradients ? 0 : -1;
}

int host_plan_make(struct plan *plan, const struct plan_request *request, host_choose *choose, struct error *why)
{
    if (plan_allocate_ends(plan, request, host_allocate, why) || allocate_shared(plan, request, choose, why) ||
        allocate_between(plan, request, why))
        return -1;
    for (int i = 0; i < request->net->layer_count; i = plan->stages[plan->stage_count - 1].last + 1)
        if (make_stage(plan, request, choose(request, i), i, why))
            return -1;
    const struct host_plan *host = plan->state;
    for (int i = 0; plan->activations && i < host->layers; i++)
        plan->activations[i] = i + 1 < host->layers ? host->activations[i] : plan->output;
    return 0;
}

static void state_free(struct host_plan *host)
{
    for (int i = 0; host->activations && host->gradients && i < host->layers; i++) {
        free(host->activations[i]);
        free(host->gradients[i]);
    }
    free(host->operations);
    free(host->activations);
    free(host->gradients);
    free(host->scratch);
    free(host->spare);
    free(host);
}

void host_plan_free(struct plan *plan)
{
    for (int i = 0; i < plan->stage_count; i++)
        plan->stages[i].free(&plan->stages[i]);
    free(plan->input);
    free(plan->output);
    free(plan->output_gradient);
    free(plan->input_gradient);
    if (plan->state)
        state_free(plan->state);
    plan_end(plan);
}
