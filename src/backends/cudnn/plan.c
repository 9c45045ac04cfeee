#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parcel.h"
#include "../module.h"
#include "plan.h"

static const struct operation_kind *const kinds[] = {
    [LAYER_CONVOLUTION] = &cudnn_convolution,
    [LAYER_MAX_POOL] = &cudnn_max_pool,
    [LAYER_LRN] = &cudnn_norm,
    [LAYER_DENSE] = &cudnn_dense,
};

/* bfloat16 convolutions on tensor cores want 8 channels at least. */
enum { HALF_CHANNELS = 8 };

/* ---- between float ends and what the operations want ---- */

static size_t input_rows(const struct plan *plan)
{
    const struct plan_state *s = plan->state;
    return (size_t)plan->batch * (size_t)s->net->input.height * (size_t)s->net->input.width;
}

static size_t output_values(const struct plan *plan)
{
    const struct plan_state *s = plan->state;
    return (size_t)plan->batch * shape_size(s->net->layers[s->net->layer_count - 1].out);
}

/* ---- stages ---- */

/* A stage knows its plan, and which layer it is. */
static struct operation *operation_of(const struct stage *stage)
{
    const struct plan *plan = stage->state;
    struct plan_state *s = plan->state;
    return &s->operations[stage->first];
}

/* The first stage's, for all of them. */
static int prepare(struct stage *stage, const float *parameters, struct error *why)
{
    const struct plan *plan = stage->state;
    struct plan_state *s = plan->state;
    bool ready = s->copies_ready;
    s->copies_ready = false;
    for (int i = 0; i < s->net->layer_count; i++)
        s->operations[i].parameters = parameters;
    return ready ? 0 : update_copies(plan, parameters, why);
}

static int stage_forward(struct stage *stage, float *gradients, struct error *why)
{
    (void)gradients;
    struct plan *plan = stage->state;
    struct plan_state *s = plan->state;
    struct operation *o = operation_of(stage);
    bool ready = s->images_ready;
    if (stage->first == 0)
        s->images_ready = false;
    if (stage->first == 0 && s->images && !ready &&
        kernel_convert_rows(&s->library, plan->input, s->net->input.channels, false, s->images, o->x_channels, true,
                            input_rows(plan), why))
        return -1;
    for (int i = stage->first; i <= stage->last; i++, o++)
        if (o->kind->forward && o->kind->forward(o, why))
            return -1;
    if (stage->last < s->net->layer_count - 1 || !s->logits)
        return 0;
    return kernel_convert_rows(&s->library, s->logits, 1, true, plan->output, 1, false, output_values(plan), why);
}

