/* What the plans of all backends share, in host or device memory. */
#include <stdlib.h>

#include "backend.h"

int backend_supports(const struct backend *backend, const struct model *model, struct error *why)
{
    if (backend->layers_max && model->layer_count > backend->layers_max)
        return error_set(why, "a net of %d layers: the %s backend computes at most %d", model->layer_count, backend->name,
                         backend->layers_max);
    for (int i = 0; backend->supports && i < model->layer_count; i++)
        if (backend->supports(&model->layers[i], why))
            return error_in(why, "layer %s", model->layers[i].name);
    return 0;
}

int plan_begin(struct plan *plan, const struct plan_request *request, const struct backend *backend, struct error *why)
{
    const struct net *net = request->net;
    *plan = (struct plan){.batch = request->batch, .classes = net->classes};
    if (request->batch < 1)
        return error_set(why, "a batch of %d images: there must be at least 1", request->batch);
    if (backend_supports(backend, net->model, why))
        return -1;
    size_t layers = (size_t)net->layer_count;
    if (request->separate && !(plan->activations = memory_new(layers, sizeof *plan->activations, "the plan's layers", why)))
        return -1;
    plan->stages = memory_new(layers, sizeof *plan->stages, "the plan's stages", why);
    return plan->stages ? 0 : -1;
}

void plan_end(struct plan *plan)
{
    free(plan->stages);
    free(plan->activations);
    *plan = (struct plan){0};
}

bool plan_adds_gradient(const struct net *net, int reader, int input)
{
    for (int i = reader + 1; i < net->layer_count; i++)
        if (net->layers[i].from == input || (net->layers[i].layer.kind == LAYER_ADD && net->layers[i].add == input))
            return true;
    return false;
}

static float *end_new(const struct plan *plan, struct shape shape, plan_allocator *allocate, const char *what,
                        struct error *why)
{
    return allocate((size_t)plan->batch * shape_size(shape), what, why);
}

int plan_allocate_ends(struct plan *plan, const struct plan_request *request, plan_allocator *allocate, struct error *why)
{
    const struct net *net = request->net;
    struct shape out = net->layers[net->layer_count - 1].out;
    if (!(plan->input = end_new(plan, net->input, allocate, "the batch's images", why)) ||
        !(plan->output = end_new(plan, out, allocate, "the batch's logits", why)))
        return -1;
    if (request->training && !(plan->output_gradient = end_new(plan, out, allocate, "the logits' gradients", why)))
        return -1;
    if (request->training && request->input_gradient &&
        !(plan->input_gradient = end_new(plan, net->input, allocate, "the images' gradients", why)))
        return -1;
    return 0;
}

int plan_check_labels(const struct plan *plan, const int32_t *labels, int count, struct error *why)
{
    if (count < 0 || count > plan->batch)
        return error_set(why, "loss of %d images: the batch holds 0 to %d", count, plan->batch);
    for (int n = 0; n < count; n++)
        if (labels[n] < 0 || labels[n] >= plan->classes)
            return error_set(why, "image %d of the batch has label %d: labels are 0 to %d", n, (int)labels[n],
                             plan->classes - 1);
    return 0;
}
