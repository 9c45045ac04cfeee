/* Dense layers by cublasLt. If it offers to, it also adds the bias, applies the ReLU, masks the gradient by the ReLU of the
 * previous dense layer, and sums the bias's gradient; otherwise our own kernels do. */
#include <stdio.h>
#include <stdlib.h>

#include "operations.h"
#include "product.h"

struct own {
    struct cudnn_product forward, weights, input;
    void *mask;    /* where y is above 0, for the next dense layer; NULL: not needed */
    void *masked;  /* (batch, out): dy masked by the ReLU, in the type of x; NULL: dy itself is masked */
    float *sums;   /* the parts of the biases' gradients; NULL: none of our kernels makes them */
};

/* Whether the next layer, one of few outputs, adds the bias and applies the ReLU, forward and backward. */
static bool is_finished_behind(const struct cudnn_operation *o)
{
    return o->partner;
}

static int inputs_of(const struct cudnn_operation *o)
{
    return (int)shape_size(o->layer->in);
}

static int outputs_of(const struct cudnn_operation *o)
{
    return o->layer->out.channels;
}

/* ---- addresses ---- */

/* Without a buffer: an address with the alignment that the real one will have. */
static const float *flat(const float *buffer, size_t offset)
{
    return buffer ? buffer + offset : (const float *)(uintptr_t)(DEVICE_ALIGNMENT + offset * sizeof *buffer);
}

static const void *weights_of(const struct cudnn_operation *o)
{
    return o->slice.filter ? o->slice.filter : flat(o->parameters, o->layer->weights->offset);
}

static struct product_memory forward_memory(const struct cudnn_operation *o)
{
    const struct own *own = o->own;
    const void *bias = o->slice.bias || !has_bias(o->layer) ? o->slice.bias : flat(o->parameters, o->layer->biases->offset);
    return (struct product_memory){.a = weights_of(o), .b = o->x, .d = o->y, .bias = (void *)(uintptr_t)bias, .mask = own->mask};
}

static struct product_memory weights_memory(const struct cudnn_operation *o, const float *gradients)
{
    const struct own *own = o->own;
    const float *dbias = has_bias(o->layer) ? flat(gradients, o->layer->biases->offset) : NULL;
    return (struct product_memory){.a = own->masked ? own->masked : o->dy, .b = o->x,
                                   .d = (void *)(uintptr_t)flat(gradients, o->layer->weights->offset),
                                   .bias = (void *)(uintptr_t)dbias};
}

static struct product_memory input_memory(const struct cudnn_operation *o)
{
    const struct own *own = o->own, *before = o->before ? o->before->own : NULL;
    return (struct product_memory){.a = weights_of(o), .b = own->masked ? own->masked : o->dy, .d = o->dx,
                                   .mask = before ? before->mask : NULL};
}

/* ---- the products, with as much in their epilogues as cublasLt offers ---- */

static struct product_request forward_request(const struct cudnn_operation *o)
{
    const struct own *own = o->own;
    struct product_request r = {.a = CUBLAS_OP_N, .b = CUBLAS_OP_N, .m = outputs_of(o), .n = o->batch, .k = inputs_of(o),
                                .half = o->x_half, .d_half = o->y_half, .memory = forward_memory(o)};
    int count = 0;
    if (own->mask)
        r.epilogues[count++] = CUBLASLT_EPILOGUE_RELU_AUX_BIAS;
    if (!is_finished_behind(o) && has_bias(o->layer))
        r.epilogues[count++] = has_relu(o->layer) ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS;
    r.epilogues[count] = CUBLASLT_EPILOGUE_DEFAULT;
    return r;
}