static int stage_backward(struct stage *stage, float *gradients, struct error *why)
{
    struct plan *plan = stage->state;
    struct plan_state *s = plan->state;
    struct operation *o = operation_of(stage);
    if (stage->last == s->net->layer_count - 1 && s->logit_gradients &&
        kernel_convert_rows(&s->library, plan->output_gradient, 1, false, s->logit_gradients, 1, true, output_values(plan),
                            why))
        return -1;
    for (int i = stage->last; i >= stage->first; i--)
        if (s->operations[i].kind->backward && s->operations[i].kind->backward(&s->operations[i], gradients, why))
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

static void stage_free(struct stage *stage)
{
    struct operation *o = operation_of(stage);
    for (int i = stage->first; i <= stage->last; i++, o++)
        if (o->kind->free)
            o->kind->free(o);
}

/* ---- memory ---- */

/* Bytes an image, of what grows with the batch. */
static double image_bytes(const struct plan_request *request)
{
    const struct net *net = request->net;
    double element = (double)element_bytes(request->precision), bytes = 8.0 * (double)shape_size(net->input);
    for (int i = 0; i < net->layer_count; i++) {
        const struct net_layer *l = &net->layers[i];
        bytes += (double)shape_size(l->out) * (element * (request->training ? 2 : 1) + (l->layer.kind == LAYER_MAX_POOL));
    }
    return bytes;
}

/* Before much is taken: whether the batch fits, and which would. The workspace is counted as large as it may become. */
static int check_memory(const struct plan_request *request, struct error *why)
{
    size_t unused, all;
    struct workspace_need workspace = workspace_need(request);
    double fixed = 62e6 + 16.0 * (double)request->net->parameters, image = image_bytes(request);
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

static void *batch_new(const struct plan *plan, size_t values, bool half, const char *what, struct error *why)
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

/* In bfloat16 the operations' ends differ from the plan's; but a dense layer's output is float in any case. */
static int allocate_half_ends(struct plan *plan, const struct plan_request *request, struct error *why)
{
    struct plan_state *s = plan->state;
    const struct net *net = request->net;
    size_t in = shape_size(net->input) / (size_t)net->input.channels * (size_t)images_channels(request);
    size_t out = output_values(plan) / (size_t)plan->batch;
    if (request->precision != PRECISION_BF16)
        return 0;
    if (!(s->images = batch_new(plan, in, true, "the batch's images in bfloat16", why)) ||
        (plan->input_gradient && !(s->image_gradients = batch_new(plan, in, true, "the images' gradients in bfloat16", why))))
        return -1;
    if (net->layers[net->layer_count - 1].layer.kind == LAYER_DENSE)
        return 0;
    if (!(s->logits = batch_new(plan, out, true, "the outputs in bfloat16", why)) ||
        (request->training && !(s->logit_gradients = batch_new(plan, out, true, "the outputs' gradients in bfloat16", why))))
        return -1;
    return 0;
}

static int allocate_between(struct plan *plan, const struct plan_request *request, struct error *why)
{
    struct plan_state *s = plan->state;
    bool half = request->precision == PRECISION_BF16;
    for (int i = 0; i + 1 < request->net->layer_count; i++) {
        const struct net_layer *l = &request->net->layers[i];
        if (s->operations[i].kind == &cudnn_norm_before_pool)
            continue; /* its output is not kept */
        if (!(s->activations[i] = batch_new(plan, shape_size(l->out), half, l->layer.name, why)) ||
            (request->training && !(s->gradients[i] = batch_new(plan, shape_size(l->out), half, l->layer.name, why))))
            return -1;
    }
    s->labels = device_new((size_t)plan->batch * sizeof *s->labels, "the labels", why);
    s->tail = s->labels ? cudnn_allocate(PARCEL_SLOTS, "the loss", why) : NULL;
    s->record = s->tail ? device_new(sizeof *s->record, "the penalty", why) : NULL;
    return s->record ? 0 : -1;
}

/* ---- the plan ---- */

static void make_operation(struct plan *plan, const struct plan_request *request, int i)
{
    const struct net_layer *l = &request->net->layers[i];
    struct plan_state *s = plan->state;
    bool first = i == 0, last = i == request->net->layer_count - 1, half = request->precision == PRECISION_BF16;
    s->operations[i] = (struct operation){
        .kind = kinds[l->layer.kind],
        .layer = l,
        .library = &s->library,
        .batch = plan->batch,
        .x_channels = first ? images_channels(request) : l->in.channels,
        .x_half = half,
        .y_half = half && !(last && l->layer.kind == LAYER_DENSE),
    };
    if (l->weights)
        s->operations[i].slice = (struct slice){
            .weights = (uint32_t)l->weights->offset, .biases = (uint32_t)l->biases->offset,
            .end = (uint32_t)(l->biases->offset + l->biases->count), .decay = l->weights->decay};
}

/* Where its ends lie. */
static void place_operation(struct plan *plan, int i)
{
    struct plan_state *s = plan->state;
    struct operation *o = &s->operations[i];
    bool first = i == 0, last = i == s->net->layer_count - 1;
    o->x = !first ? s->activations[i - 1] : s->images ? s->images : plan->input;
    o->y = !last ? s->activations[i] : s->logits ? s->logits : plan->output;
    o->dx = !first ? s->gradients[i - 1] : s->image_gradients ? s->image_gradients : plan->input_gradient;
    o->dy = !last ? s->gradients[i] : s->logit_gradients ? s->logit_gradients : plan->output_gradient;
}

static void make_operations(struct plan *plan, const struct plan_request *request)
{
    struct plan_state *s = plan->state;
    for (int i = 0; i < request->net->layer_count; i++)
        make_operation(plan, request, i);
    fuse(s->operations, request->net->layer_count);
}

/* From where on the gradient is complete behind the backward pass of the stage that begins with layer `first`: convolutions'
 * slices are complete with the last stage's. */
static size_t complete_behind(const struct net *net, int first)
{
    size_t complete = net_trained_from(net, first);
    for (int i = first; first > 0 && i < net->layer_count; i++)
        if (net->layers[i].layer.kind == LAYER_CONVOLUTION)
            complete = net_trained_from(net, i + 1);
    return complete;
}

/* Of the operation and the one that shares its stage. */
static struct stage *stage_add(struct plan *plan, bool training, int first)
{
    struct plan_state *s = plan->state;
    const struct operation *o = &s->operations[first];
    struct stage *stage = &plan->stages[plan->stage_count++];
    *stage = (struct stage){
        .first = first,
        .last = o->partner ? first + 1 : first,
        .complete = complete_behind(s->net, first),
        .prepare = first == 0 ? prepare : NULL,
        .forward = stage_forward,
        .backward = training ? stage_backward : NULL,
        .free = stage_free,
        .state = plan,
    };
    snprintf(stage->name, sizeof stage->name, "%s%s%s", o->layer->layer.name, o->partner ? "+" : "",
             o->partner ? o->partner->layer->layer.name : "");
    return stage;
}

static int make_stages(struct plan *plan, const struct plan_request *request, struct error *why)
{
    struct plan_state *s = plan->state;
    int count = request->net->layer_count;
    for (int i = 0; i < count;)
        i = stage_add(plan, request->training, i)->last + 1;
    for (int i = 0; i < count; i++)
        place_operation(plan, i);
    for (struct operation *o = s->operations; o < s->operations + count; o++)
        if (o->kind->init && o->kind->init(o, why))
            return -1;
    return 0;
}

/* A profiler that waits for a sign begins here (ncu --profile-from-start off): engines are chosen, and steps follow. Without a
 * profiler nothing happens; a failure matters to nobody. The header of this function is not in every package of CUDA. */
cudaError_t CUDARTAPI cudaProfilerStart(void);
static void profiler_start(void)
{
    if (cudaProfilerStart() != cudaSuccess)
        cudaGetLastError();
}

/* What depends on the workspace. */
static int choose(struct plan *plan, struct error *why)
{
    struct plan_state *s = plan->state;
    if (library_take_workspace(&s->library, why))
        return -1;
    for (int i = 0; i < plan->stage_count; i++) {
        struct stage *stage = &plan->stages[i];
        struct operation *o = operation_of(stage); /* those that choose are alone in their stage */
        if (o->kind->choose && o->kind->choose(o, stage->about, sizeof stage->about, why))
            return error_in(why, "layer %s", stage->name);
    }
    profiler_start();
    return 0;
}

static int make_plan(struct plan *plan, const struct plan_request *request, struct error *why)
{
    struct plan_state *s = plan->state = memory_new(1, sizeof *s, "the plan", why);
    if (!s)
        return -1;
    s->net = request->net;
    make_operations(plan, request);
    if (check_memory(request, why) || library_open(&s->library, request, why) ||
        plan_allocate_ends(plan, request, cudnn_allocate, why) || allocate_half_ends(plan, request, why) ||
        allocate_between(plan, request, why) || make_stages(plan, request, why) || choose(plan, why))
        return -1;
    if (!request->training)
        return 0;
    return loss_init(plan, why) || finish_init(plan, why) || steps_init(plan, why) || exchange_init(plan, why);
}

int cudnn_supports(const struct layer *l, struct error *why)
{
    if (l->kind == LAYER_ADD || l->kind == LAYER_BATCH_NORM)
        return error_set(why, "the cudnn backend knows neither sums of layers nor batch norm yet");
    if (l->from || l->padding != PADDING_SAME || l->no_bias || l->frozen)
        return error_set(why, "the cudnn backend knows neither branches nor VALID padding, layers without bias or frozen ones yet");
    return 0;
}

int cudnn_plan(struct plan *plan, const struct plan_request *request, struct error *why)
{
    if (!plan_begin(plan, request, &cifar10_module.backend, why) && !make_plan(plan, request, why))
        return 0;
    cudnn_plan_free(plan);
    return -1;
}

void cudnn_plan_free(struct plan *plan)
{
    struct plan_state *s = plan->state;
    if (!s) {
        plan_end(plan);
        return;
    }
    cudaDeviceSynchronize(); /* what is under way still uses the memory */
    graphs_free(plan); /* those that hold NCCL's communicator first: its end waits for theirs */
    nccl_free(plan);
    exchange_free(plan);
    steps_free(plan);
    for (int i = 0; i < plan->stage_count; i++)
        plan->stages[i].free(&plan->stages[i]);
    for (int i = 0; i < NET_LAYERS_MAX; i++) {
        device_free(s->activations[i]);
        device_free(s->gradients[i]);
    }
    void *const others[] = {plan->input, plan->output, plan->output_gradient, plan->input_gradient, s->images,
                            s->image_gradients, s->logits, s->logit_gradients, s->labels, s->loss.images, s->tail, s->record,
                            s->faults};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        device_free(others[i]);
    library_close(&s->library);
    free(s);
    plan_end(plan);
}
