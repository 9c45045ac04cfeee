/* The end of the backward pass. It copies the gradients of convolutions, which have their own layouts, into the flat gradients,
 * and checks all gradients and parameters: before the update begins it must be known whether all numbers are finite. */
#include "plan.h"

static struct finish_part convolution_part(const struct cudnn_operation *o)
{
    const struct net_layer *l = o->layer;
    return (struct finish_part){
        .filter = o->dfilter, .sums = o->sums, .weights = (uint32_t)l->weights->offset,
        .biases = has_bias(l) ? (uint32_t)l->biases->offset : 0,
        .in = l->in.channels, .out = l->out.channels, .y_in = o->x_channels, .runs = o->parts,
        .kernel = (uint16_t)l->layer.kernel, .half = o->dfilter_half,
    };
}

static void check_add(struct finish_arguments *a, size_t first, size_t end, bool of_parameters)
{
    finish_add(a, (struct finish_part){.weights = (uint32_t)first, .end = (uint32_t)end, .of_parameters = of_parameters});
}

static struct finish_arguments backward_arguments(const struct cudnn_plan_state *s, bool check)
{
    struct finish_arguments a = {.faults = check ? s->faults : NULL};
    const struct net *net = s->net;
    for (int i = 0; i < net->layer_count; i++) {
        size_t first = net_trained_from(net, i), end = net_trained_from(net, i + 1);
        if (s->operations[i].dfilter)
            finish_add(&a, convolution_part(&s->operations[i]));
        else if (check && end > first)
            check_add(&a, first, end, false);
    }
    if (check && net->gradients > net->trained)
        check_add(&a, net->trained, net->gradients, false);
    if (check)
        check_add(&a, 0, net->parameters, true);
    return a;
}

static struct finish_arguments sums_arguments(const struct cudnn_plan_state *s)
{
    struct finish_arguments a = {.faults = s->faults};
    check_add(&a, 0, s->net->gradients, false);
    check_add(&a, 0, s->net->parameters, true);
    return a;
}

static int launch(struct cudnn_plan_state *s, struct finish_arguments *a, struct error *why)
{
    if (a->faults)
        s->fault_count = (int)a->tiles;
    return a->tiles > 0 ? kernel_launch(&s->library, KERNEL_finish, a->tiles, a, why) : 0;
}

int finish_init(struct plan *plan, struct error *why)
{
    struct cudnn_plan_state *s = state_of(plan);
    uint32_t backward = backward_arguments(s, true).tiles, sums = sums_arguments(s).tiles;
    s->faults = device_new((backward > sums ? backward : sums) * sizeof *s->faults, "the gradients' faults", why);
    return s->faults ? 0 : -1;
}

/* With NCCL, some gradients have already been sent, so their sums are checked later instead. */
int finish_backward(struct plan *plan, float *gradients, struct error *why)
{
    struct cudnn_plan_state *s = state_of(plan);
    bool check = !s->communicator;
    struct finish_arguments a = backward_arguments(s, check);
    a.gradients = gradients;
    a.parameters = s->operations[0].parameters;
    if (check && cudnn_library_join(&s->library, why)) /* some gradients are computed on the second stream */
        return -1;
    return launch(s, &a, why);
}

int finish_sums(struct plan *plan, const float *parameters, const float *sums, struct error *why)
{
    struct cudnn_plan_state *s = state_of(plan);
    struct finish_arguments a = sums_arguments(s);
    a.gradients = (float *)(uintptr_t)sums; /* only checked */
    a.parameters = parameters;
    return launch(s, &a, why);
}

int finish_biases(struct cudnn_library *library, const float *sums, int parts, int out, float *biases, struct error *why)
{
    struct finish_arguments a = {.gradients = biases};
    finish_add(&a, (struct finish_part){.sums = sums, .runs = parts, .out = out});
    return kernel_launch(library, KERNEL_finish, a.tiles, &a, why);
}