static int forward_init(struct cudnn_operation *o, struct error *why)
{
    struct own *own = o->own;
    bool masks = o->dy && o->masked && has_relu(o->layer) && has_bias(o->layer) && !is_finished_behind(o);
    size_t bytes = (size_t)product_mask_rows(outputs_of(o)) / 8 * (size_t)o->batch;
    if (masks && !(own->mask = device_new(bytes, "a dense layer's mask", why)))
        return -1;
    struct product_request request = forward_request(o);
    if (cudnn_product_init(&own->forward, o->library, &request, why))
        return -1;
    if (has_relu(o->layer) && !is_finished_behind(o) && own->forward.epilogue != CUBLASLT_EPILOGUE_RELU_AUX_BIAS)
        o->masked = false;
    return 0;
}

static int input_init(struct cudnn_operation *o, struct error *why)
{
    struct own *own = o->own;
    struct product_request request = {.a = CUBLAS_OP_T, .b = CUBLAS_OP_N, .m = inputs_of(o), .n = o->batch, .k = outputs_of(o),
                                      .half = o->x_half, .d_half = o->x_half, .memory = input_memory(o)};
    bool masks = request.memory.mask && o->before->masked;
    if (masks)
        request.epilogues[0] = CUBLASLT_EPILOGUE_DRELU;
    request.epilogues[masks] = CUBLASLT_EPILOGUE_DEFAULT;
    if (cudnn_product_init(&own->input, o->library, &request, why))
        return -1;
    if (masks && own->input.epilogue != CUBLASLT_EPILOGUE_DRELU)
        o->before->masked = false;
    return 0;
}

/* Whether a kernel here masks or converts dy, and sums the bias's gradient at the same time. */
static bool needs_kernel(const struct cudnn_operation *o)
{
    return (has_relu(o->layer) && !o->masked) || o->x_half != o->y_half;
}

static int weights_init(struct cudnn_operation *o, struct error *why)
{
    struct own *own = o->own;
    struct product_request request = {.a = CUBLAS_OP_N, .b = CUBLAS_OP_T, .m = outputs_of(o), .n = inputs_of(o), .k = o->batch,
                                      .half = o->x_half, .memory = weights_memory(o, NULL)};
    bool biased = has_bias(o->layer) && !is_finished_behind(o), sums = biased && !needs_kernel(o);
    if (sums)
        request.epilogues[0] = CUBLASLT_EPILOGUE_BGRADA;
    request.epilogues[sums] = CUBLASLT_EPILOGUE_DEFAULT;
    if (cudnn_product_init(&own->weights, o->library, &request, why))
        return -1;
    if (!biased || own->weights.epilogue == CUBLASLT_EPILOGUE_BGRADA)
        return 0;
    size_t count = (size_t)bias_parts((size_t)o->batch) * (size_t)outputs_of(o);
    own->sums = device_new(count * sizeof(float), "the sums of a bias", why);
    return own->sums ? 0 : -1;
}

/* ---- the plan ---- */

