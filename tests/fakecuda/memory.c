/* Device memory: real addresses in one large range that nothing may touch except queued work while it runs. An allocation ends
 * (rounded up to 256 bytes, the alignment of its beginning) at the end of a page, with closed pages after and before it. Freed
 * memory stays closed, and its addresses are never used again. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "inside.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#define ARENA ((size_t)1 << 40)
enum { PAGE = 4096, GUARD = 16 * PAGE, ALIGN = 256, GRAIN = 512, NAN_BYTE = 0xff, SLACK_BYTE = 0xa5, CODE_MISUSE = 87 };

struct block {
    char *pages, *data;
    size_t page_bytes, bytes;
    int device;
};

struct blocks {
    struct block *at; /* live ones by rising address */
    int count, room;
};

static struct {
    char *base;
    size_t used; /* addresses */
    struct blocks live, dead;
    size_t taken[DEVICES_MAX]; /* bytes */
    int open;                  /* device + 1; 0: closed */
    struct sigaction before;
    char slack[PAGE];
} arena;

static void append(struct blocks *blocks, struct block block)
{
    if (blocks->count == blocks->room) {
        blocks->room = 2 * blocks->room + 64;
        blocks->at = need(realloc(blocks->at, (size_t)blocks->room * sizeof *blocks->at));
    }
    blocks->at[blocks->count++] = block;
}

/* ---- reporting forbidden accesses ---- */

static size_t distance(const char *from, const char *to)
{
    return (size_t)(to - from);
}

static const struct block *find_around(const struct blocks *blocks, const char *at)
{
    for (int i = 0; i < blocks->count; i++) {
        const struct block *b = &blocks->at[i];
        if (at >= b->pages - GUARD && at < b->pages + b->page_bytes + GUARD)
            return b;
    }
    return NULL;
}

static void describe(const char *at, char *text, size_t size)
{
    const struct block *b = find_around(&arena.live, at), *dead = b ? NULL : find_around(&arena.dead, at);
    if (dead)
        snprintf(text, size, "freed device memory (%zu bytes)", dead->bytes);
    else if (!b)
        snprintf(text, size, "what never was device memory");
    else if (at < b->data)
        snprintf(text, size, "%zu bytes before %zu bytes of device memory", distance(at, b->data), b->bytes);
    else if (at >= b->data + b->bytes)
        snprintf(text, size, "%zu bytes behind %zu bytes of device memory", distance(b->data + b->bytes, at), b->bytes);
    else
        snprintf(text, size, "byte %zu of %zu bytes of memory of device %d", distance(b->data, at), b->bytes, b->device);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    const char *at = info->si_addr;
    if (!arena.base || at < arena.base || at >= arena.base + ARENA) {
        sigaction(signal, &arena.before, NULL); /* not ours: the fault is repeated for the earlier handler */
        return;
    }
    char what[256], text[512];
    describe(at, what, sizeof what);
    const char *running = queue_running();
    int n = snprintf(text, sizeof text, "fakecuda: %s%s touched %s\n", running ? "queued work: " : "",
                     running ? running : "the host", what);
    _exit(write(STDERR_FILENO, text, (size_t)n) == n ? CODE_MISUSE : CODE_MISUSE);
}

