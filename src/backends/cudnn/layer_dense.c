/* Dense layers by cublasLt, which also adds the bias, applies the ReLU, masks the gradient behind the ReLU of the dense layer
 * before, and sums the bias's gradient, as far as it offers that. What it does not offer, kernels of our own do. */
#include <stdio.h>
#include <stdlib.h>

#include "operations.h"
#include "product.h"

struct own {
    struct product forward, weights, input;
    void *mask;    /* where y is above 0, for the dense layer behind; NULL: it does not ask */
    void *masked;  /* (batch, out): dy behind the ReLU, in the type of x; NULL: dy itself holds it */
    float *sums;   /* of the biases' gradients, in parts; NULL: no kernel of our own makes them */
};

/* The layer of few outputs behind it adds the bias, applies the ReLU, and goes back through both. */
static bool is_finished_behind(const struct operation *o)
{
    return o->partner;
}

static int inputs_of(const struct operation *o)
{
    return (int)shape_size(o->layer->in);
}

static int outputs_of(const struct operation *o)
{
    return (int)o->layer->biases->count;
}

/* ---- where things lie ---- */

/* Without parameters: an address that is aligned as theirs will be. */
static const float *flat(const float *buffer, size_t offset)
{
    return buffer ? buffer + offset : (const float *)(uintptr_t)(DEVICE_ALIGNMENT + offset * sizeof *buffer);
}

static const void *weights_of(const struct operation *o)
{
    return o->slice.filter ? o->slice.filter : flat(o->parameters, o->layer->weights->offset);
}

static struct product_memory forward_memory(const struct operation *o)
{
    const struct own *own = o->own;
    const void *bias = o->slice.bias ? o->slice.bias : flat(o->parameters, o->layer->biases->offset);
    return (struct product_memory){.a = weights_of(o), .b = o->x, .d = o->y, .bias = (void *)(uintptr_t)bias, .mask = own->mask};
}

static struct product_memory weights_memory(const struct operation *o, const float *gradients)
{
    const struct own *own = o->own;
    return (struct product_memory){.a = own->masked ? own->masked : o->dy, .b = o->x,
                                   .d = (void *)(uintptr_t)flat(gradients, o->layer->weights->offset),
                                   .bias = (void *)(uintptr_t)flat(gradients, o->layer->biases->offset)};
}

static struct product_memory input_memory(const struct operation *o)
{
    const struct own *own = o->own, *before = o->before ? o->before->own : NULL;
    return (struct product_memory){.a = weights_of(o), .b = own->masked ? own->masked : o->dy, .d = o->dx,
                                   .mask = before ? before->mask : NULL};
}

/* ---- the products, with as much in their epilogues as cublasLt offers ---- */

static struct product_request forward_request(const struct operation *o)
{
    const struct own *own = o->own;
    struct product_request r = {.a = CUBLAS_OP_N, .b = CUBLAS_OP_N, .m = outputs_of(o), .n = o->batch, .k = inputs_of(o),
                                .half = o->x_half, .d_half = o->y_half, .memory = forward_memory(o)};
    int count = 0;
    if (own->mask)
        r.epilogues[count++] = CUBLASLT_EPILOGUE_RELU_AUX_BIAS;
    if (!is_finished_behind(o))
        r.epilogues[count++] =
            o->layer->layer.activation == ACTIVATION_RELU ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS;
    r.epilogues[count] = CUBLASLT_EPILOGUE_DEFAULT;
    return r;
}

static int forward_init(struct operation *o, struct error *why)
{
    struct own *own = o->own;
    bool masks = o->dy && o->masked && o->layer->layer.activation == ACTIVATION_RELU && !is_finished_behind(o);
    size_t bytes = (size_t)product_mask_rows(outputs_of(o)) / 8 * (size_t)o->batch;
    if (masks && !(own->mask = device_new(bytes, "a dense layer's mask", why)))
        return -1;
    struct product_request request = forward_request(o);
    if (product_init(&own->forward, o->library, &request, why))
        return -1;
    if (masks && own->forward.epilogue != CUBLASLT_EPILOGUE_RELU_AUX_BIAS)
        o->masked = false;
    return 0;
}

static int input_init(struct operation *o, struct error *why)
{
    struct own *own = o->own;
    struct product_request request = {.a = CUBLAS_OP_T, .b = CUBLAS_OP_N, .m = inputs_of(o), .n = o->batch, .k = outputs_of(o),
                                      .half = o->x_half, .d_half = o->x_half, .memory = input_memory(o)};
    bool masks = request.memory.mask && o->before->masked;
    if (masks)
        request.epilogues[0] = CUBLASLT_EPILOGUE_DRELU;
    request.epilogues[masks] = CUBLASLT_EPILOGUE_DEFAULT;
    if (product_init(&own->input, o->library, &request, why))
        return -1;
    if (masks && own->input.epilogue != CUBLASLT_EPILOGUE_DRELU)
        o->before->masked = false;
    return 0;
}

/* Whether dy is masked or converted here, by a kernel that sums the bias's gradient at the same time. */
static bool needs_kernel(const struct operation *o)
{
    return (o->layer->layer.activation == ACTIVATION_RELU && !o->masked) || o->x_half != o->y_half;
}