static int cudnn_dense_init(struct cudnn_operation *o, struct error *why)
{
    const struct net_layer *l = o->layer;
    struct own *own = o->own = memory_new(1, sizeof *own, "a dense layer", why);
    if (!own)
        return -1;
    o->slice.half = o->x_half;
    if (o->x_half && !(o->slice.filter = device_new(2 * l->weights->count, "a dense layer's weights in bfloat16", why)))
        return -1;
    if (o->y_half && has_bias(l) && !is_finished_behind(o) &&
        !(o->slice.bias = device_new(2 * l->biases->count, "a bias in bfloat16", why)))
        return -1;
    if (o->dy && o->x_half != o->y_half &&
        !(own->masked = device_new(2 * (size_t)o->batch * (size_t)outputs_of(o), "a dense layer's gradients in bfloat16", why)))
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

/* Whether one of our kernels adds the bias and applies the ReLU. */
static bool finishes_itself(const struct cudnn_operation *o)
{
    const struct own *own = o->own;
    bool wanted = (has_bias(o->layer) || has_relu(o->layer)) && !is_finished_behind(o);
    return wanted && own->forward.epilogue == CUBLASLT_EPILOGUE_DEFAULT;
}

/* All layers are initialised by now, so it is known which of them masks dy. */
static int dense_choose(struct cudnn_operation *o, char *about, size_t size, struct error *why)
{
    const struct own *own = o->own;
    if (o->dy && is_trained(o->layer) && weights_init(o, why))
        return -1;
    bool added = !finishes_itself(o);
    int length = snprintf(about, size, "forward%s%s", epilogue_text(own->forward.epilogue), added ? "" : ", bias by a kernel");
    if (!o->dy || length < 0 || (size_t)length >= size)
        return 0;
    snprintf(about + length, size - (size_t)length, "; weights%s%s%s%s", epilogue_text(own->weights.epilogue),
             own->sums ? ", bias by a kernel" : "", o->dx ? "; input" : "", o->dx ? epilogue_text(own->input.epilogue) : "");
    return 0;
}

static int cudnn_dense_forward(struct cudnn_operation *o, struct error *why)
{
    const struct own *own = o->own;
    const struct net_layer *l = o->layer;
    struct product_memory memory = forward_memory(o);
    struct bias_relu_arguments bias = {
        .y = o->y, .bias = has_bias(l) ? o->parameters + l->biases->offset : NULL, .rows = (size_t)o->batch,
        .channels = outputs_of(o), .relu = has_relu(l), .half = o->y_half,
    };
    size_t blocks = kernel_blocks(KERNEL_bias_relu, bias.rows * (size_t)outputs_of(o));
    if (cudnn_product_run(&own->forward, o->library->stream, &memory, why))
        return -1;
    if (!finishes_itself(o))
        return 0;
    return kernel_launch(o->library, KERNEL_bias_relu, blocks, &bias, why);
}

/* Masks dy, and sums the biases' gradients if that is done here; with one part, its sums already are the gradients. */
static int mask_and_sum(struct cudnn_operation *o, float *gradients, struct error *why)
{
    const struct own *own = o->own;
    const struct net_layer *l = o->layer;
    bool at_once = own->sums && bias_parts((size_t)o->batch) == 1;
    void *masked = own->masked ? own->masked : o->dy;
    if (bias_mask(o, (size_t)o->batch, masked, o->x_half, at_once ? gradients + l->biases->offset : own->sums, why))
        return -1;
    if (at_once || !own->sums)
        return 0;
    return finish_biases(o->library, own->sums, bias_parts((size_t)o->batch), outputs_of(o), gradients + l->biases->offset, why);
}

/* The weights' gradients are computed on the second stream: the rest of the backward pass neither waits for them nor writes what
 * they read. */
static int cudnn_dense_backward(struct cudnn_operation *o, float *gradients, struct error *why)
{
    const struct own *own = o->own;
    struct product_memory weights = weights_memory(o, gradients), input = input_memory(o);
    if ((own->sums || needs_kernel(o)) && mask_and_sum(o, gradients, why))
        return -1;
    if (is_trained(o->layer) && (cudnn_library_fork(o->library, why) ||
                                 cudnn_product_run(&own->weights, o->library->beside, &weights, why)))
        return -1;
    return o->dx ? cudnn_product_run(&own->input, o->library->stream, &input, why) : 0;
}

static void cudnn_dense_free(struct cudnn_operation *o)
{
    struct own *own = o->own;
    if (own) {
        cudnn_product_free(&own->forward);
        cudnn_product_free(&own->weights);
        cudnn_product_free(&own->input);
        device_free(own->mask);
        device_free(own->masked);
        device_free(own->sums);
    }
    free(own);
    device_free(o->slice.filter);
    device_free(o->slice.bias);
}

const struct cudnn_operation_kind cudnn_dense_kind = {
    .init = cudnn_dense_init, .choose = dense_choose, .forward = cudnn_dense_forward,
    .backward = cudnn_dense_backward, .free = cudnn_dense_free,
};
