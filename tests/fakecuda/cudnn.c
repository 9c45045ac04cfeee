/* What the referee's libcudnn.so.9 exports. A descriptor goes through three states (open, finalised, destroyed); what each allows
 * is checked here. */
#include "cudnn.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

#define EXPORT __attribute__((visibility("default")))

struct cudnnContext {
    cudaStream_t stream;
    int device;
};

static char last_error[512];

cudnnStatus_t refuse(cudnnStatus_t status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_error, sizeof last_error, format, arguments);
    va_end(arguments);
    return status;
}

static cudnnStatus_t told_to_fail(cudnnStatus_t status, const char *name)
{
    return refuse(status, "%s was told to fail", name);
}

/* ---- handles ---- */

static const char handles[] = "cudnnHandle", descriptors[] = "cudnnBackendDescriptor";

EXPORT size_t cudnnGetVersion(void)
{
    fake_call("cudnnGetVersion");
    return CUDNN_VERSION;
}

EXPORT cudnnStatus_t cudnnCreate(cudnnHandle_t *handle)
{
    int device;
    if (fake_call("cudnnCreate"))
        return told_to_fail(CUDNN_STATUS_NOT_INITIALIZED, "cudnnCreate");
    if (!handle)
        return refuse(CUDNN_STATUS_BAD_PARAM, "cudnnCreate: no place for the handle");
    if (cudaGetDevice(&device) != cudaSuccess)
        return refuse(CUDNN_STATUS_NOT_INITIALIZED, "cudnnCreate: there is no device");
    cudnnHandle_t made = calloc(1, sizeof *made);
    if (!made)
        return refuse(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED, "cudnnCreate: out of memory");
    made->device = device;
    fake_taken(handles, made);
    *handle = made;
    return CUDNN_STATUS_SUCCESS;
}

EXPORT cudnnStatus_t cudnnDestroy(cudnnHandle_t handle)
{
    bool fails = fake_call("cudnnDestroy");
    if (!handle || !fake_given_back(handles, handle))
        return refuse(CUDNN_STATUS_BAD_PARAM, "cudnnDestroy: that is no handle");
    free(handle);
    return fails ? told_to_fail(CUDNN_STATUS_INTERNAL_ERROR, "cudnnDestroy") : CUDNN_STATUS_SUCCESS;
}

EXPORT cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream)
{
    if (fake_call("cudnnSetStream"))
        return told_to_fail(CUDNN_STATUS_BAD_PARAM_STREAM_MISMATCH, "cudnnSetStream");
    if (!handle || !fake_is_taken(handles, handle))
        return refuse(CUDNN_STATUS_BAD_PARAM, "cudnnSetStream: that is no handle");
    handle->stream = stream;
    return CUDNN_STATUS_SUCCESS;
}

EXPORT const char *cudnnGetErrorString(cudnnStatus_t status)
{
    fake_call("cudnnGetErrorString");
    switch (CUDNN_STATUS_CATEGORY((int)status)) {
    case 0: return status == CUDNN_STATUS_SUCCESS ? "CUDNN_STATUS_SUCCESS" : "CUDNN_STATUS_UNKNOWN";
    case 1000: return "CUDNN_STATUS_NOT_INITIALIZED";
    case CUDNN_STATUS_BAD_PARAM: return "CUDNN_STATUS_BAD_PARAM";
    case CUDNN_STATUS_NOT_SUPPORTED: return "CUDNN_STATUS_NOT_SUPPORTED";
    case CUDNN_STATUS_INTERNAL_ERROR: return "CUDNN_STATUS_INTERNAL_ERROR";
    case CUDNN_STATUS_EXECUTION_FAILED: return "CUDNN_STATUS_EXECUTION_FAILED";
    default: return "CUDNN_STATUS_UNKNOWN";
    }
}

EXPORT void cudnnGetLastErrorString(char *message, size_t size)
{
    fake_call("cudnnGetLastErrorString");
    if (message && size)
        snprintf(message, size, "%s", last_error);
    last_error[0] = '\0';
}

/* ---- descriptors ---- */

EXPORT cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *descriptor)
{
    const struct kind *kind = kind_find(type);
    if (fake_call("cudnnBackendCreateDescriptor"))
        return told_to_fail(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED, "cudnnBackendCreateDescriptor");
    if (!descriptor)
        fake_misuse("cudnnBackendCreateDescriptor without a place for the descriptor: cuDNN would crash");
    if (!kind)
        return refuse(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED, "no descriptors of type %d here", (int)type);
    struct descriptor *made = calloc(1, sizeof *made);
    if (!made)
        return refuse(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED, "out of memory");
    made->kind = kind;
    fake_taken(descriptors, made);
    *descriptor = made;
    return CUDNN_STATUS_SUCCESS;
}

