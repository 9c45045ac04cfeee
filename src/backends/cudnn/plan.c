#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parcel.h"
#include "plan.h"

/* NULL if this backend does not support such layers. */
static const struct cudnn_operation_kind *kind_of(enum layer_kind kind)
{
    switch (kind) {
    case LAYER_CONVOLUTION: return &cudnn_convolution_kind;
    case LAYER_MAX_POOL: return &cudnn_max_pool_kind;
    case LAYER_LRN: return &cudnn_norm_kind;
    case LAYER_DENSE: return &cudnn_dense_kind;
    case LAYER_ADD: return &cudnn_add_kind;
    case LAYER_BATCH_NORM: return &cudnn_batch_norm_kind;
    case LAYER_KINDS: break;
    }
    return NULL;
}

/* On tensor cores, bfloat16 convolutions need at least 8 channels. */
enum { HALF_CHANNELS = 8 };

/* Device memory that does not grow with the batch: what opening the libraries takes (measured); and for each parameter itself,
 * its gradient, its shadow and a copy in the library's layout. */
#define LIBRARIES_BYTES 62e6
enum { PARAMETER_BYTES = 4 * sizeof(float) };

/* ---- sizes of the plan's input and output ---- */

static size_t input_rows(const struct plan *plan)
{
    const struct cudnn_plan_state *s = plan->state;
    return (size_t)plan->batch * (size_t)s->net->input.height * (size_t)s->net->input.width;
}

static size_t output_values(const struct plan *plan)
{
    const struct cudnn_plan_state *s = plan->state;
    return (size_t)plan->batch * shape_size(s->net->layers[s->net->layer_count - 1].out);
}

/* ---- stages ---- */

/* A stage's state is its plan; its first layer is the operation's index. */
static struct cudnn_operation *operation_of(const struct stage *stage)
{
    const struct plan *plan = stage->state;
    struct cudnn_plan_state *s = plan->state;
    return &s->operations[stage->first];
}

/* The first stage prepares all of them. */
static int cudnn_prepare(struct stage *stage, const float *parameters, struct error *why)
{
    const struct plan *plan = stage->state;
    struct cudnn_plan_state *s = plan->state;
    bool ready = s->copies_ready;
    s->copies_ready = false;
    for (int i = 0; i < s->net->layer_count; i++)
        s->operations[i].parameters = parameters;
    return ready ? 0 : update_copies(plan, parameters, why);
}

static int cudnn_stage_forward(struct stage *stage, float *gradients, struct error *why)
{
    struct plan *plan = stage->state;
    struct cudnn_plan_state *s = plan->state;
    struct cudnn_operation *o = operation_of(stage);
    bool ready = s->images_ready;
    if (stage->first == 0)
        s->images_ready = false;
    if (stage->first == 0 && s->images && !ready &&
        kernel_convert_rows(&s->library, plan->input, s->net->input.channels, false, s->images, o->x_channels, true,
                            input_rows(plan), why))
        return -1;
    for (int i = stage->first; i <= stage->last; i++, o++) {
        o->gradients = gradients;
        if (o->kind->forward && o->kind->forward(o, why))
            return -1;
    }
    if (stage->last < s->net->layer_count - 1 || !s->logits)
        return 0;
    return kernel_convert_rows(&s->library, s->logits, 1, true, plan->output, 1, false, output_values(plan), why);
}

/* Adds what the operation left in the addend to the gradients that other readers have written. */
static int add_gradients(const struct cudnn_operation *o, struct error *why)
{
    void *const sums[] = {o->dx_sum, o->dadded_sum}, *const addends[] = {o->dx, o->dadded};
    size_t values = (size_t)o->batch * shape_size(o->layer->in);
    for (int i = 0; i < 2; i++)
        if (sums[i] && kernel_add_values(o->library, sums[i], addends[i], sums[i], values, o->x_half, false, why))
            return -1;
    return 0;
}

static int operation_backward(struct cudnn_operation *o, float *gradients, struct error *why)
{
    return (o->kind->backward && o->kind->backward(o, gradients, why)) || add_gradients(o, why) ? -1 : 0;
}

