/* What plans of all backends share, whatever memory they live in. */
#include "backend.h"

static float *batch_new(const struct plan *plan, struct shape shape, plan_allocator *allocate, const char *what,
                        struct error *why)
{
    return allocate((size_t)plan->batch * shape_size(shape), what, why);
}

int plan_allocate_ends(struct plan *plan, const struct plan_request *request, plan_allocator *allocate, struct error *why)
{
    const struct net *net = request->net;
    struct shape out = net->layers[net->layer_count - 1].out;
    if (!(plan->input = batch_new(plan, net->input, allocate, "the batch's images", why)) ||
        !(plan->output = batch_new(plan, out, allocate, "the batch's logits", why)))
        return -1;
    if (request->training && !(plan->output_gradient = batch_new(plan, out, allocate, "the logits' gradients", why)))
        return -1;
    if (request->training && request->input_gradient &&
        !(plan->input_gradient = batch_new(plan, net->input, allocate, "the images' gradients", why)))
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
