/* Descriptors as the backend makes them, and cases that differ from them in one thing: for descriptors.c. */
#ifndef TESTS_GPU_DESCRIPTOR_CASES_H
#define TESTS_GPU_DESCRIPTOR_CASES_H

#include <cudnn.h>
#include <stdint.h>

/* ---- what is made, in this order ---- */

enum part { NOTHING, DEVICE, X, FILTER, PRODUCT, BIAS, SUM, Y, WINDOWS, FORWARD, INPUT, WEIGHTS, ADDING, ADD, CLIPPING, RELU, GRAPH,
            HEURISTIC, ENGINE, CONFIG, PLAN, PACK, PARTS };

/* As in cudnnBackendSetAttribute; but values of the type CUDNN_TYPE_BACKEND_DESCRIPTOR are parts. */
struct attribute {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t count;
    const void *values;
};

enum { ATTRIBUTES_MAX = 8 };

struct part_spec {
    const char *name;
    cudnnBackendDescriptorType_t type;
    struct attribute attributes[ATTRIBUTES_MAX];
};

#define LIST(type, ...) sizeof((type[]){__VA_ARGS__}) / sizeof(type), (const type[]){__VA_ARGS__}
#define NUMBERS(...) CUDNN_TYPE_INT64, LIST(int64_t, __VA_ARGS__)
#define PARTS_OF(...) CUDNN_TYPE_BACKEND_DESCRIPTOR, LIST(enum part, __VA_ARGS__)
#define DATA_TYPE(value) CUDNN_TYPE_DATA_TYPE, LIST(cudnnDataType_t, CUDNN_DATA_##value)
#define FLAG(value) CUDNN_TYPE_BOOLEAN, LIST(_Bool, value)
#define REAL(value) CUDNN_TYPE_FLOAT, LIST(float, value)

/* 8 images of 12x12x16, 32 filters 5x5: channels innermost. */
#define TENSOR(uid, data, is_virtual, bytes, n, c, h, w)                                                               \
    CUDNN_BACKEND_TENSOR_DESCRIPTOR, {                                                                                 \
        {CUDNN_ATTR_TENSOR_UNIQUE_ID, NUMBERS(uid)}, {CUDNN_ATTR_TENSOR_DATA_TYPE, DATA_TYPE(data)},                   \
        {CUDNN_ATTR_TENSOR_DIMENSIONS, NUMBERS(n, c, h, w)},                                                           \
        {CUDNN_ATTR_TENSOR_STRIDES, NUMBERS((c) * (h) * (w), 1, (c) * (w), c)},                                        \
        {CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, NUMBERS(bytes)}, {CUDNN_ATTR_TENSOR_IS_VIRTUAL, FLAG(is_virtual)},          \
    }
