/* What every call does: counts, requested failures, the last error; and the end of the process. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "inside.h"

enum { NAMES_MAX = 512, FAILURES_MAX = 4, CODE_LEFT = 86, CODE_MISUSE = 87 };

struct count {
    const char *name;
    bool run;
    long n;
};

struct failure {
    char name[128];
    bool run, lasts; /* lasts: later calls fail too */
    long n;
};

static struct {
    bool begun;
    pid_t process;
    pthread_t thread;
    uint64_t random;
    struct count counts[NAMES_MAX];
    int count_count;
    struct failure failures[FAILURES_MAX];
    int failure_count;
    cudaError_t last, broken;
} calls;

static void finish(void);

static bool read_failure(const char *wish)
{
    struct failure *f = &calls.failures[calls.failure_count++];
    char *end = NULL;
    f->run = strncmp(wish, "run:", 4) == 0;
    const char *name = wish + (f->run ? 4 : 0), *colon = strrchr(name, ':');
    if (!colon || colon - name >= (ptrdiff_t)sizeof f->name)
        return false;
    memcpy(f->name, name, (size_t)(colon - name));
    f->n = strtol(colon + 1, &end, 10);
    f->lasts = *end == '+';
    return f->n >= 1;
}

static void read_failures(const char *wishes)
{
    char text[512];
    snprintf(text, sizeof text, "%s", wishes);
    for (const char *wish = strtok(text, ","); wish; wish = strtok(NULL, ","))
        if (calls.failure_count == FAILURES_MAX || !read_failure(wish))
            fake_misuse("FAKECUDA_FAIL=%s is not NAME:K or run:NAME:K, %d of them at most", wishes, FAILURES_MAX);
}

static void begin(void)
{
    calls.begun = true;
    calls.process = getpid();
    calls.thread = pthread_self();
    const char *seed = getenv("FAKECUDA_SEED"), *wish = getenv("FAKECUDA_FAIL");
    calls.random = seed ? strtoull(seed, NULL, 10) : 1;
    if (wish && *wish)
        read_failures(wish);
    if (atexit(finish))
        fake_misuse("atexit failed");
}

static long count_up(const char *name, bool run)
{
    for (int i = 0; i < calls.count_count; i++)
        if (calls.counts[i].run == run && strcmp(calls.counts[i].name, name) == 0)
            return ++calls.counts[i].n;
    if (calls.count_count == NAMES_MAX)
        fake_misuse("more than %d names to count", NAMES_MAX);
    calls.counts[calls.count_count++] = (struct count){name, run, 1};
    return 1;
}

long fake_calls(const char *name)
{
    for (int i = 0; i < calls.count_count; i++)
        if (!calls.counts[i].run && strcmp(calls.counts[i].name, name) == 0)
            return calls.counts[i].n;
    return 0;
}

static bool is_to_fail(const char *name, bool run, long n)
{
    for (const struct failure *f = calls.failures; f < calls.failures + calls.failure_count; f++)
        if (run == f->run && (n == f->n || (f->lasts && n > f->n)) && strcmp(name, f->name) == 0)
            return true;
    return false;
}

bool fake_call(const char *name)
{
    if (!calls.begun)
        begin();
    if (getpid() != calls.process)
        fake_misuse("%s was called after fork, in the child: there CUDA does not work", name);
    if (!pthread_equal(pthread_self(), calls.thread))
        fake_misuse("%s was called by a second thread: the backend's calls are made by one", name);
    if (queue_running())
        fake_misuse("%s was called by queued work (%s)", name, queue_running());
    return is_to_fail(name, false, count_up(name, false));
}

cudaError_t call_begin(const char *name, cudaError_t failure)
{
    bool fails = fake_call(name);
    if (devices()->count <= 0)
        return call_end(devices()->count < 0 ? cudaErrorInsufficientDriver : cudaErrorNoDevice);
    if (calls.broken)
        return call_end(calls.broken);
    return fails ? call_end(failure) : cudaSuccess;
}

cudaError_t call_begin_unsafe(const char *name, cudaError_t failure)
{
    cudaError_t status = call_begin(name, failure);
    return !status && capture_forbids() ? call_end(cudaErrorStreamCaptureUnsupported) : status;
}

cudaError_t call_end(cudaError_t status)
{
    if (!status)
        status = calls.broken; /* work that was just waited for may have failed */
    if (status)
        calls.last = status;
    return status;
}

bool call_run(const char *what)
{
    bool fails = is_to_fail(what, true, count_up(what, true));
    if (fails)
        calls.broken = cudaErrorIllegalAddress;
    return fails;
}

bool call_broken(void)
{
    return calls.broken != cudaSuccess;
}

void fake_leave(cudaError_t error)
{
    call_end(error);
}

cudaError_t fake_left(void)
{
    return calls.last;
}

cudaError_t cudaGetLastError(void)
{
    cudaError_t last = calls.broken ? calls.broken : calls.last;
    calls.last = cudaSuccess;
    return fake_call(__func__) ? cudaErrorUnknown : last;
}

/* ---- the end ---- */

void fake_misuse(const char *format, ...)
{
    va_list list;
    char text[1024];
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    fflush(NULL);
    dprintf(STDERR_FILENO, "fakecuda: %s\n", text);
    _exit(CODE_MISUSE);
}

/* Makes a single write per process, so that ranks do not mix their lines. */
static void write_counts(const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *lines = open_memstream(&text, &size);
    need(lines);
    for (int i = 0; i < calls.count_count; i++)
        fprintf(lines, "%s %s %ld\n", calls.counts[i].run ? "run" : "call", calls.counts[i].name, calls.counts[i].n);
    fclose(lines);
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (file < 0 || write(file, text, size) != (ssize_t)size || close(file))
        fake_misuse("FAKECUDA_COUNT=%s: %s", path, strerror(errno));
    free(text);
}

static void finish(void)
{
    if (getpid() != calls.process)
        return;
    queue_run_device(-1);
    const char *path = getenv("FAKECUDA_COUNT");
    if (path && *path)
        write_counts(path);
    if (memory_left() + objects_left() > 0) {
        fflush(NULL);
        _exit(CODE_LEFT);
    }
}

void *need(void *memory)
{
    if (!memory)
        fake_misuse("the host has no memory left");
    return memory;
}

/* ---- random numbers: splitmix64 ---- */

static uint64_t random_next(void)
{
    uint64_t x = calls.random += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

size_t random_below(size_t n)
{
    return (size_t)(random_next() % n);
}

double random_fraction(void)
{
    return (double)(random_next() >> 11) * 0x1p-53;
}

void fake_shuffle(size_t *order, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t j = random_below(i + 1);
        order[i] = order[j];
        order[j] = i;
    }
}
