/* Copies and fills. For host memory, they follow 'API synchronization behavior' in CUDA's manual. */
#include <string.h>

#include "inside.h"

struct copy {
    void *to;
    const void *from;
    size_t bytes;
    bool to_device, from_device;
};

static void run_copy(const void *state)
{
    const struct copy *c = state;
    if (c->to_device && !fake_is_device(c->to, c->bytes))
        fake_misuse("a copy of %zu bytes to device memory that was freed meanwhile", c->bytes);
    if (c->from_device && !fake_is_device(c->from, c->bytes))
        fake_misuse("a copy of %zu bytes from device memory that was freed meanwhile", c->bytes);
    memcpy(c->to, c->from, c->bytes);
}

static struct work copy_work(const char *what, const struct copy *c)
{
    struct work work = {.what = what, .run = run_copy, .state = c, .bytes = sizeof *c};
    bool from_pinned = !c->from_device && fake_is_pinned(c->from, c->bytes);
    bool to_pinned = !c->to_device && fake_is_pinned(c->to, c->bytes);
    work.reads = from_pinned ? c->from : NULL;
    work.writes = to_pinned ? c->to : NULL;
    work.host_bytes = from_pinned || to_pinned ? c->bytes : 0;
    return work;
}

/* Makes the checks that are possible beforehand. If the kind contradicts the addresses, that is an invalid value. */
static cudaError_t copy_init(struct copy *c, enum cudaMemcpyKind kind)
{
    c->to_device = fake_is_device(c->to, c->bytes);
    c->from_device = fake_is_device(c->from, c->bytes);
    if ((unsigned)kind > cudaMemcpyDefault)
        return cudaErrorInvalidMemcpyDirection;
    bool to_device = kind == cudaMemcpyDefault ? c->to_device : kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    bool from_device =
        kind == cudaMemcpyDefault ? c->from_device : kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (!c->to || !c->from || to_device != c->to_device || from_device != c->from_device)
        return cudaErrorInvalidValue;
    /* fake_is_device is false for a range that begins in device memory but is too long. */
    if ((!to_device && fake_is_device(c->to, 1)) || (!from_device && fake_is_device(c->from, 1)))
        return cudaErrorInvalidValue;
    if ((const char *)c->to < (const char *)c->from + c->bytes && (const char *)c->from < (char *)c->to + c->bytes)
        fake_misuse("a copy of %zu bytes whose source and destination overlap", c->bytes);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t handle)
{
    struct CUstream_st *stream = NULL;
    struct copy c = {.to = to, .from = from, .bytes = bytes};
    cudaError_t status = call_begin(__func__, cudaErrorInvalidValue);
    if (status || bytes == 0)
        return status;
    if (!(stream = stream_find(handle)))
        return call_end(cudaErrorInvalidResourceHandle);
    if ((status = copy_init(&c, kind)))
        return call_end(status);
    if ((!c.from_device && !fake_is_pinned(from, bytes)) || (!c.to_device && !fake_is_pinned(to, bytes)))
        fake_misuse("asynchronous copy %s pageable memory (%zu bytes)", c.from_device ? "to" : "from", bytes);
    struct work work = copy_work(__func__, &c);
    return call_end(stream_add(stream, &work));
}

/* ---- on the legacy stream ---- */

struct staged {
    void *to;
    size_t bytes;
    char data[];
};

static void run_staged(const void *state)
{
    const struct staged *s = state;
    if (!fake_is_device(s->to, s->bytes))
        fake_misuse("a copy of %zu bytes to device memory that was freed meanwhile", s->bytes);
    memcpy(s->to, s->data, s->bytes);
}

/* From pageable memory: returns once the data are in a buffer of the driver; they may arrive later. */
static cudaError_t copy_staged(struct CUstream_st *legacy, const struct copy *c, const char *what)
{
    stream_wait(legacy);
    struct staged *s = need(malloc(sizeof *s + c->bytes));
    s->to = c->to;
    s->bytes = c->bytes;
    memcpy(s->data, c->from, c->bytes);
    struct work work = {.what = what, .run = run_staged, .state = s, .bytes = sizeof *s + c->bytes};
    cudaError_t status = stream_add(legacy, &work);
    free(s);
    return status;
}

static cudaError_t copy_now(const struct copy *c, const char *what)
{
    struct CUstream_st *legacy = stream_find(NULL);
    if (!c->from_device && !c->to_device)
        fake_misuse("%s from host to host: not known here", what);
    if (capture_forbids_legacy(legacy->device))
        return cudaErrorStreamCaptureImplicit;
    if (!c->from_device && !fake_is_pinned(c->from, c->bytes))
        return copy_staged(legacy, c, what);
    struct work work = copy_work(what, c);
    cudaError_t status = stream_add(legacy, &work);
    if (!status && !(c->from_device && c->to_device)) /* the host does not wait for a copy on the device */
        stream_wait(legacy);
    return status;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind)
{
    struct copy c = {.to = to, .from = from, .bytes = bytes};
    cudaError_t status = call_begin_unsafe(__func__, cudaErrorInvalidValue);
    if (status || bytes == 0)
        return status;
    status = copy_init(&c, kind);
    return call_end(status ? status : copy_now(&c, __func__));
}

/* ---- fills ---- */

struct fill {
    void *at;
    int value;
    size_t bytes;
};

static void run_fill(const void *state)
{
    const struct fill *f = state;
    if (!fake_is_device(f->at, f->bytes))
        fake_misuse("a fill of %zu bytes of device memory that was freed meanwhile", f->bytes);
    memset(f->at, f->value, f->bytes);
}

static cudaError_t fill(void *at, int value, size_t bytes, const char *what)
{
    struct fill f = {at, value, bytes};
    struct work work = {.what = what, .run = run_fill, .state = &f, .bytes = sizeof f};
    if (bytes == 0)
        return cudaSuccess;
    return fake_is_device(at, bytes) ? stream_add(stream_find(NULL), &work) : cudaErrorInvalidValue;
}

/* Asynchronous for device memory: the host does not wait. */
cudaError_t cudaMemset(void *at, int value, size_t bytes)
{
    cudaError_t status = call_begin_unsafe(__func__, cudaErrorInvalidValue);
    return status ? status : call_end(fill(at, value, bytes, __func__));
}
