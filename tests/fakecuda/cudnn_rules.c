/* The attributes of each kind of descriptor, and what must be set before it is finalised. What is optional here is optional in
 * cuDNN 9.19 (tests/gpu/descriptors.c compares). */
#include "cudnn.h"

#include <stddef.h>

#define OF_DESCRIPTOR CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1
#define ONE(type) CUDNN_TYPE_##type, 1, 1
#define CONVOLUTION(prefix, x, w, y)                                                                                   \
    {                                                                                                                  \
        {prefix##CONV_DESC, OF_DESCRIPTOR, true}, {prefix##x, OF_DESCRIPTOR, true}, {prefix##w, OF_DESCRIPTOR, true},  \
        {prefix##y, OF_DESCRIPTOR, true}, {prefix##ALPHA, ONE(FLOAT), false}, {prefix##BETA, ONE(FLOAT), false},       \
    }

/* The answers of cudnnBackendSetAttribute and cudnnBackendFinalize in cuDNN 9.19. */
#define BAD(what) CUDNN_STATUS_BAD_PARAM_##what
static const struct answers
    usual = {CUDNN_STATUS_BAD_PARAM, BAD(ATTRIBUTE_TYPE), CUDNN_STATUS_BAD_PARAM, BAD(NULL_POINTER), BAD(NOT_FINALIZED), false},
    of_mode = {CUDNN_STATUS_BAD_PARAM, CUDNN_STATUS_BAD_PARAM, CUDNN_STATUS_BAD_PARAM, BAD(NULL_POINTER), BAD(NOT_FINALIZED),
               false},
    of_convolution = {CUDNN_STATUS_NOT_SUPPORTED, CUDNN_STATUS_BAD_PARAM, CUDNN_STATUS_NOT_SUPPORTED, CUDNN_STATUS_BAD_PARAM,
                      CUDNN_STATUS_BAD_PARAM, false},
    of_pointwise = {CUDNN_STATUS_BAD_PARAM, CUDNN_STATUS_BAD_PARAM, CUDNN_STATUS_BAD_PARAM, CUDNN_STATUS_SUCCESS,
                    CUDNN_STATUS_SUCCESS, false},
    of_graph = {CUDNN_STATUS_BAD_PARAM, BAD(ATTRIBUTE_TYPE), CUDNN_STATUS_BAD_PARAM, BAD(NULL_POINTER), BAD(NOT_FINALIZED), true},
    of_heuristic = {CUDNN_STATUS_BAD_PARAM, BAD(ATTRIBUTE_TYPE), CUDNN_STATUS_BAD_PARAM, CUDNN_STATUS_BAD_PARAM,
                    CUDNN_STATUS_SUCCESS, false},
    of_engine = {CUDNN_STATUS_BAD_PARAM, CUDNN_STATUS_BAD_PARAM, CUDNN_STATUS_BAD_PARAM, CUDNN_STATUS_BAD_PARAM,
                 BAD(NOT_FINALIZED), false},
    of_config = {CUDNN_STATUS_BAD_PARAM, BAD(ATTRIBUTE_TYPE), CUDNN_STATUS_BAD_PARAM, CUDNN_STATUS_BAD_PARAM, BAD(NOT_FINALIZED),
                 false},
    of_plan = {CUDNN_STATUS_BAD_PARAM, BAD(ATTRIBUTE_TYPE), CUDNN_STATUS_NOT_SUPPORTED, CUDNN_STATUS_BAD_PARAM, BAD(NOT_FINALIZED),
               false},
    of_pack = {CUDNN_STATUS_BAD_PARAM, CUDNN_STATUS_NOT_SUPPORTED, CUDNN_STATUS_BAD_PARAM, BAD(NULL_POINTER), BAD(NOT_FINALIZED),
               false};

static const struct kind kinds[] = {
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, "tensor", {
        {CUDNN_ATTR_TENSOR_UNIQUE_ID, ONE(INT64), false},
        {CUDNN_ATTR_TENSOR_DATA_TYPE, ONE(DATA_TYPE), false},
        {CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 1, INT16_MAX, true},
        {CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 1, INT16_MAX, true},
        {CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, ONE(INT64), true},
        {CUDNN_ATTR_TENSOR_IS_VIRTUAL, ONE(BOOLEAN), false},
    }, tensor_finalize, &usual},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "convolution", {
        {CUDNN_ATTR_CONVOLUTION_COMP_TYPE, ONE(DATA_TYPE), false},
        {CUDNN_ATTR_CONVOLUTION_CONV_MODE, ONE(CONVOLUTION_MODE), false},
        {CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, ONE(INT64), true},
        {CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 1, CUDNN_DIM_MAX, true},
        {CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 1, CUDNN_DIM_MAX, true},
        {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 1, CUDNN_DIM_MAX, false},
        {CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 1, CUDNN_DIM_MAX, false},
    }, windows_finalize, &usual},
    {CUDNN_BACKEND_POINTWISE_DESCRIPTOR, "pointwise", {
        {CUDNN_ATTR_POINTWISE_MODE, ONE(POINTWISE_MODE), false},
        {CUDNN_ATTR_POINTWISE_MATH_PREC, ONE(DATA_TYPE), false},
        {CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, ONE(NAN_PROPOGATION), false},
    }, NULL, &of_mode},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, "forward convolution",
     CONVOLUTION(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_, X, W, Y), convolution_finalize, &of_convolution},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, "backward data convolution",
     CONVOLUTION(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_, DX, W, DY), convolution_finalize, &of_convolution},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, "backward filter convolution",
     CONVOLUTION(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_, X, DW, DY), convolution_finalize, &of_convolution},
    {CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, "pointwise operation", {
        {CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, OF_DESCRIPTOR, false},
        {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, OF_DESCRIPTOR, true},
        {CUDNN_ATTR_OPERATION_POINTWISE_BDESC, OF_DESCRIPTOR, false},
        {CUDNN_ATTR_OPERATION_POINTWISE_YDESC, OF_DESCRIPTOR, true},
    }, pointwise_finalize, &of_pointwise},
    {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "operation graph", {
        {CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 50, true},
        {CUDNN_ATTR_OPERATIONGRAPH_HANDLE, ONE(HANDLE), false},
    }, graph_finalize, &of_graph},
    {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, "heuristic", {
        {CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, OF_DESCRIPTOR, true},
        {CUDNN_ATTR_ENGINEHEUR_MODE, ONE(HEUR_MODE), false},
        {CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, OF_DESCRIPTOR, false},
    }, heuristic_finalize, &of_heuristic},
    {CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, "engine configuration", { /* made, or obtained from a heuristic */
        {CUDNN_ATTR_ENGINECFG_ENGINE, OF_DESCRIPTOR, false},
    }, config_finalize, &of_config},
    {CUDNN_BACKEND_ENGINE_DESCRIPTOR, "engine", { /* made, or obtained from a configuration */
        {CUDNN_ATTR_ENGINE_OPERATION_GRAPH, OF_DESCRIPTOR, false},
        {CUDNN_ATTR_ENGINE_GLOBAL_INDEX, ONE(INT64), false},
        {CUDNN_ATTR_ENGINE_DEVICEPROP, OF_DESCRIPTOR, false},
    }, engine_finalize, &of_engine},
    {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, "execution plan", {
        {CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, OF_DESCRIPTOR, false},
        {CUDNN_ATTR_EXECUTION_PLAN_HANDLE, ONE(HANDLE), false},
        {CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, OF_DESCRIPTOR, false},
    }, plan_finalize, &of_plan},
    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, "variant pack", {
        {CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 1, 64, true},
        {CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 1, 64, true},
        {CUDNN_ATTR_VARIANT_PACK_WORKSPACE, ONE(VOID_PTR), false},
    }, pack_finalize, &of_pack},
    {CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, "device properties", {
        {CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, 1, 1 << 16, false},
    }, properties_finalize, &usual},
};

const struct kind *kind_find(cudnnBackendDescriptorType_t type)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].type == type)
            return &kinds[i];
    return NULL;
}

const struct value *value_find(const struct descriptor *d, cudnnBackendAttributeName_t name)
{
    for (int i = 0; i < VALUES_MAX; i++)
        if (d->kind->rules[i].most > 0 && d->kind->rules[i].name == name)
            return &d->values[i];
    return NULL;
}

bool is_operation(const struct descriptor *d)
{
    switch (d->kind->type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR: return true;
    default: return false;
    }
}

int64_t value_number(const struct descriptor *d, cudnnBackendAttributeName_t name, int64_t otherwise)
{
    const struct value *value = value_find(d, name);
    return value && value->count ? *(const int64_t *)value->elements : otherwise;
}

int value_choice(const struct descriptor *d, cudnnBackendAttributeName_t name, int otherwise)
{
    const struct value *value = value_find(d, name);
    return value && value->count ? *(const int *)value->elements : otherwise;
}

struct descriptor *value_descriptor(const struct descriptor *d, cudnnBackendAttributeName_t name)
{
    const struct value *value = value_find(d, name);
    return value && value->count ? *(struct descriptor *const *)value->elements : NULL;
}
