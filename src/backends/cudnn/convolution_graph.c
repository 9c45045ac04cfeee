/* A pass of a convolution as a graph of cuDNN's operations. Tensors are described as (N,C,H,W), filters as (K,C,R,S); in memory,
 * channels are innermost. A tensor between two operations is virtual: it has a type but no memory. */
#include "convolution.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

const char *const pass_texts[PASSES] = {
    [PASS_FORWARD] = "forward", [PASS_INPUT] = "gradient of the input", [PASS_WEIGHTS] = "gradient of the weights",
};

/* ---- descriptors ---- */

static int descriptor_fill(cudnnBackendDescriptor_t descriptor, const struct descriptor_attribute *attributes, size_t count,
                           struct error *why)
{
    for (const struct descriptor_attribute *a = attributes; a < attributes + count; a++)
        if (CUDNN(cudnnBackendSetAttribute(descriptor, a->name, a->type, a->count, a->values), why))
            return -1;
    return CUDNN(cudnnBackendFinalize(descriptor), why);
}

cudnnBackendDescriptor_t descriptor_new(cudnnBackendDescriptorType_t type, const struct descriptor_attribute *attributes,
                                        size_t count, struct error *why)
{
    cudnnBackendDescriptor_t descriptor;
    if (CUDNN(cudnnBackendCreateDescriptor(type, &descriptor), why))
        return NULL;
    if (!descriptor_fill(descriptor, attributes, count, why))
        return descriptor;
    descriptor_free(descriptor);
    return NULL;
}

void descriptor_free(cudnnBackendDescriptor_t descriptor)
{
    if (descriptor)
        cudnnBackendDestroyDescriptor(descriptor);
}

/* ---- building: after a failure, further calls do nothing, and `why` keeps its message ---- */

struct builder {
    struct pass_graph *graph;
    const struct cudnn_convolution *c;
    cudnnBackendDescriptor_t operations[3];
    int operation_count;
    bool failed;
    struct error *why;
};

static cudnnBackendDescriptor_t part_new(struct builder *b, cudnnBackendDescriptorType_t type,
                                         const struct descriptor_attribute *attributes, size_t count)
{
    cudnnBackendDescriptor_t part = b->failed ? NULL : descriptor_new(type, attributes, count, b->why);
    if (part)
        b->graph->parts[b->graph->part_count++] = part;
    else
        b->failed = true;
    return part;
}