EXPORT cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor)
{
    struct descriptor *d = descriptor;
    bool fails = fake_call("cudnnBackendDestroyDescriptor");
    if (!d)
        return CUDNN_STATUS_SUCCESS;
    if (!fake_given_back(descriptors, d))
        fake_misuse("cudnnBackendDestroyDescriptor: a descriptor that is none, or was destroyed before");
    for (int i = 0; i < VALUES_MAX; i++)
        free(d->values[i].elements);
    free(d);
    return fails ? told_to_fail(CUDNN_STATUS_INTERNAL_ERROR, "cudnnBackendDestroyDescriptor") : CUDNN_STATUS_SUCCESS;
}

static bool is_live(const void *descriptor, const char *where)
{
    if (descriptor && !fake_is_taken(descriptors, descriptor))
        fake_misuse("%s: a descriptor that is none, or was destroyed", where);
    return descriptor;
}

static size_t element_size(cudnnBackendAttributeType_t type)
{
    switch (type) {
    case CUDNN_TYPE_BOOLEAN: case CUDNN_TYPE_CHAR: return 1;
    case CUDNN_TYPE_HANDLE: case CUDNN_TYPE_INT64: case CUDNN_TYPE_DOUBLE: case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR: return 8;
    default: return 4;
    }
}

/* Descriptors and handles among the elements must exist. */
static cudnnStatus_t check_elements(const struct kind *kind, const struct rule *rule, int64_t count, const void *elements)
{
    void *const *objects = elements;
    const struct answers *answers = kind->answers;
    for (int64_t i = 0; i < count; i++) {
        const struct descriptor *other = rule->type == CUDNN_TYPE_BACKEND_DESCRIPTOR ? objects[i] : NULL;
        if (rule->type == CUDNN_TYPE_BACKEND_DESCRIPTOR && !is_live(other, "cudnnBackendSetAttribute") &&
            answers->null != CUDNN_STATUS_SUCCESS)
            return refuse(answers->null, "attribute %d: a descriptor is NULL", (int)rule->name);
        if (other && answers->at_once && !other->finalized)
            return refuse(answers->open, "attribute %d: a %s that is not finalised", (int)rule->name, other->kind->name);
        if (rule->type == CUDNN_TYPE_HANDLE && (!objects[i] || !fake_is_taken(handles, objects[i])))
            return refuse(CUDNN_STATUS_BAD_PARAM, "attribute %d: that is no handle", (int)rule->name);
    }
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t value_set(struct descriptor *d, const struct rule *rule, int64_t count, const void *elements)
{
    struct value *value = &d->values[rule - d->kind->rules];
    size_t bytes = (size_t)count * element_size(rule->type);
    void *copy = malloc(bytes);
    if (!copy)
        return refuse(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED, "out of memory");
    memcpy(copy, elements, bytes);
    free(value->elements);
    *value = (struct value){count, copy};
    return CUDNN_STATUS_SUCCESS;
}

EXPORT cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type, int64_t count, const void *elements)
{
    struct descriptor *d = descriptor;
    if (fake_call("cudnnBackendSetAttribute"))
        return told_to_fail(CUDNN_STATUS_INTERNAL_ERROR, "cudnnBackendSetAttribute");
    if (!is_live(d, "cudnnBackendSetAttribute"))
        return refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "the descriptor is NULL");
    if (d->finalized)
        return refuse(CUDNN_STATUS_BAD_PARAM, "the %s is finalised", d->kind->name);
    const struct value *value = value_find(d, name);
    const struct answers *answers = d->kind->answers;
    if (!value)
        return refuse(answers->unknown, "a %s has no attribute %d that can be set", d->kind->name, (int)name);
    const struct rule *rule = &d->kind->rules[value - d->values];
    if (type != rule->type)
        return refuse(answers->type, "attribute %d of a %s has not type %d", (int)name, d->kind->name,
                      (int)type);
    if (count < rule->least || count > rule->most || !elements)
        return refuse(answers->count, "attribute %d of a %s cannot have %lld elements%s", (int)name, d->kind->name,
                      (long long)count, elements ? "" : " nowhere");
    cudnnStatus_t status = check_elements(d->kind, rule, count, elements);
    return status == CUDNN_STATUS_SUCCESS ? value_set(d, rule, count, elements) : status;
}

static bool is_missing(const struct rule *rule, const struct value *value)
{
    return value->count == 0 || (rule->type == CUDNN_TYPE_BACKEND_DESCRIPTOR && !*(void *const *)value->elements);
}