static int weights_init(struct operation *o, struct error *why)
{
    struct own *own = o->own;
    struct product_request request = {.a = CUBLAS_OP_N, .b = CUBLAS_OP_T, .m = outputs_of(o), .n = inputs_of(o), .k = o->batch,
                                      .half = o->x_half, .memory = weights_memory(o, NULL)};
    bool sums = !is_finished_behind(o) && !needs_kernel(o);
    if (sums)
        request.epilogues[0] = CUBLASLT_EPILOGUE_BGRADA;
    request.epilogues[sums] = CUBLASLT_EPILOGUE_DEFAULT;
    if (product_init(&own->weights, o->library, &request, why))
        return -1;
    if (is_finished_behind(o) || own->weights.epilogue == CUBLASLT_EPILOGUE_BGRADA)
        return 0;
    size_t count = (size_t)bias_parts((size_t)o->batch) * o->layer->biases->count;
    own->sums = device_new(count * sizeof(float), "the sums of a bias", why);
    return own->sums ? 0 : -1;
}

/* ---- the plan ---- */

static int dense_init(struct operation *o, struct error *why)
{
    const struct net_layer *l = o->layer;
    struct own *own = o->own = memory_new(1, sizeof *own, "a dense layer", why);
    if (!own)
        return -1;
    o->slice.half = o->x_half;
    if (o->x_half && !(o->slice.filter = device_new(2 * l->weights->count, "a dense layer's weights in bfloat16", why)))
        return -1;
    if (o->y_half && !is_finished_behind(o) && !(o->slice.bias = device_new(2 * l->biases->count, "a bias in bfloat16", why)))
        return -1;
    if (o->dy && o->x_half != o->y_half &&
        !(own->masked = device_new(2 * (size_t)o->batch * l->biases->count, "a dense layer's gradients in bfloat16", why)))
        return -1;
    return forward_init(o, why) || (o->dx && input_init(o, why)) ? -1 : 0;
}

static const char *epilogue_text(cublasLtEpilogue_t epilogue)
{
    switch ((int)epilogue) {
    case CUBLASLT_EPILOGUE_BIAS: return " with bias";
    case CUBLASLT_EPILOGUE_RELU_BIAS: return " with bias and ReLU";
    case CUBLASLT_EPILOGUE_RELU_AUX_BIAS: return " with bias, ReLU and its mask";
    case CUBLASLT_EPILOGUE_DRELU: return " with the mask";
    case CUBLASLT_EPILOGUE_BGRADA: return " with the bias's gradient";
    default: return "";
    }
}

/* Whether the dense layer behind wants its gradient masked is known by now: all are initialised. */
static int dense_choose(struct operation *o, char *about, size_t size, struct error *why)
{
    const struct own *own = o->own;
    if (o->dy && weights_init(o, why))
        return -1;
    bool added = is_finished_behind(o) || own->forward.epilogue != CUBLASLT_EPILOGUE_DEFAULT;
    int length = snprintf(about, size, "forward%s%s", epilogue_text(own->forward.epilogue), added ? "" : ", bias by a kernel");
    if (!o->dy || length < 0 || (size_t)length >= size)
        return 0;
    snprintf(about + length, size - (size_t)length, "; weights%s%s%s%s", epilogue_text(own->weights.epilogue),
             own->sums ? ", bias by a kernel" : "", o->dx ? "; input" : "", o->dx ? epilogue_text(own->input.epilogue) : "");
    return 0;
}

static int dense_forward(struct operation *o, struct error *why)
{
    const struct own *own = o->own;
    const struct net_layer *l = o->layer;
    struct product_memory memory = forward_memory(o);
    struct bias_relu_arguments bias = {
        .y = o->y, .bias = o->parameters + l->biases->offset, .rows = (size_t)o->batch, .channels = outputs_of(o),
        .relu = l->layer.activation == ACTIVATION_RELU, .half = o->y_half,
    };
    size_t blocks = kernel_blocks(KERNEL_bias_relu, bias.rows * l->biases->count);
    if (product_run(&own->forward, o->library->stream, &memory, why))
        return -1;
    if (is_finished_behind(o) || own->forward.epilogue != CUBLASLT_EPILOGUE_DEFAULT)
        return 0;
    return kernel_launch(o->library, KERNEL_bias_relu, blocks, &bias, why);
}

/* The biases' gradients, and dy masked: of one part the sums are there already. */
static int sum_biases(struct operation *o, float *gradients, struct error *why)
{
    const struct own *own = o->own;
    const struct net_layer *l = o->layer;
    bool at_once = bias_parts((size_t)o->batch) == 1;
    void *masked = own->masked ? own->masked : o->dy;
    if (bias_mask(o, (size_t)o->batch, masked, o->x_half, at_once ? gradients + l->biases->offset : own->sums, why))
        return -1;
    if (at_once)
        return 0;
    return finish_biases(o->library, own->sums, bias_parts((size_t)o->batch), outputs_of(o), gradients + l->biases->offset, why);
}

/* The gradients of the weights are made beside the way back: nothing there waits for them, or writes what they read. */
static int dense_backward(struct operation *o, float *gradients, struct error *why)
{
    const struct own *own = o->own;
    struct product_memory weights = weights_memory(o, gradients), input = input_memory(o);
    if ((own->sums && sum_biases(o, gradients, why)) || library_fork(o->library, why) ||
        product_run(&own->weights, o->library->beside, &weights, why))
        return -1;
    return o->dx ? product_run(&own->input, o->library->stream, &input, why) : 0;
}

static void dense_free(struct operation *o)
{
    struct own *own = o->own;
    if (own) {
        product_free(&own->forward);
        product_free(&own->weights);
        product_free(&own->input);
        device_free(own->mask);
        device_free(own->masked);
        device_free(own->sums);
    }
    free(own);
    device_free(o->slice.filter);
    device_free(o->slice.bias);
}

const struct operation_kind cudnn_dense = {
    .init = dense_init, .choose = dense_choose, .forward = dense_forward, .backward = dense_backward, .free = dense_free,
};