static int cudnn_stage_backward(struct stage *stage, float *gradients, struct error *why)
{
    struct plan *plan = stage->state;
    struct cudnn_plan_state *s = plan->state;
    struct cudnn_operation *o = operation_of(stage);
    if (stage->last == s->net->layer_count - 1 && s->logit_gradients &&
        kernel_convert_rows(&s->library, plan->output_gradient, 1, false, s->logit_gradients, 1, true, output_values(plan),
                            why))
        return -1;
    for (int i = stage->last; i >= stage->first; i--)
        if (operation_backward(&s->operations[i], gradients, why))
            return -1;
    if (stage->first > 0)
        return 0;
    if (finish_backward(plan, gradients, why))
        return -1;
    if (!s->image_gradients)
        return 0;
    return kernel_convert_rows(&s->library, s->image_gradients, o->x_channels, true, plan->input_gradient,
                               s->net->input.channels, false, input_rows(plan), why);
}

static void cudnn_stage_free(struct stage *stage)
{
    struct cudnn_operation *o = operation_of(stage);
    for (int i = stage->first; i <= stage->last; i++, o++)
        if (o->kind->free)
            o->kind->free(o);
}

/* ---- memory ---- */

/* Values per image of the largest activation that several layers read; 0 if there is none. */
static size_t addend_values(const struct net *net)
{
    size_t largest = 0;
    for (int i = 0; i < net->layer_count; i++)
        if (net->layers[i].readers > 1 && shape_size(net->layers[i].out) > largest)
            largest = shape_size(net->layers[i].out);
    return largest;
}

/* Bytes per image of what grows with the batch: the input and its gradient; outputs, their gradients, places of pools. */
static double activation_bytes(const struct plan_request *request)
{
    const struct net *net = request->net;
    double element = (double)element_bytes(request->precision), bytes = 2.0 * sizeof(float) * (double)shape_size(net->input);
    for (int i = 0; i < net->layer_count; i++) {
        const struct net_layer *l = &net->layers[i];
        bytes += (double)shape_size(l->out) * (element * (request->training ? 2 : 1) + (l->layer.kind == LAYER_MAX_POOL));
    }
    return bytes + (request->training ? element * (double)addend_values(net) : 0);
}

/* Checks, before much memory is taken, whether the batch fits; if not, says which batch would. Counts the workspace at its
 * limit. */
static int check_memory(const struct plan_request *request, struct error *why)
{
    size_t unused, all;
    struct workspace_need workspace = workspace_need_of(request);
    double fixed = LIBRARIES_BYTES + (double)PARAMETER_BYTES * (double)request->net->parameters, image = activation_bytes(request);
    double needed = fixed + image * request->batch + (double)workspace_limit(request);
    if (CUDA(cudaMemGetInfo(&unused, &all), why))
        return -1;
    if (needed <= (double)unused)
        return 0;
    double left = (double)unused - fixed;
    double fits = floor(fmin((left - (double)workspace.least) / image, left / (image + (double)workspace.image)));
    char advice[64] = "not even one image fits";
    if (fits >= 1)
        snprintf(advice, sizeof advice, "a batch of %.0f would fit", fits);
    return error_set(why, "a batch of %d images needs about %.0f MB of the device's memory, and %.0f MB of its %.0f MB are "
                     "free: %s", request->batch, 1e-6 * needed, 1e-6 * (double)unused, 1e-6 * (double)all, advice);
}

static void *device_batch_new(const struct plan *plan, size_t values, bool half, const char *what, struct error *why)
{
    return device_new((size_t)plan->batch * values * (half ? 2 : sizeof(float)), what, why);
}

/* Channels of the first operation's input. */
static int images_channels(const struct plan_request *request)
{
    int channels = request->net->input.channels;
    bool pads = request->precision == PRECISION_BF16 && request->net->layers[0].layer.kind == LAYER_CONVOLUTION;
    return pads && channels < HALF_CHANNELS ? HALF_CHANNELS : channels;
}