static cudnnDataType_t activation_type(const struct cudnn_convolution *c)
{
    return c->library->precision == PRECISION_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

/* Bytes. All tensors begin at an address from cudaMalloc, except biases, which may lie anywhere in the flat buffer. */
enum { TENSOR_ALIGNMENT = 16 };

static cudnnBackendDescriptor_t tensor_new(struct builder *b, int64_t uid, const int64_t dims[4], cudnnDataType_t type,
                                           bool is_virtual)
{
    int64_t channels = dims[1], row = dims[3] * channels, strides[4] = {dims[2] * row, 1, row, channels};
    int64_t alignment = uid == TENSOR_BIAS ? sizeof(float) : TENSOR_ALIGNMENT;
    const struct descriptor_attribute attributes[] = {
        {CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid},
        {CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type},
        {CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dims},
        {CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides},
        {CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment},
        {CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual},
    };
    return part_new(b, CUDNN_BACKEND_TENSOR_DESCRIPTOR, attributes, COUNT(attributes));
}

static cudnnBackendDescriptor_t x_new(struct builder *b)
{
    const struct shape *in = &b->c->layer->in;
    const int64_t dims[4] = {b->c->batch, b->c->x_channels, in->height, in->width};
    return tensor_new(b, TENSOR_X, dims, activation_type(b->c), false);
}

static cudnnBackendDescriptor_t filter_new(struct builder *b, cudnnDataType_t type)
{
    const struct layer *l = &b->c->layer->layer;
    const int64_t dims[4] = {l->outputs, b->c->x_channels, l->kernel, l->kernel};
    return tensor_new(b, TENSOR_FILTER, dims, type, false);
}

/* A tensor of y's shape: in memory (uid TENSOR_Y), or virtual and float. */
static cudnnBackendDescriptor_t y_new(struct builder *b, int64_t uid)
{
    const struct shape *out = &b->c->layer->out;
    const int64_t dims[4] = {b->c->batch, out->channels, out->height, out->width};
    bool is_virtual = uid != TENSOR_Y;
    return tensor_new(b, uid, dims, is_virtual ? CUDNN_DATA_FLOAT : activation_type(b->c), is_virtual);
}

static cudnnBackendDescriptor_t bias_new(struct builder *b)
{
    const int64_t dims[4] = {1, b->c->layer->out.channels, 1, 1};
    return tensor_new(b, TENSOR_BIAS, dims, activation_type(b->c), false);
}

/* ---- operations ---- */

/* Padding after the last row or column, up to the end of the last window. */
static int64_t padding_after(int in, int out, int kernel, int stride, int before)
{
    int needed = (out - 1) * stride + kernel - in - before;
    return needed > 0 ? needed : 0;
}

static cudnnBackendDescriptor_t windows_new(struct builder *b)
{
    const struct net_layer *l = b->c->layer;
    const int kernel = l->layer.kernel, stride = l->layer.stride;
    const int64_t spatial = 2, strides[2] = {stride, stride}, dilations[2] = {1, 1}, before[2] = {l->pad_top, l->pad_left};
    const int64_t after[2] = {padding_after(l->in.height, l->out.height, kernel, stride, l->pad_top),
                              padding_after(l->in.width, l->out.width, kernel, stride, l->pad_left)};
    const cudnnDataType_t type = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const struct descriptor_attribute attributes[] = {
        {CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type},
        {CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode},
        {CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &spatial},
        {CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, strides},
        {CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilations},
        {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, before},
        {CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, after},
    };
    return part_new(b, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, attributes, COUNT(attributes));
}

/* cuDNN's names for the same things in the three passes. */
static const struct pass_names {
    cudnnBackendDescriptorType_t operation;
    cudnnBackendAttributeName_t windows, x, filter, y, alpha, beta;
} names[PASSES] = {
    [PASS_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [PASS_INPUT] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [PASS_WEIGHTS] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
};

static void operation_add(struct builder *b, cudnnBackendDescriptorType_t type, const struct descriptor_attribute *attributes,
                          size_t count)
{
    b->operations[b->operation_count++] = part_new(b, type, attributes, count);
}

static void convolution_add(struct builder *b, enum convolution_pass pass, cudnnBackendDescriptor_t x,
                            cudnnBackendDescriptor_t filter, cudnnBackendDescriptor_t y)
{
    const struct pass_names *n = &names[pass];
    const float one = 1, zero = 0;
    cudnnBackendDescriptor_t windows = windows_new(b);
    const struct descriptor_attribute attributes[] = {
        {n->windows, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &windows}, {n->x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x},
        {n->filter, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &filter},   {n->y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &y},
        {n->alpha, CUDNN_TYPE_FLOAT, 1, &one},                    {n->beta, CUDNN_TYPE_FLOAT, 1, &zero},
    };
    operation_add(b, n->operation, attributes, COUNT(attributes));
}

/* y = mode(x, other); other: NULL if the mode takes one tensor. */
static void pointwise_add(struct builder *b, cudnnPointwiseMode_t mode, cudnnBackendDescriptor_t x,
                          cudnnBackendDescriptor_t other, cudnnBackendDescriptor_t y)
{
    const cudnnDataType_t type = CUDNN_DATA_FLOAT;
    /* A request that engines may ignore: in cuDNN 9.19 it changes no list of engines, and only the generic engine has the note
     * STRICT_NAN_PROP. With others, a ReLU may turn NaN into 0, as it does -infinity; +infinity stays. So a finite loss does not
     * prove finite parameters, which are checked separately. */
    const cudnnNanPropagation_t nan = CUDNN_PROPAGATE_NAN;
    const struct descriptor_attribute how[] = {
        {CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode},
        {CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &type},
        {CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_TYPE_NAN_PROPOGATION, 1, &nan},
    };
    cudnnBackendDescriptor_t pointwise = part_new(b, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, how, COUNT(how));
    const struct descriptor_attribute attributes[] = {
        {CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &pointwise},
        {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x},
        {CUDNN_ATTR_OPERATION_POINTWISE_YDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &y},
        {CUDNN_ATTR_OPERATION_POINTWISE_BDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &other},
    };
    operation_add(b, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, attributes, COUNT(attributes) - !other);
}

/* y = relu(x * filter + bias), with bias and ReLU if the layer has them */
static void forward_add(struct builder *b)
{
    enum { PRODUCT = TENSORS, SUM };
    bool biased = has_bias(b->c->layer), relu = has_relu(b->c->layer);
    cudnnBackendDescriptor_t x = x_new(b), filter = filter_new(b, activation_type(b->c)), y = y_new(b, TENSOR_Y);
    cudnnBackendDescriptor_t product = biased || relu ? y_new(b, PRODUCT) : y;
    cudnnBackendDescriptor_t sum = !biased ? product : relu ? y_new(b, SUM) : y;
    convolution_add(b, PASS_FORWARD, x, filter, product);
    if (biased)
        pointwise_add(b, CUDNN_POINTWISE_ADD, product, bias_new(b), sum);
    if (relu)
        pointwise_add(b, CUDNN_POINTWISE_RELU_FWD, sum, NULL, y);
}

static void backward_add(struct builder *b, enum convolution_pass pass)
{
    bool wide = pass == PASS_WEIGHTS && !b->c->dfilter_half;
    cudnnBackendDescriptor_t x = x_new(b), y = y_new(b, TENSOR_Y);
    cudnnBackendDescriptor_t filter = filter_new(b, wide ? CUDNN_DATA_FLOAT : activation_type(b->c));
    convolution_add(b, pass, x, filter, y);
}

int pass_graph_init(struct pass_graph *graph, const struct cudnn_convolution *c, enum convolution_pass pass,
                    struct error *why)
{
    struct builder b = {.graph = graph, .c = c, .why = why};
    memset(graph, 0, sizeof *graph);
    if (pass == PASS_FORWARD)
        forward_add(&b);
    else
        backward_add(&b, pass);
    const struct descriptor_attribute attributes[] = {
        {CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, b.operation_count, b.operations},
        {CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &c->library->cudnn},
    };
    if (!b.failed)
        graph->graph = descriptor_new(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, attributes,
                                      COUNT(attributes) - !c->library->cudnn, why);
    return graph->graph ? 0 : -1;
}

/* Frees in reverse order: each part before those that it uses. */
void pass_graph_free(struct pass_graph *graph)
{
    descriptor_free(graph->graph);
    while (graph->part_count > 0)
        descriptor_free(graph->parts[--graph->part_count]);
    graph->graph = NULL;
}