/* The descriptors that it refers to must be finalised (unless cuDNN notices that only later), and all required attributes set. */
static cudnnStatus_t check_values(const struct descriptor *d)
{
    cudnnStatus_t open = d->kind->answers->open;
    for (int i = 0; i < VALUES_MAX; i++) {
        const struct rule *rule = &d->kind->rules[i];
        const struct value *value = &d->values[i];
        if (rule->required && is_missing(rule, value))
            return refuse(CUDNN_STATUS_BAD_PARAM, "a %s needs attribute %d", d->kind->name, (int)rule->name);
        for (int64_t j = 0; rule->type == CUDNN_TYPE_BACKEND_DESCRIPTOR && j < value->count; j++) {
            const struct descriptor *other = ((struct descriptor *const *)value->elements)[j];
            if (is_live(other, "cudnnBackendFinalize") && !other->finalized && open != CUDNN_STATUS_SUCCESS)
                return refuse(open, "a %s refers to a %s that is not finalised", d->kind->name, other->kind->name);
        }
    }
    return CUDNN_STATUS_SUCCESS;
}

EXPORT cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor)
{
    struct descriptor *d = descriptor;
    if (fake_call("cudnnBackendFinalize"))
        return told_to_fail(CUDNN_STATUS_INTERNAL_ERROR, "cudnnBackendFinalize");
    if (!is_live(d, "cudnnBackendFinalize"))
        return refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "the descriptor is NULL");
    if (d->finalized)
        return refuse(CUDNN_STATUS_BAD_PARAM, "the %s is finalised already", d->kind->name);
    cudnnStatus_t status = check_values(d);
    if (status == CUDNN_STATUS_SUCCESS && d->kind->finalize)
        status = d->kind->finalize(d);
    d->finalized = status == CUDNN_STATUS_SUCCESS;
    return status;
}

EXPORT cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor, cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type, int64_t room, int64_t *count, void *elements)
{
    struct descriptor *d = descriptor;
    if (fake_call("cudnnBackendGetAttribute"))
        return told_to_fail(CUDNN_STATUS_INTERNAL_ERROR, "cudnnBackendGetAttribute");
    if (!is_live(d, "cudnnBackendGetAttribute"))
        return refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "the descriptor is NULL");
    if (!d->finalized)
        return refuse(CUDNN_STATUS_NOT_INITIALIZED, "the %s is not finalised", d->kind->name);
    if (room < 0 || (room > 0 && !elements))
        return refuse(CUDNN_STATUS_BAD_PARAM, "no room for attribute %d", (int)name);
    for (int64_t i = 0; type == CUDNN_TYPE_BACKEND_DESCRIPTOR && i < room; i++)
        if (!is_live(((void **)elements)[i], "cudnnBackendGetAttribute"))
            return refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "no descriptor to put attribute %d into", (int)name);
    return attribute_get(d, name, type, room, count, elements);
}

/* ---- execution ---- */