/* In bfloat16, the operations' input and output differ from the plan's, except that a last dense layer's output is always
 * float. */
static int allocate_half_ends(struct plan *plan, const struct plan_request *request, struct error *why)
{
    struct cudnn_plan_state *s = plan->state;
    const struct net *net = request->net;
    size_t in = shape_size(net->input) / (size_t)net->input.channels * (size_t)images_channels(request);
    size_t out = output_values(plan) / (size_t)plan->batch;
    if (request->precision != PRECISION_BF16)
        return 0;
    if (!(s->images = device_batch_new(plan, in, true, "the batch's images in bfloat16", why)) ||
        (plan->input_gradient &&
         !(s->image_gradients = device_batch_new(plan, in, true, "the images' gradients in bfloat16", why))))
        return -1;
    if (net->layers[net->layer_count - 1].layer.kind == LAYER_DENSE)
        return 0;
    if (!(s->logits = device_batch_new(plan, out, true, "the outputs in bfloat16", why)) ||
        (request->training && !(s->logit_gradients = device_batch_new(plan, out, true, "the outputs' gradients in bfloat16", why))))
        return -1;
    return 0;
}

static int allocate_activations(struct plan *plan, const struct plan_request *request, struct error *why)
{
    struct cudnn_plan_state *s = plan->state;
    bool half = request->precision == PRECISION_BF16;
    for (int i = 0; i + 1 < request->net->layer_count; i++) {
        const struct net_layer *l = &request->net->layers[i];
        if (s->operations[i].kind == &cudnn_norm_before_pool_kind)
            continue; /* its output is not kept */
        if (!(s->activations[i] = device_batch_new(plan, shape_size(l->out), half, l->layer.name, why)) ||
            (request->training && !(s->gradients[i] = device_batch_new(plan, shape_size(l->out), half, l->layer.name, why))))
            return -1;
    }
    size_t addend = request->training ? addend_values(request->net) : 0;
    if (addend && !(s->addend = device_batch_new(plan, addend, half, "a gradient that is added to another", why)))
        return -1;
    s->labels = device_new((size_t)plan->batch * sizeof *s->labels, "the labels", why);
    s->tail = s->labels ? cudnn_allocate(PARCEL_SLOTS, "the loss", why) : NULL;
    s->record = s->tail ? device_new(sizeof *s->record, "the penalty", why) : NULL;
    return s->record ? 0 : -1;
}

/* ---- the plan ---- */

static struct slice slice_of(const struct net_layer *l)
{
    const struct tensor *weights = l->weights, *biases = l->biases;
    if (!weights)
        return (struct slice){0};
    uint32_t first = (uint32_t)weights->offset, end = first + (uint32_t)weights->count;
    return (struct slice){.weights = first, .biases = end, .end = biases ? end + (uint32_t)biases->count : end,
                          .decay = weights->decay};
}

static void make_operation(struct plan *plan, const struct plan_request *request, int i)
{
    const struct net_layer *l = &request->net->layers[i];
    struct cudnn_plan_state *s = plan->state;
    bool first = i == 0, last = i == request->net->layer_count - 1, half = request->precision == PRECISION_BF16;
    s->operations[i] = (struct cudnn_operation){
        .kind = kind_of(l->layer.kind),
        .layer = l,
        .library = &s->library,
        .batch = plan->batch,
        .x_channels = first ? images_channels(request) : l->in.channels,
        .x_half = half,
        .y_half = half && !(last && l->layer.kind == LAYER_DENSE),
        .slice = slice_of(l),
    };
}

/* The activation that layer i makes, or the images, as operations read it; and its gradient. */
static void *activation_of(const struct plan *plan, int i)
{
    const struct cudnn_plan_state *s = plan->state;
    return i != NET_INPUT ? s->activations[i] : s->images ? s->images : plan->input;
}

static void *gradient_of(const struct plan *plan, int i)
{
    const struct cudnn_plan_state *s = plan->state;
    return i != NET_INPUT ? s->gradients[i] : s->image_gradients ? s->image_gradients : plan->input_gradient;
}

