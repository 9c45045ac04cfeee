/* Pinned host memory: allocated by the runtime, or registered. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "inside.h"

enum { PAGE = 4096, NAN_BYTE = 0xff };

struct range {
    char *at;
    size_t bytes;
    bool registered;
};

static struct {
    struct range *at;
    int count, room;
} pinned;

static void add(struct range range)
{
    if (pinned.count == pinned.room) {
        pinned.room = 2 * pinned.room + 16;
        pinned.at = need(realloc(pinned.at, (size_t)pinned.room * sizeof *pinned.at));
    }
    pinned.at[pinned.count++] = range;
    fake_taken(range.registered ? "registered memory" : "pinned memory", range.at);
}

/* Removes the range that begins there; its bytes are 0 if there is none. */
static struct range take_out(const void *at, bool registered)
{
    for (int i = 0; i < pinned.count; i++) {
        struct range range = pinned.at[i];
        if (range.at != at || range.registered != registered)
            continue;
        const char *user = queue_uses(at, range.bytes);
        if (user)
            fake_misuse("pinned memory (%zu bytes) is given back before queued work that uses it was done: %s", range.bytes, user);
        pinned.at[i] = pinned.at[--pinned.count];
        fake_given_back(registered ? "registered memory" : "pinned memory", at);
        return range;
    }
    return (struct range){0};
}

/* Bytes in whole pages; a closed page follows them and stops accesses beyond the end. */
static size_t mapped(size_t bytes)
{
    return (bytes + PAGE - 1) / PAGE * PAGE;
}

static cudaError_t allocate(void **at, size_t bytes)
{
    if (!at)
        return cudaErrorInvalidValue;
    *at = NULL;
    if (bytes == 0)
        return cudaSuccess;
    char *pages = mmap(NULL, mapped(bytes) + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages, mapped(bytes), PROT_READ | PROT_WRITE))
        return cudaErrorMemoryAllocation;
    memset(pages, NAN_BYTE, bytes);
    add((struct range){pages, bytes, false});
    *at = pages;
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **at, size_t bytes, unsigned flags)
{
    cudaError_t status = call_begin_unsafe(__func__, cudaErrorMemoryAllocation);
    if (status)
        return status;
    if (flags & ~(unsigned)(cudaHostAllocPortable | cudaHostAllocMapped | cudaHostAllocWriteCombined))
        return call_end(cudaErrorInvalidValue);
    return call_end(allocate(at, bytes));
}

cudaError_t cudaFreeHost(void *at)
{
    cudaError_t status = call_begin_unsafe(__func__, cudaErrorInvalidValue);
    if (status || !at)
        return status;
    struct range range = take_out(at, false);
    if (range.bytes == 0)
        return call_end(cudaErrorInvalidValue);
    munmap(range.at, mapped(range.bytes) + PAGE);
    return cudaSuccess;
}

static bool overlap(const struct range *range, const char *at, size_t bytes)
{
    return at < range->at + range->bytes && range->at < at + bytes;
}

cudaError_t cudaHostRegister(void *at, size_t bytes, unsigned flags)
{
    cudaError_t status = call_begin_unsafe(__func__, cudaErrorMemoryAllocation);
    if (status)
        return status;
    if (!at || bytes == 0 || flags & ~(unsigned)(cudaHostRegisterPortable | cudaHostRegisterMapped | cudaHostRegisterReadOnly))
        return call_end(cudaErrorInvalidValue);
    for (int i = 0; i < pinned.count; i++)
        if (overlap(&pinned.at[i], at, bytes))
            return call_end(cudaErrorHostMemoryAlreadyRegistered);
    add((struct range){at, bytes, true});
    return cudaSuccess;
}

cudaError_t cudaHostUnregister(void *at)
{
    cudaError_t status = call_begin_unsafe(__func__, cudaErrorInvalidValue);
    if (status)
        return status;
    if (!at)
        return call_end(cudaErrorInvalidValue);
    return take_out(at, true).bytes ? cudaSuccess : call_end(cudaErrorHostMemoryNotRegistered);
}

bool fake_is_pinned(const void *at, size_t bytes)
{
    for (int i = 0; i < pinned.count; i++) {
        const struct range *range = &pinned.at[i];
        size_t offset = (size_t)((const char *)at - range->at);
        if ((const char *)at >= range->at && offset <= range->bytes && bytes <= range->bytes - offset)
            return true;
    }
    return false;
}