#define CONVOLUTION(kind, prefix, x, w, y, into)                                                                       \
    CUDNN_BACKEND_OPERATION_CONVOLUTION_##kind##_DESCRIPTOR, {                                                         \
        {CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_CONV_DESC, PARTS_OF(WINDOWS)},                                    \
        {CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##x, PARTS_OF(X)},                                                \
        {CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##w, PARTS_OF(FILTER)},                                           \
        {CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##y, PARTS_OF(into)},                                             \
        {CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_ALPHA, REAL(1)},                                                  \
        {CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_BETA, REAL(0)},                                                   \
    }
#define POINTWISE(mode)                                                                                                \
    CUDNN_BACKEND_POINTWISE_DESCRIPTOR, {                                                                              \
        {CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, LIST(cudnnPointwiseMode_t, CUDNN_POINTWISE_##mode)},    \
        {CUDNN_ATTR_POINTWISE_MATH_PREC, DATA_TYPE(FLOAT)},                                                            \
        {CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_TYPE_NAN_PROPOGATION,                                             \
         LIST(cudnnNanPropagation_t, CUDNN_PROPAGATE_NAN)},                                                            \
    }

static const struct part_spec specs[PARTS] = {
    [DEVICE] = {"device", CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, {{0}}}, /* its text is read from a file */
    [X] = {"x", TENSOR(1, FLOAT, 0, 16, 8, 16, 12, 12)},
    [FILTER] = {"filter", TENSOR(2, FLOAT, 0, 16, 32, 16, 5, 5)},
    [PRODUCT] = {"product", TENSOR(5, FLOAT, 1, 16, 8, 32, 12, 12)},
    [BIAS] = {"bias", TENSOR(4, FLOAT, 0, 4, 1, 32, 1, 1)},
    [SUM] = {"sum", TENSOR(6, FLOAT, 1, 16, 8, 32, 12, 12)},
    [Y] = {"y", TENSOR(3, FLOAT, 0, 16, 8, 32, 12, 12)},
    [WINDOWS] = {"windows", CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, {
        {CUDNN_ATTR_CONVOLUTION_COMP_TYPE, DATA_TYPE(FLOAT)},
        {CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, LIST(cudnnConvolutionMode_t, CUDNN_CROSS_CORRELATION)},
        {CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, NUMBERS(2)},
        {CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, NUMBERS(1, 1)},
        {CUDNN_ATTR_CONVOLUTION_DILATIONS, NUMBERS(1, 1)},
        {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, NUMBERS(2, 2)},
        {CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, NUMBERS(2, 2)},
    }},
    [FORWARD] = {"forward", CONVOLUTION(FORWARD, FORWARD, X, W, Y, PRODUCT)},
    [INPUT] = {"input gradient", CONVOLUTION(BACKWARD_DATA, BWD_DATA, DX, W, DY, Y)},
    [WEIGHTS] = {"weights gradient", CONVOLUTION(BACKWARD_FILTER, BWD_FILTER, X, DW, DY, Y)},
    [ADDING] = {"adding", POINTWISE(ADD)},
    [ADD] = {"add", CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, {
        {CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, PARTS_OF(ADDING)}, {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, PARTS_OF(PRODUCT)},
        {CUDNN_ATTR_OPERATION_POINTWISE_BDESC, PARTS_OF(BIAS)}, {CUDNN_ATTR_OPERATION_POINTWISE_YDESC, PARTS_OF(SUM)},
    }},
    [CLIPPING] = {"clipping", POINTWISE(RELU_FWD)},
    [RELU] = {"relu", CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, {
        {CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, PARTS_OF(CLIPPING)}, {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, PARTS_OF(SUM)},
        {CUDNN_ATTR_OPERATION_POINTWISE_YDESC, PARTS_OF(Y)},
    }},
    [GRAPH] = {"graph", CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, {{0}}}, /* its operations: below */
    [HEURISTIC] = {"heuristic", CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, {
        {CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, PARTS_OF(GRAPH)},
        {CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, LIST(cudnnBackendHeurMode_t, CUDNN_HEUR_MODE_A)},
        {CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, PARTS_OF(DEVICE)},
    }},
    [ENGINE] = {"engine", CUDNN_BACKEND_ENGINE_DESCRIPTOR, {
        {CUDNN_ATTR_ENGINE_OPERATION_GRAPH, PARTS_OF(GRAPH)}, {CUDNN_ATTR_ENGINE_GLOBAL_INDEX, NUMBERS(0)},
        {CUDNN_ATTR_ENGINE_DEVICEPROP, PARTS_OF(DEVICE)},
    }},
    [CONFIG] = {"configuration", CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, { /* or the heuristic's */
        {CUDNN_ATTR_ENGINECFG_ENGINE, PARTS_OF(ENGINE)},
    }},
    [PLAN] = {"plan", CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, {
        {CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, PARTS_OF(CONFIG)}, {CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, PARTS_OF(DEVICE)},
    }},
    [PACK] = {"pack", CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, {
        {CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, NUMBERS(1, 2, 3)},
        {CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, LIST(intptr_t, 256, 512, 768)},
        {CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, LIST(intptr_t, 1024)},
    }},
};

/* What is made for each pass, and what its graph consists of. */
enum pass { PASS_FORWARD, PASS_INPUT, PASS_WEIGHTS, PASS_ENGINE, PASS_PACK, PASSES };
static const enum part orders[PASSES][PARTS] = {
    [PASS_FORWARD] = {DEVICE, X, FILTER, PRODUCT, BIAS, SUM, Y, WINDOWS, FORWARD, ADDING, ADD, CLIPPING, RELU, GRAPH, HEURISTIC,
                      PLAN},
    [PASS_INPUT] = {DEVICE, X, FILTER, Y, WINDOWS, INPUT, GRAPH, HEURISTIC, PLAN},
    [PASS_WEIGHTS] = {DEVICE, X, FILTER, Y, WINDOWS, WEIGHTS, GRAPH, HEURISTIC, PLAN},
    [PASS_ENGINE] = {DEVICE, X, FILTER, Y, WINDOWS, INPUT, GRAPH, ENGINE, CONFIG, PLAN},
    [PASS_PACK] = {PACK},
};
static const struct attribute operations[PASSES] = {
    [PASS_FORWARD] = {CUDNN_ATTR_OPERATIONGRAPH_OPS, PARTS_OF(FORWARD, ADD, RELU)},
    [PASS_INPUT] = {CUDNN_ATTR_OPERATIONGRAPH_OPS, PARTS_OF(INPUT)},
    [PASS_WEIGHTS] = {CUDNN_ATTR_OPERATIONGRAPH_OPS, PARTS_OF(WEIGHTS)},
    [PASS_ENGINE] = {CUDNN_ATTR_OPERATIONGRAPH_OPS, PARTS_OF(INPUT)},
};

/* ---- cases ---- */

enum how {
    INSTEAD = 1, /* the attribute has these values, or is set beside the others */
    WITHOUT,     /* it is not set */
    LATE,        /* it is set when the part is finalised */
    OPEN,        /* the part is not finalised */
    AGAIN,       /* it is finalised twice */
    ASKED,       /* it is asked for */
};

struct change {
    enum how how;
    enum part part;
    struct attribute attribute;
};

struct descriptor_case {
    const char *name;
    enum pass pass;
    struct change changes[6];
};

#define OF_TENSOR(attribute) CUDNN_ATTR_TENSOR_##attribute
#define OF_WINDOWS(attribute) CUDNN_ATTR_CONVOLUTION_##attribute
#define OF_FORWARD(attribute) CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_##attribute
#define OF_INPUT(attribute) CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_##attribute
#define OF_WEIGHTS(attribute) CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_##attribute
#define OF_POINTWISE(attribute) CUDNN_ATTR_POINTWISE_##attribute
#define OF_ADD(attribute) CUDNN_ATTR_OPERATION_POINTWISE_##attribute
#define OF_GRAPH(attribute) CUDNN_ATTR_OPERATIONGRAPH_##attribute
#define OF_ENGINE(attribute) CUDNN_ATTR_ENGINE_##attribute
#define OF_HEURISTIC(attribute) CUDNN_ATTR_ENGINEHEUR_##attribute
#define OF_PLAN(attribute) CUDNN_ATTR_EXECUTION_PLAN_##attribute
#define OF_PACK(attribute) CUDNN_ATTR_VARIANT_PACK_##attribute
#define HALF(part) {INSTEAD, part, {OF_TENSOR(DATA_TYPE), DATA_TYPE(BFLOAT16)}}
#define WITH(part, attribute, ...) {{INSTEAD, part, {attribute, __VA_ARGS__}}}
#define LACKS(of, which) {{.how = WITHOUT, .part = of, .attribute = {.name = which}}}

static const struct descriptor_case cases[] = {
    {"forward with bias and ReLU", PASS_FORWARD, {{0}}},
    {"gradient of the input", PASS_INPUT, {{0}}},
    {"gradient of the weights", PASS_WEIGHTS, {{0}}},
    {"forward in bfloat16", PASS_FORWARD, {HALF(X), HALF(FILTER), HALF(BIAS), HALF(Y)}},
    {"gradient of the input in bfloat16", PASS_INPUT, {HALF(X), HALF(FILTER), HALF(Y)}},
    {"gradient of the weights in bfloat16", PASS_WEIGHTS, {HALF(X), HALF(FILTER), HALF(Y)}},
    {"gradient of the weights in float, of bfloat16", PASS_WEIGHTS, {HALF(X), HALF(Y)}},
    {"bfloat16 with a float bias", PASS_FORWARD, {HALF(X), HALF(FILTER), HALF(Y)}},
    {"bfloat16 in between", PASS_FORWARD, {HALF(X), HALF(FILTER), HALF(BIAS), HALF(Y), HALF(PRODUCT), HALF(SUM)}},
    {"x in bfloat16 alone", PASS_FORWARD, {HALF(X)}},
    {"filter in bfloat16 alone", PASS_INPUT, {HALF(FILTER)}},
    {"y in bfloat16 alone", PASS_FORWARD, {HALF(Y)}},

    {"a tensor without uid", PASS_FORWARD, LACKS(X, OF_TENSOR(UNIQUE_ID))},
    {"a tensor without type", PASS_FORWARD, LACKS(X, OF_TENSOR(DATA_TYPE))},
    {"a tensor without dimensions", PASS_FORWARD, LACKS(X, OF_TENSOR(DIMENSIONS))},
    {"a tensor without strides", PASS_FORWARD, LACKS(X, OF_TENSOR(STRIDES))},
    {"a tensor without alignment", PASS_FORWARD, LACKS(X, OF_TENSOR(BYTE_ALIGNMENT))},
    {"a tensor of which it is not said whether it is virtual", PASS_FORWARD, LACKS(X, OF_TENSOR(IS_VIRTUAL))},
    {"alignment 0", PASS_FORWARD, WITH(X, OF_TENSOR(BYTE_ALIGNMENT), NUMBERS(0))},
    {"alignment -16", PASS_FORWARD, WITH(X, OF_TENSOR(BYTE_ALIGNMENT), NUMBERS(-16))},
    {"alignment 3", PASS_FORWARD, WITH(X, OF_TENSOR(BYTE_ALIGNMENT), NUMBERS(3))},
    {"alignment 1", PASS_FORWARD, WITH(X, OF_TENSOR(BYTE_ALIGNMENT), NUMBERS(1))},
    {"alignment 64", PASS_FORWARD, WITH(X, OF_TENSOR(BYTE_ALIGNMENT), NUMBERS(64))},
    {"a negative dimension", PASS_FORWARD, WITH(X, OF_TENSOR(DIMENSIONS), NUMBERS(8, -16, 12, 12))},
    {"a dimension of 0", PASS_FORWARD, WITH(X, OF_TENSOR(DIMENSIONS), NUMBERS(0, 16, 12, 12))},
    {"three dimensions, four strides", PASS_FORWARD, WITH(X, OF_TENSOR(DIMENSIONS), NUMBERS(8, 16, 144))},
    {"four dimensions, three strides", PASS_FORWARD, WITH(X, OF_TENSOR(STRIDES), NUMBERS(2304, 1, 16))},
    {"nine dimensions", PASS_FORWARD, WITH(X, OF_TENSOR(DIMENSIONS), NUMBERS(1, 1, 1, 1, 1, 1, 1, 1, 1))},
    {"no dimensions", PASS_FORWARD, WITH(X, OF_TENSOR(DIMENSIONS), CUDNN_TYPE_INT64, 0, (const int64_t[]){1})},
    {"dimensions nowhere", PASS_FORWARD, WITH(X, OF_TENSOR(DIMENSIONS), CUDNN_TYPE_INT64, 4, NULL)},
    {"-1 dimensions", PASS_FORWARD, WITH(X, OF_TENSOR(DIMENSIONS), CUDNN_TYPE_INT64, -1, (const int64_t[]){1})},
    {"a negative stride", PASS_FORWARD, WITH(X, OF_TENSOR(STRIDES), NUMBERS(2304, 1, -192, 16))},
    {"a stride of 0", PASS_FORWARD, WITH(X, OF_TENSOR(STRIDES), NUMBERS(2304, 1, 0, 16))},
    {"overlapping strides", PASS_FORWARD, WITH(X, OF_TENSOR(STRIDES), NUMBERS(2304, 1, 96, 8))},
    {"rows with gaps", PASS_FORWARD, WITH(X, OF_TENSOR(STRIDES), NUMBERS(2496, 1, 208, 16))},
    {"x NCHW", PASS_FORWARD, WITH(X, OF_TENSOR(STRIDES), NUMBERS(2304, 144, 12, 1))},
    {"dimensions as INT32", PASS_FORWARD, WITH(X, OF_TENSOR(DIMENSIONS), CUDNN_TYPE_INT32, LIST(int32_t, 8, 16, 12, 12))},
    {"a data type as INT64", PASS_FORWARD, WITH(X, OF_TENSOR(DATA_TYPE), NUMBERS(0))},
    {"virtual as INT64", PASS_FORWARD, WITH(X, OF_TENSOR(IS_VIRTUAL), NUMBERS(0))},
    {"two uids", PASS_FORWARD, WITH(X, OF_TENSOR(UNIQUE_ID), NUMBERS(1, 2))},
    {"a uid of 0", PASS_FORWARD, WITH(X, OF_TENSOR(UNIQUE_ID), NUMBERS(0))},
    {"x is virtual", PASS_FORWARD, WITH(X, OF_TENSOR(IS_VIRTUAL), FLAG(1))},
    {"y is virtual", PASS_FORWARD, WITH(Y, OF_TENSOR(IS_VIRTUAL), FLAG(1))},
    {"what lies between lies in memory", PASS_FORWARD, WITH(PRODUCT, OF_TENSOR(IS_VIRTUAL), FLAG(0))},
    {"a convolution's attribute of a tensor", PASS_FORWARD, WITH(X, OF_WINDOWS(COMP_TYPE), DATA_TYPE(FLOAT))},
    {"an attribute of nobody", PASS_FORWARD, WITH(X, (cudnnBackendAttributeName_t)9999, NUMBERS(1))},
    {"a tensor is finalised twice", PASS_FORWARD, {{.how = AGAIN, .part = X}}},
    {"a tensor is changed when it is finalised", PASS_FORWARD, {{LATE, X, {OF_TENSOR(UNIQUE_ID), NUMBERS(7)}}}},
    {"a tensor is asked before it is finalised", PASS_FORWARD,
     {{.how = OPEN, .part = X}, {ASKED, X, {OF_TENSOR(UNIQUE_ID), NUMBERS(0)}}}},

    {"windows without a type", PASS_FORWARD, LACKS(WINDOWS, OF_WINDOWS(COMP_TYPE))},
    {"windows without a mode", PASS_FORWARD, LACKS(WINDOWS, OF_WINDOWS(CONV_MODE))},
    {"windows without a number of dimensions", PASS_FORWARD, LACKS(WINDOWS, OF_WINDOWS(SPATIAL_DIMS))},
    {"windows without strides", PASS_FORWARD, LACKS(WINDOWS, OF_WINDOWS(FILTER_STRIDES))},
    {"windows without dilations", PASS_FORWARD, LACKS(WINDOWS, OF_WINDOWS(DILATIONS))},
    {"windows without padding before", PASS_FORWARD, LACKS(WINDOWS, OF_WINDOWS(PRE_PADDINGS))},
    {"windows without padding behind", PASS_FORWARD, LACKS(WINDOWS, OF_WINDOWS(POST_PADDINGS))},
    {"three spatial dimensions, two strides", PASS_FORWARD, WITH(WINDOWS, OF_WINDOWS(SPATIAL_DIMS), NUMBERS(3))},
    {"no spatial dimension", PASS_FORWARD, WITH(WINDOWS, OF_WINDOWS(SPATIAL_DIMS), NUMBERS(0))},
    {"one stride", PASS_FORWARD, WITH(WINDOWS, OF_WINDOWS(FILTER_STRIDES), NUMBERS(1))},
    {"strides as INT32", PASS_FORWARD, WITH(WINDOWS, OF_WINDOWS(FILTER_STRIDES), CUDNN_TYPE_INT32, LIST(int32_t, 1, 1))},
    {"a tensor's attribute of windows", PASS_FORWARD, WITH(WINDOWS, OF_TENSOR(UNIQUE_ID), NUMBERS(1))},
    {"strides of 0", PASS_FORWARD, WITH(WINDOWS, OF_WINDOWS(FILTER_STRIDES), NUMBERS(0, 0))},
    {"negative strides", PASS_FORWARD, WITH(WINDOWS, OF_WINDOWS(FILTER_STRIDES), NUMBERS(-1, -1))},
    {"strides of 2, and y as of 1", PASS_FORWARD, WITH(WINDOWS, OF_WINDOWS(FILTER_STRIDES), NUMBERS(2, 2))},
    {"dilations of 0", PASS_FORWARD, WITH(WINDOWS, OF_WINDOWS(DILATIONS), NUMBERS(0, 0))},
    {"dilations of 2 with their padding", PASS_FORWARD,
     {{INSTEAD, WINDOWS, {OF_WINDOWS(DILATIONS), NUMBERS(2, 2)}}, {INSTEAD, WINDOWS, {OF_WINDOWS(PRE_PADDINGS), NUMBERS(4, 4)}},
      {INSTEAD, WINDOWS, {OF_WINDOWS(POST_PADDINGS), NUMBERS(4, 4)}}}},
    {"negative padding", PASS_FORWARD, WITH(WINDOWS, OF_WINDOWS(PRE_PADDINGS), NUMBERS(-1, -1))},
    {"three paddings", PASS_FORWARD, WITH(WINDOWS, OF_WINDOWS(PRE_PADDINGS), NUMBERS(2, 2, 2))},
    {"padding 1 and 3", PASS_FORWARD,
     {{INSTEAD, WINDOWS, {OF_WINDOWS(PRE_PADDINGS), NUMBERS(1, 1)}},
      {INSTEAD, WINDOWS, {OF_WINDOWS(POST_PADDINGS), NUMBERS(3, 3)}}}},
    {"sums in double", PASS_FORWARD, WITH(WINDOWS, OF_WINDOWS(COMP_TYPE), DATA_TYPE(DOUBLE))},
    {"a true convolution", PASS_FORWARD,
     WITH(WINDOWS, OF_WINDOWS(CONV_MODE), CUDNN_TYPE_CONVOLUTION_MODE, LIST(cudnnConvolutionMode_t, CUDNN_CONVOLUTION))},

    {"forward without windows", PASS_FORWARD, LACKS(FORWARD, OF_FORWARD(CONV_DESC))},
    {"forward without x", PASS_FORWARD, LACKS(FORWARD, OF_FORWARD(X))},
    {"forward without filter", PASS_FORWARD, LACKS(FORWARD, OF_FORWARD(W))},
    {"forward without y", PASS_FORWARD, LACKS(FORWARD, OF_FORWARD(Y))},
    {"forward without alpha", PASS_FORWARD, LACKS(FORWARD, OF_FORWARD(ALPHA))},
    {"forward without beta", PASS_FORWARD, LACKS(FORWARD, OF_FORWARD(BETA))},
    {"alpha as a double", PASS_FORWARD, WITH(FORWARD, OF_FORWARD(ALPHA), CUDNN_TYPE_DOUBLE, LIST(double, 1))},
    {"alpha as INT64", PASS_FORWARD, WITH(FORWARD, OF_FORWARD(ALPHA), NUMBERS(1))},
    {"forward of an x that is not finalised", PASS_FORWARD, {{.how = OPEN, .part = X}}},
    {"forward by windows that are not finalised", PASS_FORWARD, {{.how = OPEN, .part = WINDOWS}}},
    {"forward of windows for x", PASS_FORWARD, WITH(FORWARD, OF_FORWARD(X), PARTS_OF(WINDOWS))},
    {"forward by a tensor for windows", PASS_FORWARD, WITH(FORWARD, OF_FORWARD(CONV_DESC), PARTS_OF(X))},
    {"forward of no x", PASS_FORWARD, WITH(FORWARD, OF_FORWARD(X), PARTS_OF(NOTHING))},
    {"forward of two x", PASS_FORWARD, WITH(FORWARD, OF_FORWARD(X), PARTS_OF(X, X))},
    {"y is one row too high", PASS_INPUT, WITH(Y, OF_TENSOR(DIMENSIONS), NUMBERS(8, 32, 13, 12))},
    {"y has other images", PASS_INPUT, WITH(Y, OF_TENSOR(DIMENSIONS), NUMBERS(7, 32, 12, 12))},
    {"y has other channels", PASS_INPUT, WITH(Y, OF_TENSOR(DIMENSIONS), NUMBERS(8, 31, 12, 12))},
    {"the filter has other channels", PASS_WEIGHTS, WITH(FILTER, OF_TENSOR(DIMENSIONS), NUMBERS(32, 15, 5, 5))},
    {"the filter is larger than x", PASS_WEIGHTS, WITH(FILTER, OF_TENSOR(DIMENSIONS), NUMBERS(32, 16, 17, 17))},
    {"input gradient without x's", PASS_INPUT, LACKS(INPUT, OF_INPUT(DX))},
    {"input gradient without y's", PASS_INPUT, LACKS(INPUT, OF_INPUT(DY))},
    {"input gradient without windows", PASS_INPUT, LACKS(INPUT, OF_INPUT(CONV_DESC))},
    {"input gradient with beta 1", PASS_INPUT, WITH(INPUT, OF_INPUT(BETA), REAL(1))},
    {"weights gradient without the filter's", PASS_WEIGHTS, LACKS(WEIGHTS, OF_WEIGHTS(DW))},
    {"weights gradient with alpha 2", PASS_WEIGHTS, WITH(WEIGHTS, OF_WEIGHTS(ALPHA), REAL(2))},
    {"weights gradient with forward's attribute", PASS_WEIGHTS, WITH(WEIGHTS, OF_FORWARD(X), PARTS_OF(X))},

    {"adding without a mode", PASS_FORWARD, LACKS(ADDING, OF_POINTWISE(MODE))},
    {"adding without a precision", PASS_FORWARD, LACKS(ADDING, OF_POINTWISE(MATH_PREC))},
    {"clipping without a mode", PASS_FORWARD, LACKS(CLIPPING, OF_POINTWISE(MODE))},
    {"clipping without a word on NaN", PASS_FORWARD, LACKS(CLIPPING, OF_POINTWISE(NAN_PROPAGATION))},
    {"a pointwise mode as INT64", PASS_FORWARD, WITH(ADDING, OF_POINTWISE(MODE), NUMBERS(0))},
    {"a tensor's attribute of a pointwise mode", PASS_FORWARD, WITH(ADDING, OF_TENSOR(UNIQUE_ID), NUMBERS(1))},
    {"add without how", PASS_FORWARD, LACKS(ADD, OF_ADD(PW_DESCRIPTOR))},
    {"add without x", PASS_FORWARD, LACKS(ADD, OF_ADD(XDESC))},
    {"add without bias", PASS_FORWARD, LACKS(ADD, OF_ADD(BDESC))},
    {"add without y", PASS_FORWARD, LACKS(ADD, OF_ADD(YDESC))},
    {"add of a bias that is not finalised", PASS_FORWARD, {{.how = OPEN, .part = BIAS}}},
    {"add in a way that is not finalised", PASS_FORWARD, {{.how = OPEN, .part = ADDING}}},
    {"add by a tensor", PASS_FORWARD, WITH(ADD, OF_ADD(PW_DESCRIPTOR), PARTS_OF(X))},
    {"add of windows", PASS_FORWARD, WITH(ADD, OF_ADD(XDESC), PARTS_OF(WINDOWS))},
    {"add of no x", PASS_FORWARD, WITH(ADD, OF_ADD(XDESC), PARTS_OF(NOTHING))},
    {"add of two x", PASS_FORWARD, WITH(ADD, OF_ADD(XDESC), PARTS_OF(PRODUCT, PRODUCT))},
    {"add of a number", PASS_FORWARD, WITH(ADD, OF_ADD(XDESC), NUMBERS(1))},
    {"add with a tensor's attribute", PASS_FORWARD, WITH(ADD, OF_TENSOR(UNIQUE_ID), NUMBERS(1))},
    {"forward of a number", PASS_FORWARD, WITH(FORWARD, OF_FORWARD(X), NUMBERS(1))},
    {"relu with a second tensor", PASS_FORWARD, WITH(RELU, OF_ADD(BDESC), PARTS_OF(BIAS))},
    {"a bias of other channels", PASS_FORWARD, WITH(BIAS, OF_TENSOR(DIMENSIONS), NUMBERS(1, 31, 1, 1))},
    {"a sum of another shape", PASS_FORWARD, WITH(SUM, OF_TENSOR(DIMENSIONS), NUMBERS(8, 32, 12, 11))},

    {"a graph of no operations", PASS_INPUT, LACKS(GRAPH, OF_GRAPH(OPS))},
    {"a graph of nothing", PASS_INPUT, WITH(GRAPH, OF_GRAPH(OPS), PARTS_OF(NOTHING))},
    {"a graph of a tensor", PASS_INPUT, WITH(GRAPH, OF_GRAPH(OPS), PARTS_OF(X))},
    {"a graph of an operation that is not finalised", PASS_INPUT, {{.how = OPEN, .part = INPUT}}},
    {"a graph of one operation twice", PASS_INPUT, WITH(GRAPH, OF_GRAPH(OPS), PARTS_OF(INPUT, INPUT))},
    {"a graph in another order", PASS_FORWARD, WITH(GRAPH, OF_GRAPH(OPS), PARTS_OF(RELU, ADD, FORWARD))},
    {"a graph with a missing link", PASS_FORWARD, WITH(GRAPH, OF_GRAPH(OPS), PARTS_OF(FORWARD, RELU))},
    {"a graph that ends in what is virtual", PASS_FORWARD, WITH(GRAPH, OF_GRAPH(OPS), PARTS_OF(FORWARD, ADD))},
    {"one uid for two tensors", PASS_INPUT, WITH(FILTER, OF_TENSOR(UNIQUE_ID), NUMBERS(1))},
    {"a graph of numbers", PASS_INPUT, WITH(GRAPH, OF_GRAPH(OPS), NUMBERS(1))},
    {"a graph with a tensor's attribute", PASS_INPUT, WITH(GRAPH, OF_TENSOR(UNIQUE_ID), NUMBERS(1))},
    {"y with overlapping strides", PASS_INPUT, WITH(Y, OF_TENSOR(STRIDES), NUMBERS(4608, 1, 192, 16))},
    {"filters with overlapping strides", PASS_WEIGHTS, WITH(FILTER, OF_TENSOR(STRIDES), NUMBERS(400, 1, 40, 8))},
    {"a graph is finalised twice", PASS_INPUT, {{.how = AGAIN, .part = GRAPH}}},

    {"a heuristic without a graph", PASS_INPUT, LACKS(HEURISTIC, OF_HEURISTIC(OPERATION_GRAPH))},
    {"a heuristic without a mode", PASS_INPUT, LACKS(HEURISTIC, OF_HEURISTIC(MODE))},
    {"a heuristic of a tensor", PASS_INPUT, WITH(HEURISTIC, OF_HEURISTIC(OPERATION_GRAPH), PARTS_OF(X))},
    {"a heuristic of a graph that is not finalised", PASS_INPUT, {{.how = OPEN, .part = GRAPH}}},
    {"a heuristic for a device that is not finalised", PASS_INPUT, {{.how = OPEN, .part = DEVICE}}},
    {"a heuristic of nothing", PASS_INPUT, WITH(HEURISTIC, OF_HEURISTIC(OPERATION_GRAPH), PARTS_OF(NOTHING))},
    {"a heuristic of two graphs", PASS_INPUT, WITH(HEURISTIC, OF_HEURISTIC(OPERATION_GRAPH), PARTS_OF(GRAPH, GRAPH))},
    {"a heuristic's mode as INT64", PASS_INPUT, WITH(HEURISTIC, OF_HEURISTIC(MODE), NUMBERS(0))},
    {"a heuristic with a tensor's attribute", PASS_INPUT, WITH(HEURISTIC, OF_TENSOR(UNIQUE_ID), NUMBERS(1))},
    {"the fallback", PASS_INPUT,
     WITH(HEURISTIC, OF_HEURISTIC(MODE), CUDNN_TYPE_HEUR_MODE, LIST(cudnnBackendHeurMode_t, CUDNN_HEUR_MODE_FALLBACK))},
    {"results of a heuristic that is not finalised", PASS_INPUT,
     {{.how = OPEN, .part = HEURISTIC}, {ASKED, HEURISTIC, {OF_HEURISTIC(RESULTS), PARTS_OF(X)}}}},
    {"results into a tensor", PASS_INPUT, {{ASKED, HEURISTIC, {OF_HEURISTIC(RESULTS), PARTS_OF(X)}}}},
    {"results into nothing", PASS_INPUT, {{ASKED, HEURISTIC, {OF_HEURISTIC(RESULTS), PARTS_OF(NOTHING)}}}},

    {"an engine by its number", PASS_ENGINE, {{0}}},
    {"an engine without a graph", PASS_ENGINE, LACKS(ENGINE, OF_ENGINE(OPERATION_GRAPH))},
    {"an engine without a number", PASS_ENGINE, LACKS(ENGINE, OF_ENGINE(GLOBAL_INDEX))},
    {"an engine without a device", PASS_ENGINE, LACKS(ENGINE, OF_ENGINE(DEVICEPROP))},
    {"an engine of number -1", PASS_ENGINE, WITH(ENGINE, OF_ENGINE(GLOBAL_INDEX), NUMBERS(-1))},
    {"an engine of number 9999", PASS_ENGINE, WITH(ENGINE, OF_ENGINE(GLOBAL_INDEX), NUMBERS(9999))},
    {"an engine of two numbers", PASS_ENGINE, WITH(ENGINE, OF_ENGINE(GLOBAL_INDEX), NUMBERS(0, 1))},
    {"an engine's number as INT32", PASS_ENGINE, WITH(ENGINE, OF_ENGINE(GLOBAL_INDEX), CUDNN_TYPE_INT32, LIST(int32_t, 0))},
    {"an engine of nothing", PASS_ENGINE, WITH(ENGINE, OF_ENGINE(OPERATION_GRAPH), PARTS_OF(NOTHING))},
    {"an engine of a tensor", PASS_ENGINE, WITH(ENGINE, OF_ENGINE(OPERATION_GRAPH), PARTS_OF(X))},
    {"an engine of a graph that is not finalised", PASS_ENGINE, {{.how = OPEN, .part = GRAPH}}},
    {"an engine for a device that is not finalised", PASS_ENGINE, {{.how = OPEN, .part = DEVICE}}},
    {"an engine with a tensor's attribute", PASS_ENGINE, WITH(ENGINE, OF_TENSOR(UNIQUE_ID), NUMBERS(1))},
    {"an engine is finalised twice", PASS_ENGINE, {{.how = AGAIN, .part = ENGINE}}},
    {"how many engines a graph has", PASS_ENGINE, {{ASKED, GRAPH, {OF_GRAPH(ENGINE_GLOBAL_COUNT), NUMBERS(0)}}}},
    {"an engine's number", PASS_ENGINE, {{ASKED, ENGINE, {OF_ENGINE(GLOBAL_INDEX), NUMBERS(0)}}}},
    {"what an engine does", PASS_ENGINE, {{ASKED, ENGINE, {OF_ENGINE(BEHAVIOR_NOTE), CUDNN_TYPE_BEHAVIOR_NOTE, 1, NULL}}}},
    {"a configuration without an engine", PASS_ENGINE, LACKS(CONFIG, CUDNN_ATTR_ENGINECFG_ENGINE)},
    {"a configuration of nothing", PASS_ENGINE, WITH(CONFIG, CUDNN_ATTR_ENGINECFG_ENGINE, PARTS_OF(NOTHING))},
    {"a configuration of a tensor", PASS_ENGINE, WITH(CONFIG, CUDNN_ATTR_ENGINECFG_ENGINE, PARTS_OF(X))},
    {"a configuration of an engine that is not finalised", PASS_ENGINE, {{.how = OPEN, .part = ENGINE}}},
    {"a configuration of a number", PASS_ENGINE, WITH(CONFIG, CUDNN_ATTR_ENGINECFG_ENGINE, NUMBERS(1))},
    {"a configuration is finalised twice", PASS_ENGINE, {{.how = AGAIN, .part = CONFIG}}},
    {"a plan of a configuration that is not finalised", PASS_ENGINE, {{.how = OPEN, .part = CONFIG}}},

    {"a plan without a configuration", PASS_INPUT, LACKS(PLAN, OF_PLAN(ENGINE_CONFIG))},
    {"a plan without a device", PASS_INPUT, LACKS(PLAN, OF_PLAN(DEVICEPROP))},
    {"a plan of a tensor", PASS_INPUT, WITH(PLAN, OF_PLAN(ENGINE_CONFIG), PARTS_OF(X))},
    {"a plan of nothing", PASS_INPUT, WITH(PLAN, OF_PLAN(ENGINE_CONFIG), PARTS_OF(NOTHING))},
    {"a plan of a number", PASS_INPUT, WITH(PLAN, OF_PLAN(ENGINE_CONFIG), NUMBERS(1))},
    {"a plan of two configurations", PASS_INPUT, WITH(PLAN, OF_PLAN(ENGINE_CONFIG), PARTS_OF(CONFIG, CONFIG))},
    {"a plan with a tensor's attribute", PASS_INPUT, WITH(PLAN, OF_TENSOR(UNIQUE_ID), NUMBERS(1))},
    {"workspace of a plan", PASS_INPUT, {{ASKED, PLAN, {OF_PLAN(WORKSPACE_SIZE), NUMBERS(0)}}}},
    {"workspace of a plan as a double", PASS_INPUT, {{ASKED, PLAN, {OF_PLAN(WORKSPACE_SIZE), CUDNN_TYPE_DOUBLE, LIST(double, 0)}}}},
    {"workspace of a plan that is not finalised", PASS_INPUT,
     {{.how = OPEN, .part = PLAN}, {ASKED, PLAN, {OF_PLAN(WORKSPACE_SIZE), NUMBERS(0)}}}},

    {"a variant pack", PASS_PACK, {{0}}},
    {"a variant pack without uids", PASS_PACK, LACKS(PACK, OF_PACK(UNIQUE_IDS))},
    {"a variant pack without pointers", PASS_PACK, LACKS(PACK, OF_PACK(DATA_POINTERS))},
    {"a variant pack without workspace", PASS_PACK, LACKS(PACK, OF_PACK(WORKSPACE))},
    {"a variant pack with two of three uids", PASS_PACK, WITH(PACK, OF_PACK(UNIQUE_IDS), NUMBERS(1, 2))},
    {"a variant pack with a uid twice", PASS_PACK, WITH(PACK, OF_PACK(UNIQUE_IDS), NUMBERS(1, 1, 3))},
    {"a variant pack with a pointer to nothing", PASS_PACK,
     WITH(PACK, OF_PACK(DATA_POINTERS), CUDNN_TYPE_VOID_PTR, LIST(intptr_t, 256, 0, 768))},
    {"a variant pack with two workspaces", PASS_PACK,
     WITH(PACK, OF_PACK(WORKSPACE), CUDNN_TYPE_VOID_PTR, LIST(intptr_t, 256, 512))},
    {"a variant pack with pointers as numbers", PASS_PACK, WITH(PACK, OF_PACK(DATA_POINTERS), NUMBERS(256, 512, 768))},
    {"a variant pack with a tensor's attribute", PASS_PACK, WITH(PACK, OF_TENSOR(UNIQUE_ID), NUMBERS(1))},
    {"a variant pack with uids nowhere", PASS_PACK, WITH(PACK, OF_PACK(UNIQUE_IDS), CUDNN_TYPE_INT64, 3, NULL)},
    {"a variant pack is finalised twice", PASS_PACK, {{.how = AGAIN, .part = PACK}}},
};

#endif