/* Where a reader of layer i's output leaves the gradient of that output. */
static void wire_gradient(const struct plan *plan, int i, bool adds, void **dx, void **sum)
{
    const struct cudnn_plan_state *s = plan->state;
    void *gradient = gradient_of(plan, i);
    *dx = adds && gradient ? s->addend : gradient;
    *sum = adds ? gradient : NULL;
}

/* Sets the addresses of an operation's inputs, output and gradients. */
static void wire_operation(struct plan *plan, int i)
{
    struct cudnn_plan_state *s = plan->state;
    struct cudnn_operation *o = &s->operations[i];
    const struct net_layer *l = o->layer;
    bool last = i == s->net->layer_count - 1;
    o->y = !last ? s->activations[i] : s->logits ? s->logits : plan->output;
    o->dy = !last ? s->gradients[i] : s->logit_gradients ? s->logit_gradients : plan->output_gradient;
    o->x = activation_of(plan, l->from);
    wire_gradient(plan, l->from, plan_adds_gradient(s->net, i, l->from), &o->dx, &o->dx_sum);
    if (l->layer.kind != LAYER_ADD)
        return;
    o->added = activation_of(plan, l->add);
    wire_gradient(plan, l->add, l->add == l->from || plan_adds_gradient(s->net, i, l->add), &o->dadded, &o->dadded_sum);
}

static void make_operations(struct plan *plan, const struct plan_request *request)
{
    struct cudnn_plan_state *s = plan->state;
    for (int i = 0; i < request->net->layer_count; i++)
        make_operation(plan, request, i);
    if (!request->separate)
        fuse(s->operations, request->net->layer_count);
}

/* The index from which on the gradient is complete after the backward pass of the stage that begins with layer `first`. Slices of
 * convolutions are complete only after the last stage to run, that of layer 0. */
static size_t complete_behind(const struct net *net, int first)
{
    size_t complete = net_trained_from(net, first);
    for (int i = first; first > 0 && i < net->layer_count; i++)
        if (net->layers[i].layer.kind == LAYER_CONVOLUTION)
            complete = net_trained_from(net, i + 1);
    return complete;
}

/* Adds the stage of an operation and of its partner, if it has one. */
static struct stage *stage_add(struct plan *plan, bool training, int first)
{
    struct cudnn_plan_state *s = plan->state;
    const struct cudnn_operation *o = &s->operations[first];
    struct stage *stage = &plan->stages[plan->stage_count++];
    *stage = (struct stage){
        .first = first,
        .last = o->partner ? first + 1 : first,
        .complete = complete_behind(s->net, first),
        .prepare = first == 0 ? cudnn_prepare : NULL,
        .forward = cudnn_stage_forward,
        .backward = training ? cudnn_stage_backward : NULL,
        .free = cudnn_stage_free,
        .state = plan,
    };
    snprintf(stage->name, sizeof stage->name, "%s%s%s", o->layer->layer.name, o->partner ? "+" : "",
             o->partner ? o->partner->layer->layer.name : "");
    return stage;
}

static int make_stages(struct plan *plan, const struct plan_request *request, struct error *why)
{
    struct cudnn_plan_state *s = plan->state;
    int count = request->net->layer_count;
    for (int i = 0; i < count;)
        i = stage_add(plan, request->training, i)->last + 1;
    for (int i = 0; i < count; i++) {
        wire_operation(plan, i);
        if (plan->activations)
            plan->activations[i] = s->operations[i].y;
    }
    for (struct cudnn_operation *o = s->operations; o < s->operations + count; o++)
        if (o->kind->init && o->kind->init(o, why))
            return -1;
    return 0;
}

/* Starts a profiler that waits for this call (ncu --profile-from-start off): engines are chosen, and steps follow. Without a
 * profiler nothing happens; failures are ignored. Not every package of CUDA has the header of this function. */
cudaError_t CUDARTAPI cudaProfilerStart(void);
static void profiler_start(void)
{
    if (cudaProfilerStart() != cudaSuccess)
        cudaGetLastError();
}