static void arena_begin(void)
{
    arena.base = mmap(NULL, ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (arena.base == MAP_FAILED)
        fake_misuse("no 2^40 addresses for device memory (ulimit -v?)");
    arena.used = GUARD;
    memset(arena.slack, SLACK_BYTE, sizeof arena.slack);
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    if (sigaction(SIGSEGV, &action, &arena.before))
        fake_misuse("sigaction failed");
}

/* ---- slack: the space between an allocation and the closed pages ---- */

#ifdef __SANITIZE_ADDRESS__
static void slack_fill(const struct block *b)
{
    ASAN_POISON_MEMORY_REGION(b->pages, distance(b->pages, b->data));
    ASAN_POISON_MEMORY_REGION(b->data + b->bytes, b->page_bytes - distance(b->pages, b->data) - b->bytes);
}

void memory_check(const char *what)
{
    (void)what;
}
#else
static size_t tail_bytes(const struct block *b)
{
    return b->page_bytes - distance(b->pages, b->data) - b->bytes;
}

static void slack_fill(const struct block *b)
{
    memset(b->pages, SLACK_BYTE, distance(b->pages, b->data));
    memset(b->data + b->bytes, SLACK_BYTE, tail_bytes(b));
}

void memory_check(const char *what)
{
    for (int i = 0; i < arena.live.count; i++) {
        const struct block *b = &arena.live.at[i];
        if (b->device + 1 != arena.open)
            continue;
        if (memcmp(b->pages, arena.slack, distance(b->pages, b->data)))
            fake_misuse("queued work: %s wrote before %zu bytes of device memory", what, b->bytes);
        if (memcmp(b->data + b->bytes, arena.slack, tail_bytes(b)))
            fake_misuse("queued work: %s wrote behind %zu bytes of device memory", what, b->bytes);
    }
}
#endif

static void protect(const struct block *b, int protection)
{
    if (mprotect(b->pages, b->page_bytes, protection))
        fake_misuse("mprotect of device memory failed");
}

void memory_open(int device)
{
    if (arena.open == device + 1)
        return;
    memory_close();
    arena.open = device + 1;
    for (int i = 0; i < arena.live.count; i++)
        if (arena.live.at[i].device == device)
            protect(&arena.live.at[i], PROT_READ | PROT_WRITE);
}

void memory_close(void)
{
    for (int i = 0; arena.open && i < arena.live.count; i++)
        if (arena.live.at[i].device + 1 == arena.open)
            protect(&arena.live.at[i], PROT_NONE);
    arena.open = 0;
}

/* ---- cudaMalloc, cudaFree ---- */

static size_t round_up(size_t bytes, size_t to)
{
    return (bytes + to - 1) / to * to;
}

static bool fits(int device, size_t bytes)
{
    return bytes <= devices()->memory && arena.taken[device] + round_up(bytes, GRAIN) <= devices()->memory;
}

/* Filled with bytes 0xff: a float is NaN, an index is far out of range. */
static struct block block_new(int device, size_t bytes)
{
    if (!arena.base)
        arena_begin();
    struct block b = {.page_bytes = round_up(bytes, PAGE), .bytes = bytes, .device = device};
    if (arena.used + b.page_bytes + GUARD > ARENA)
        fake_misuse("all 2^40 addresses of device memory were used");
    b.pages = arena.base + arena.used;
    b.data = b.pages + b.page_bytes - round_up(bytes, ALIGN);
    arena.used += b.page_bytes + GUARD;
    protect(&b, PROT_READ | PROT_WRITE);
    memset(b.data, NAN_BYTE, bytes);
    slack_fill(&b);
    protect(&b, PROT_NONE);
    arena.taken[device] += round_up(bytes, GRAIN);
    append(&arena.live, b);
    return b;
}

cudaError_t cudaMalloc(void **at, size_t bytes)
{
    cudaError_t status = call_begin_unsafe(__func__, cudaErrorMemoryAllocation);
    if (status)
        return status;
    if (!at)
        return call_end(cudaErrorInvalidValue);
    if (bytes == 0) {
        *at = NULL;
        return cudaSuccess;
    }
    if (!fits(device_current(), bytes))
        return call_end(cudaErrorMemoryAllocation);
    *at = block_new(device_current(), bytes).data;
    return cudaSuccess;
}

static int find_live(const void *data)
{
    for (int i = 0; i < arena.live.count; i++)
        if (arena.live.at[i].data == data)
            return i;
    return -1;
}

static void block_free(int index)
{
    struct block b = arena.live.at[index];
    if (mmap(b.pages, b.page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != b.pages)
        fake_misuse("mmap of device memory failed");
    arena.taken[b.device] -= round_up(b.bytes, GRAIN);
    arena.live.count--;
    memmove(&arena.live.at[index], &arena.live.at[index + 1], (size_t)(arena.live.count - index) * sizeof b);
    append(&arena.dead, b);
}

/* Does not wait for work that uses the memory; code that relies on waiting is detected when the work runs. */
cudaError_t cudaFree(void *at)
{
    cudaError_t status = call_begin_unsafe(__func__, cudaErrorInvalidValue);
    if (status || !at)
        return status;
    int index = find_live(at);
    if (index < 0)
        return call_end(cudaErrorInvalidValue);
    block_free(index);
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total)
{
    cudaError_t status = call_begin(__func__, cudaErrorInvalidValue);
    if (status)
        return status;
    *total = devices()->memory;
    *free_bytes = *total - arena.taken[device_current()];
    return cudaSuccess;
}

/* The last live block that begins at or before `at`. */
static const struct block *find_block(const char *at)
{
    int low = 0, high = arena.live.count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (arena.live.at[middle].data <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &arena.live.at[low - 1] : NULL;
}

/* While work runs, this refers to the device that it runs on. */
bool fake_is_device(const void *at, size_t bytes)
{
    const struct block *b = find_block(at);
    size_t offset = b ? distance(b->data, at) : 0;
    int device = arena.open ? arena.open - 1 : device_current();
    return b && b->device == device && offset <= b->bytes && bytes <= b->bytes - offset;
}

int memory_left(void)
{
    for (int i = 0; i < arena.live.count; i++)
        fprintf(stderr, "fakecuda: not given back: %zu bytes of device memory\n", arena.live.at[i].bytes);
    return arena.live.count;
}
