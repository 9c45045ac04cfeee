/* Finalises the parts of graphs, and recognises what a graph computes. */
#include "cudnn.h"

#include <string.h>

#include "fake.h"

/* ---- tensors and windows ---- */

static const int64_t *numbers(const struct descriptor *d, cudnnBackendAttributeName_t name)
{
    return value_find(d, name)->elements;
}

static int64_t count_of(const struct descriptor *d, cudnnBackendAttributeName_t name)
{
    return value_find(d, name)->count;
}

static int64_t element_bytes(const struct descriptor *tensor)
{
    switch (value_choice(tensor, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_DATA_FLOAT)) {
    case CUDNN_DATA_HALF: case CUDNN_DATA_BFLOAT16: return 2;
    case CUDNN_DATA_DOUBLE: case CUDNN_DATA_INT64: return 8;
    case CUDNN_DATA_INT8: case CUDNN_DATA_UINT8: case CUDNN_DATA_BOOLEAN: return 1;
    default: return 4;
    }
}

cudnnStatus_t tensor_finalize(struct descriptor *d)
{
    int64_t alignment = value_number(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 0);
    int64_t dims = count_of(d, CUDNN_ATTR_TENSOR_DIMENSIONS);
    if (dims != count_of(d, CUDNN_ATTR_TENSOR_STRIDES) || dims > CUDNN_DIM_MAX)
        return refuse(CUDNN_STATUS_BAD_PARAM, "a tensor of %lld dimensions, or another number of strides", (long long)dims);
    for (int64_t i = 0; i < dims; i++)
        if (numbers(d, CUDNN_ATTR_TENSOR_DIMENSIONS)[i] < 0 || numbers(d, CUDNN_ATTR_TENSOR_STRIDES)[i] < 0)
            return refuse(CUDNN_STATUS_BAD_PARAM, "dimension %lld of a tensor is negative", (long long)i);
    if (alignment < element_bytes(d) || (alignment & (alignment - 1)))
        return refuse(CUDNN_STATUS_BAD_PARAM, "an alignment of %lld bytes", (long long)alignment);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t windows_finalize(struct descriptor *d)
{
    const struct {
        cudnnBackendAttributeName_t name;
        int64_t least;
    } parts[] = {
        {CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, 1}, {CUDNN_ATTR_CONVOLUTION_DILATIONS, 1},
        {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 0}, {CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, 0},
    };
    int64_t spatial = value_number(d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        int64_t count = count_of(d, parts[i].name);
        if (count != spatial && count != 0)
            return refuse(CUDNN_STATUS_BAD_PARAM, "attribute %d of a convolution of %lld dimensions has %lld elements",
                          (int)parts[i].name, (long long)spatial, (long long)count);
        for (int64_t j = 0; j < count; j++)
            if (numbers(d, parts[i].name)[j] < parts[i].least)
                return refuse(CUDNN_STATUS_BAD_PARAM, "attribute %d of a convolution is too small", (int)parts[i].name);
    }
    return CUDNN_STATUS_SUCCESS;
}

/* ---- operations ---- */

/* The three kinds of convolution name the same things differently; these are the positions in their rules (cudnn_rules.c). */
enum { RULE_WINDOWS, RULE_X, RULE_W, RULE_Y, RULE_ALPHA, RULE_BETA };

static struct descriptor *part(const struct descriptor *operation, int rule)
{
    return *(struct descriptor *const *)operation->values[rule].elements;
}

static int64_t padding(const struct descriptor *windows, cudnnBackendAttributeName_t name, int i)
{
    return count_of(windows, name) ? numbers(windows, name)[i] : 0;
}

static void want_tensor(const struct descriptor *d, const char *where)
{
    if (d && d->kind->type != CUDNN_BACKEND_TENSOR_DESCRIPTOR)
        fake_misuse("a %s where %s wants a tensor: cuDNN would crash", d->kind->name, where);
}

/* Whether two elements share an address; a stride of 0 is intended. */
static bool overlaps(const struct descriptor *tensor)
{
    const int64_t *dims = numbers(tensor, CUDNN_ATTR_TENSOR_DIMENSIONS), *strides = numbers(tensor, CUDNN_ATTR_TENSOR_STRIDES);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            if (i != j && dims[j] > 1 && strides[j] >= strides[i] && strides[i] > 0 && strides[j] < strides[i] * dims[i])
                return true;
    return false;
}

static bool is_tensor(const struct descriptor *d)
{
    return d->kind->type == CUDNN_BACKEND_TENSOR_DESCRIPTOR && count_of(d, CUDNN_ATTR_TENSOR_DIMENSIONS) == 4;
}

/* y's height (i = 0) or width (1) that follows from x, the filter and the windows; -1: none. */
static int64_t windows_along(const struct descriptor *windows, const int64_t *x, const int64_t *w, int i)
{
    int64_t stride = numbers(windows, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES)[i];
    int64_t dilation = numbers(windows, CUDNN_ATTR_CONVOLUTION_DILATIONS)[i];
    int64_t padded = x[2 + i] + padding(windows, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, i) +
                     padding(windows, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, i);
    int64_t left = padded - ((w[2 + i] - 1) * dilation + 1);
    return left < 0 ? -1 : left / stride + 1;
}

cudnnStatus_t convolution_finalize(struct descriptor *d)
{
    const struct descriptor *windows = part(d, RULE_WINDOWS);
    if (windows->kind->type != CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR ||
        value_number(windows, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 0) != 2)
        return refuse(CUDNN_STATUS_BAD_PARAM, "the windows of a convolution are a %s", windows->kind->name);
    for (int rule = RULE_X; rule <= RULE_Y; rule++) {
        want_tensor(part(d, rule), "a convolution");
        if (!is_tensor(part(d, rule)) || overlaps(part(d, rule)))
            return refuse(CUDNN_STATUS_BAD_PARAM, "not a tensor of four dimensions, or its elements overlap");
    }
    const int64_t *x = numbers(part(d, RULE_X), CUDNN_ATTR_TENSOR_DIMENSIONS);
    const int64_t *w = numbers(part(d, RULE_W), CUDNN_ATTR_TENSOR_DIMENSIONS);
    const int64_t *y = numbers(part(d, RULE_Y), CUDNN_ATTR_TENSOR_DIMENSIONS);
    if (x[0] != y[0] || x[1] != w[1] || y[1] != w[0] || y[2] != windows_along(windows, x, w, 0) ||
        y[3] != windows_along(windows, x, w, 1))
        return refuse(CUDNN_STATUS_BAD_PARAM, "x %lldx%lldx%lldx%lld, filter %lldx%lldx%lldx%lld and y "
                      "%lldx%lldx%lldx%lld do not fit", (long long)x[0], (long long)x[1], (long long)x[2], (long long)x[3],
                      (long long)w[0], (long long)w[1], (long long)w[2], (long long)w[3], (long long)y[0], (long long)y[1],
                      (long long)y[2], (long long)y[3]);
    return CUDNN_STATUS_SUCCESS;
}

static cudnnPointwiseMode_t pointwise_mode(const struct descriptor *operation)
{
    const struct descriptor *how = value_descriptor(operation, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
    return how ? (cudnnPointwiseMode_t)value_choice(how, CUDNN_ATTR_POINTWISE_MODE, CUDNN_POINTWISE_ADD) : CUDNN_POINTWISE_ADD;
}

cudnnStatus_t pointwise_finalize(struct descriptor *d)
{
    const cudnnBackendAttributeName_t tensors[] = {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_ATTR_OPERATION_POINTWISE_BDESC,
                                                   CUDNN_ATTR_OPERATION_POINTWISE_YDESC};
    bool second = pointwise_mode(d) != CUDNN_POINTWISE_RELU_FWD;
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
        want_tensor(value_descriptor(d, tensors[i]), "a pointwise operation");
    if (second && !value_descriptor(d, CUDNN_ATTR_OPERATION_POINTWISE_BDESC))
        return refuse(CUDNN_STATUS_BAD_PARAM, "a pointwise operation on two tensors needs the second");
    return CUDNN_STATUS_SUCCESS;
}

/* ---- graphs ---- */

static cudnnDataType_t type_of(const struct descriptor *tensor)
{
    return (cudnnDataType_t)value_choice(tensor, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_DATA_FLOAT);
}

static bool is_virtual(const struct descriptor *tensor)
{
    const struct value *value = value_find(tensor, CUDNN_ATTR_TENSOR_IS_VIRTUAL);
    return value->count && *(const bool *)value->elements;
}

/* Whether a tensor is virtual or not as requested, has that type, and has its channels innermost without gaps. */
static bool is_packed(const struct descriptor *tensor, cudnnDataType_t type, bool virtual_one)
{
    const int64_t *dims = numbers(tensor, CUDNN_ATTR_TENSOR_DIMENSIONS), *strides = numbers(tensor, CUDNN_ATTR_TENSOR_STRIDES);
    return is_tensor(tensor) && is_virtual(tensor) == virtual_one && type_of(tensor) == type && dims[0] > 0 && dims[1] > 0 &&
           dims[2] > 0 && dims[3] > 0 && strides[1] == 1 && strides[3] == dims[1] && strides[2] == dims[1] * dims[3] &&
           strides[0] == dims[1] * dims[2] * dims[3];
}

static bool same_dims(const struct descriptor *a, const struct descriptor *b)
{
    return !memcmp(numbers(a, CUDNN_ATTR_TENSOR_DIMENSIONS), numbers(b, CUDNN_ATTR_TENSOR_DIMENSIONS), 4 * sizeof(int64_t));
}

static void place_set(struct convolution *c, enum place place, const struct descriptor *tensor)
{
    c->uids[place] = value_number(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, 0);
    c->alignments[place] = value_number(tensor, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 1);
}

/* Sets the windows and shapes of a convolution that is finalised and therefore consistent. */
static void shapes_set(struct convolution *c, const struct descriptor *operation)
{
    const struct descriptor *windows = part(operation, RULE_WINDOWS);
    const int64_t *x = numbers(part(operation, RULE_X), CUDNN_ATTR_TENSOR_DIMENSIONS);
    const int64_t *w = numbers(part(operation, RULE_W), CUDNN_ATTR_TENSOR_DIMENSIONS);
    const int64_t *y = numbers(part(operation, RULE_Y), CUDNN_ATTR_TENSOR_DIMENSIONS);
    c->n = x[0], c->c = x[1], c->h = x[2], c->w = x[3];
    c->k = w[0], c->r = w[2], c->s = w[3], c->p = y[2], c->q = y[3];
    for (int i = 0; i < 2; i++) {
        c->stride[i] = numbers(windows, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES)[i];
        c->pad[i] = padding(windows, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, i);
    }
    c->half = type_of(part(operation, RULE_X)) == CUDNN_DATA_BFLOAT16;
}

static bool scale_is(const struct descriptor *operation, int rule, float scale)
{
    const struct value *value = &operation->values[rule];
    return value->count == 0 || *(const float *)value->elements == scale;
}

/* Whether it is a cross-correlation without dilation, with y = 1 * ... + 0 * y and sums in float. */
static bool is_usual(const struct descriptor *operation)
{
    const struct descriptor *windows = part(operation, RULE_WINDOWS);
    const int64_t *dilations = numbers(windows, CUDNN_ATTR_CONVOLUTION_DILATIONS);
    return value_choice(windows, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CONVOLUTION) == CUDNN_CROSS_CORRELATION &&
           value_choice(windows, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT) == CUDNN_DATA_FLOAT &&
           dilations[0] == 1 && dilations[1] == 1 && scale_is(operation, RULE_ALPHA, 1) && scale_is(operation, RULE_BETA, 0);
}

static bool pass_of(const struct descriptor *operation, enum pass *pass)
{
    switch (operation->kind->type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR: *pass = FORWARD; return true;
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR: *pass = INPUT_GRADIENT; return true;
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR: *pass = WEIGHTS_GRADIENT; return true;
    default: return false;
    }
}

/* Whether an operation is ADD (c + bias) or RELU_FWD of `x`, which is virtual. *y: its result. */
static bool follows(const struct descriptor *operation, cudnnPointwiseMode_t mode, const struct descriptor *x,
                    const struct descriptor **y)
{
    const struct descriptor *how = value_descriptor(operation, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
    if (operation->kind->type != CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR || pointwise_mode(operation) != mode ||
        (how && how->kind->type != CUDNN_BACKEND_POINTWISE_DESCRIPTOR) ||
        value_descriptor(operation, CUDNN_ATTR_OPERATION_POINTWISE_XDESC) != x || !is_packed(x, CUDNN_DATA_FLOAT, true))
        return false;
    *y = value_descriptor(operation, CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
    return is_tensor(*y) && same_dims(x, *y);
}

static bool takes_bias(struct convolution *c, const struct descriptor *operation, cudnnDataType_t type)
{
    const struct descriptor *bias = value_descriptor(operation, CUDNN_ATTR_OPERATION_POINTWISE_BDESC);
    if (!is_packed(bias, type, false))
        return false;
    const int64_t *dims = numbers(bias, CUDNN_ATTR_TENSOR_DIMENSIONS);
    place_set(c, PLACE_BIAS, bias);
    return c->bias = dims[0] == 1 && dims[1] == c->k && dims[2] == 1 && dims[3] == 1;
}

static bool keeps_nan(const struct descriptor *operation)
{
    const struct descriptor *how = value_descriptor(operation, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
    return value_choice(how, CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, 0) == 1; /* CUDNN_PROPAGATE_NAN */
}

/* Recognises one convolution; forward, perhaps a bias after it, and a ReLU after that. All tensors in memory have the type of x:
 * cuDNN 9 has no float gradient of a filter for bfloat16 activations. Virtual tensors are float. */
static bool recognise(struct convolution *c, const struct descriptor *const *operations, int64_t count)
{
    const struct descriptor *y;
    if (count > 3 || !pass_of(operations[0], &c->pass) || !is_usual(operations[0]) || (count > 1 && c->pass != FORWARD))
        return false;
    shapes_set(c, operations[0]);
    cudnnDataType_t type = c->half ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    y = part(operations[0], RULE_Y);
    int64_t known = 1;
    if (known < count && follows(operations[known], CUDNN_POINTWISE_ADD, y, &y) && takes_bias(c, operations[known], type))
        known++;
    c->relu = known < count && follows(operations[known], CUDNN_POINTWISE_RELU_FWD, y, &y);
    c->keeps_nan = c->relu && keeps_nan(operations[known]);
    if (known + c->relu < count)
        return false;
    place_set(c, PLACE_X, part(operations[0], RULE_X));
    place_set(c, PLACE_W, part(operations[0], RULE_W));
    place_set(c, PLACE_Y, y);
    return is_packed(part(operations[0], RULE_X), type, false) && is_packed(part(operations[0], RULE_W), type, false) &&
           is_packed(y, type, false);
}

/* Each tensor needs its own uid, by which the pointers are given. */
static bool uids_differ(const struct convolution *c)
{
    int places = c->bias ? PLACES : PLACE_BIAS;
    for (int i = 0; i < places; i++)
        for (int j = 0; j < i; j++)
            if (c->uids[i] == c->uids[j])
                return false;
    return true;
}

/* Whether all tensors of an operation are finalised. */
static bool is_whole(const struct descriptor *operation)
{
    if (!is_operation(operation))
        fake_misuse("a %s where a graph wants an operation: cuDNN would crash", operation->kind->name);
    for (int i = 0; i < VALUES_MAX; i++) {
        const struct descriptor *other = operation->kind->rules[i].type == CUDNN_TYPE_BACKEND_DESCRIPTOR &&
                                         operation->values[i].count ? part(operation, i) : NULL;
        if (other && other->kind->type == CUDNN_BACKEND_TENSOR_DESCRIPTOR && !other->finalized)
            return false;
    }
    return true;
}

cudnnStatus_t graph_finalize(struct descriptor *d)
{
    const struct value *operations = value_find(d, CUDNN_ATTR_OPERATIONGRAPH_OPS);
    struct descriptor *const *list = operations->elements;
    for (int64_t i = 0; i < operations->count; i++)
        if (!is_whole(list[i]) || (i > 0 && list[i] == list[i - 1]))
            return refuse(CUDNN_STATUS_BAD_PARAM, "a graph has a %s twice, or one with a tensor that is not finalised",
                          list[i]->kind->name);
    d->graph = d;
    d->known = recognise(&d->convolution, operations->elements, operations->count) && uids_differ(&d->convolution);
    return CUDNN_STATUS_SUCCESS;
}