/* Takes the workspace, and lets the operations choose. */
static int choose_engines(struct plan *plan, struct error *why)
{
    struct cudnn_plan_state *s = plan->state;
    if (cudnn_library_take_workspace(&s->library, why))
        return -1;
    for (int i = 0; i < plan->stage_count; i++) {
        struct stage *stage = &plan->stages[i];
        struct cudnn_operation *o = operation_of(stage); /* those that choose are the first in their stage */
        if (o->kind->choose && o->kind->choose(o, stage->about, sizeof stage->about, why))
            return error_in(why, "layer %s", stage->name);
    }
    profiler_start();
    return 0;
}

static int tables_new(struct cudnn_plan_state *s, struct error *why)
{
    size_t layers = (size_t)s->net->layer_count;
    s->operations = memory_new(layers, sizeof *s->operations, "the plan", why);
    s->activations = memory_new(layers, sizeof *s->activations, "the plan", why);
    s->gradients = memory_new(layers, sizeof *s->gradients, "the plan", why);
    return s->operations && s->activations && s->gradients ? 0 : -1;
}

static void tables_free(struct cudnn_plan_state *s)
{
    for (int i = 0; s->activations && s->gradients && i < s->net->layer_count; i++) {
        device_free(s->activations[i]);
        device_free(s->gradients[i]);
    }
    free(s->operations);
    free(s->activations);
    free(s->gradients);
}

static int fill_plan(struct plan *plan, const struct plan_request *request, struct error *why)
{
    struct cudnn_plan_state *s = plan->state = memory_new(1, sizeof *s, "the plan", why);
    if (!s)
        return -1;
    s->net = request->net;
    if (tables_new(s, why))
        return -1;
    make_operations(plan, request);
    if (check_memory(request, why) || cudnn_library_open(&s->library, request, why) ||
        plan_allocate_ends(plan, request, cudnn_allocate, why) || allocate_half_ends(plan, request, why) ||
        allocate_activations(plan, request, why) || make_stages(plan, request, why) || choose_engines(plan, why))
        return -1;
    if (!request->training)
        return 0;
    return loss_init(plan, why) || finish_init(plan, why) || steps_init(plan, why) || exchange_init(plan, why);
}

int cudnn_supports(const struct layer *l, struct error *why)
{
    if (!kind_of(l->kind))
        return error_set(why, "layers of kind %d are not supported", (int)l->kind);
    if (l->kind == LAYER_MAX_POOL && l->kernel > POOL_KERNEL_MAX)
        return error_set(why, "pools of more than %dx%d are not supported", POOL_KERNEL_MAX, POOL_KERNEL_MAX);
    return 0;
}

int cudnn_plan(struct plan *plan, const struct plan_request *request, struct error *why)
{
    static const struct backend limits = {.name = "cudnn", .supports = cudnn_supports, .layers_max = SLICES_MAX};
    if (!plan_begin(plan, request, &limits, why) && !fill_plan(plan, request, why))
        return 0;
    cudnn_plan_free(plan);
    return -1;
}

void cudnn_plan_free(struct plan *plan)
{
    struct cudnn_plan_state *s = plan->state;
    if (!s) {
        plan_end(plan);
        return;
    }
    cudaDeviceSynchronize(); /* the work under way still uses the memory */
    graphs_free(plan); /* before NCCL's communicator, whose end waits for graphs that use it */
    nccl_free(plan);
    exchange_free(plan);
    marks_free(plan);
    steps_free(plan);
    for (int i = 0; i < plan->stage_count; i++)
        plan->stages[i].free(&plan->stages[i]);
    tables_free(s);
    void *const others[] = {plan->input, plan->output, plan->output_gradient, plan->input_gradient, s->images,
                            s->image_gradients, s->addend, s->logits, s->logit_gradients, s->labels, s->loss.images,
                            s->tail, s->record, s->faults};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        device_free(others[i]);
    cudnn_library_close(&s->library);
    free(s);
    plan_end(plan);
}