static void *pack_pointer(const struct descriptor *pack, int64_t uid)
{
    const struct value *uids = value_find(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    const struct value *pointers = value_find(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
    for (int64_t i = 0; i < uids->count; i++)
        if (((const int64_t *)uids->elements)[i] == uid)
            return ((void **)pointers->elements)[i];
    return NULL;
}

static bool overlap(const void *a, int64_t a_bytes, const void *b, int64_t b_bytes)
{
    uintptr_t from = (uintptr_t)a, to = (uintptr_t)b;
    return a && b && from < to + (uintptr_t)b_bytes && to < from + (uintptr_t)a_bytes;
}

/* The tensor that a pass writes. */
static enum place output_of(const struct convolution *c)
{
    return c->pass == FORWARD ? PLACE_Y : c->pass == INPUT_GRADIENT ? PLACE_X : PLACE_W;
}

static cudnnStatus_t check_place(const struct work *work, enum place place)
{
    static const char *const texts[PLACES] = {"x", "filter", "y", "bias"};
    const struct convolution *c = &work->convolution;
    const void *at = work->places[place];
    int64_t bytes = place_bytes(c, place);
    enum place out = output_of(c);
    if (!at)
        return refuse(CUDNN_STATUS_BAD_PARAM, "the variant pack has no pointer for the tensor of uid %lld",
                      (long long)c->uids[place]);
    if ((uintptr_t)at % (uintptr_t)c->alignments[place])
        return refuse(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, "%s is not aligned as its descriptor says", texts[place]);
    if (!fake_is_device(at, (size_t)bytes))
        fake_misuse("cudnnBackendExecute (%s): %s, %lld bytes, does not lie in one allocation of the device", pass_names[c->pass],
                    texts[place], (long long)bytes);
    if (place != out && overlap(at, bytes, work->places[out], place_bytes(c, out)))
        fake_misuse("cudnnBackendExecute (%s): %s overlaps what is written", pass_names[c->pass], texts[place]);
    if (overlap(at, bytes, work->workspace, work->workspace_bytes))
        fake_misuse("cudnnBackendExecute (%s): %s overlaps the workspace", pass_names[c->pass], texts[place]);
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t work_fill(struct work *work, const struct descriptor *plan, const struct descriptor *pack)
{
    const struct value *workspace = value_find(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
    *work = (struct work){
        .convolution = plan->convolution, .manner = *engine_manner(plan->engine), .workspace_bytes = plan_workspace(plan),
        .workspace = workspace->count ? *(void **)workspace->elements : NULL,
    };
    if (work->workspace_bytes > 0 && !work->workspace)
        return refuse(CUDNN_STATUS_BAD_PARAM, "the variant pack has no workspace, and %lld bytes are needed",
                      (long long)work->workspace_bytes);
    if (work->workspace_bytes > 0 && !fake_is_device(work->workspace, (size_t)work->workspace_bytes))
        fake_misuse("cudnnBackendExecute (%s): a workspace of %lld bytes is needed, and does not lie in one allocation",
                    pass_names[plan->convolution.pass], (long long)work->workspace_bytes);
    int places = plan->convolution.bias ? PLACES : PLACE_BIAS;
    for (int place = 0; place < places; place++)
        work->places[place] = pack_pointer(pack, plan->convolution.uids[place]);
    for (int place = 0; place < places; place++) {
        cudnnStatus_t status = check_place(work, (enum place)place);
        if (status != CUDNN_STATUS_SUCCESS)
            return status;
    }
    return CUDNN_STATUS_SUCCESS;
}

/* What a plan was made of must exist as long as the plan runs. */
static void check_parts(const struct descriptor *plan)
{
    if (!fake_is_taken(descriptors, plan->config) || !fake_is_taken(descriptors, plan->graph) ||
        (plan->config->of && !fake_is_taken(descriptors, plan->config->of)))
        fake_misuse("cudnnBackendExecute: the plan's engine, its configuration or graph was destroyed");
}

/* Checks a launch, as far as it does not depend on the work. An error left by an earlier call is taken for the launch's own. */
static cudnnStatus_t check_launch(cudnnHandle_t handle, const struct manner *manner)
{
    cudaError_t error = fake_left();
    if (error != cudaSuccess)
        return refuse(CUDNN_STATUS_EXECUTION_FAILED_CUDART, "an error of an earlier call: %s", cudaGetErrorString(error));
    if (manner->fails) {
        fake_leave(cudaErrorLaunchOutOfResources);
        return refuse(CUDNN_STATUS_EXECUTION_FAILED, "the engine cannot be launched");
    }
    error = manner->waits ? fake_wait(handle->stream) : cudaSuccess;
    return error == cudaSuccess ? CUDNN_STATUS_SUCCESS :
                                  refuse(CUDNN_STATUS_EXECUTION_FAILED_CUDART, "%s", cudaGetErrorString(error));
}

EXPORT cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack)
{
    const struct descriptor *p = plan, *v = pack;
    struct work work;
    if (fake_call("cudnnBackendExecute"))
        return told_to_fail(CUDNN_STATUS_EXECUTION_FAILED, "cudnnBackendExecute");
    if (!handle || !fake_is_taken(handles, handle))
        return refuse(CUDNN_STATUS_BAD_PARAM, "cudnnBackendExecute: that is no handle");
    if (!is_live(p, "cudnnBackendExecute") || !is_live(v, "cudnnBackendExecute"))
        return refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "cudnnBackendExecute: no plan, or no variant pack");
    if (p->kind->type != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR || v->kind->type != CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)
        return refuse(CUDNN_STATUS_BAD_PARAM, "cudnnBackendExecute: a %s and a %s", p->kind->name, v->kind->name);
    if (!p->finalized || !v->finalized)
        return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "cudnnBackendExecute: the plan or the variant pack is not finalised");
    check_parts(p);
    cudnnStatus_t status = work_fill(&work, p, v);
    if (status == CUDNN_STATUS_SUCCESS)
        status = check_launch(handle, &work.manner);
    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    cudaError_t error = fake_enqueue(handle->stream, pass_names[p->convolution.pass], work_run, &work, sizeof work);
    return error == cudaSuccess ? CUDNN_STATUS_SUCCESS :
                                  refuse(CUDNN_STATUS_EXECUTION_FAILED_CUDART, "%s", cudaGetErrorString(error));
}
