/* Shared by the referee's own tests. Each case runs in a child process with its own environment, because many cases check how a
 * process ends. */
#ifndef FAKECUDA_REFEREE_H
#define FAKECUDA_REFEREE_H

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake.h"

enum { SEEDS = 20, LEFT = 86, MISUSE = 87, WRONG = 99 };

/* ---- in the child ---- */

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            _exit(WRONG);                                                                                              \
        }                                                                                                              \
    } while (0)
#define DO(call) MUST((call) == cudaSuccess)

enum operation { ADD_ONE, ADD, DOUBLE_ADD_ONE, WRITE_BEHIND, WRITE_BEFORE, WRITE_FAR_BEHIND };

/* The tests' only kernel, in blocks of 32 threads. */
struct test_arguments {
    float *x;
    const float *y;
    int n, operation;
};

size_t twin_argument_bytes(const char *name)
{
    return strcmp(name, "kernel_test") == 0 ? sizeof(struct test_arguments) : 0;
}

bool twin_run(const char *name, dim3 grid, dim3 block, const void *arguments)
{
    const struct test_arguments *a = arguments;
    (void)name, (void)grid;
    for (int i = 0; i < a->n && a->operation <= DOUBLE_ADD_ONE; i++)
        a->x[i] = a->operation == ADD_ONE ? a->x[i] + 1 : a->operation == ADD ? a->x[i] + a->y[i] : 2 * a->x[i] + 1;
    if (a->operation == WRITE_BEHIND)
        a->x[a->n] = 0;
    if (a->operation == WRITE_BEFORE)
        a->x[-1] = 0;
    if (a->operation == WRITE_FAR_BEHIND)
        a->x[a->n + 1000] = 0;
    return block.x == 32;
}

void __cudaRegisterFunction(void **, const char *, char *, const char *, int, uint3 *, uint3 *, dim3 *, dim3 *, int *);
static const char stub;

/* early: it may start before the work that it follows has ended. */
static inline cudaError_t launch_as(bool early, cudaStream_t stream, enum operation operation, float *x, const float *y, int n)
{
    static bool registered;
    if (!registered)
        __cudaRegisterFunction(NULL, &stub, NULL, "kernel_test", -1, NULL, NULL, NULL, NULL, NULL);
    registered = true;
    struct test_arguments a = {x, y, n, (int)operation};
    void *args[] = {&a};
    if (!early)
        return cudaLaunchKernel(&stub, (dim3){1, 1, 1}, (dim3){32, 1, 1}, args, 0, stream);
    cudaLaunchAttribute attribute = {.id = cudaLaunchAttributeProgrammaticStreamSerialization,
                                     .val = {.programmaticStreamSerializationAllowed = 1}};
    cudaLaunchConfig_t config = {.gridDim = {1, 1, 1}, .blockDim = {32, 1, 1}, .stream = stream, .attrs = &attribute,
                                 .numAttrs = 1};
    return cudaLaunchKernelExC(&config, &stub, args);
}

static inline cudaError_t launch(cudaStream_t stream, enum operation operation, float *x, const float *y, int n)
{
    return launch_as(false, stream, operation, x, y, n);
}

static inline float *device_floats(int n)
{
    void *at;
    DO(cudaMalloc(&at, (size_t)n * sizeof(float)));
    return at;
}

static inline float *pinned_floats(int n)
{
    void *at;
    DO(cudaHostAlloc(&at, (size_t)n * sizeof(float), cudaHostAllocDefault));
    return at;
}

static inline cudaStream_t stream_new(void)
{
    cudaStream_t stream;
    DO(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    return stream;
}

static inline cudaEvent_t event_new(void)
{
    cudaEvent_t event;
    DO(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    return event;
}

/* Copies to the device, and waits. */
static inline float *upload(const void *host, size_t bytes)
{
    void *at;
    DO(cudaMalloc(&at, bytes));
    DO(cudaMemcpy(at, host, bytes, cudaMemcpyHostToDevice));
    DO(cudaDeviceSynchronize());
    return at;
}

/* n floats of that value on the device, finished. */
static inline float *device_filled(int n, float value)
{
    float host[4096];
    MUST(n <= 4096);
    for (int i = 0; i < n; i++)
        host[i] = value;
    return upload(host, (size_t)n * sizeof *host);
}

static inline float device_first(const float *at)
{
    float value;
    DO(cudaMemcpy(&value, at, sizeof value, cudaMemcpyDeviceToHost));
    return value;
}

/* ---- in the parent ---- */

struct outcome {
    int code;
    char text[8192]; /* standard error */
};

static inline void set_environment(const char *const *settings, int seed)
{
    char text[16];
    snprintf(text, sizeof text, "%d", seed);
    setenv("FAKECUDA_SEED", text, 1);
    unsetenv("CUDA_VISIBLE_DEVICES");
    for (; settings && *settings; settings += 2)
        setenv(settings[0], settings[1], 1);
}

/* settings: names and values, ending with NULL. */
static inline struct outcome run_child(void (*body)(void), int seed, const char *const *settings)
{
    struct outcome outcome = {0};
    int ends[2], status;
    size_t got = 0;
    ssize_t n;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        signal(SIGSEGV, SIG_DFL); /* cmocka has its own */
        set_environment(settings, seed);
        body();
        exit(0);
    }
    close(ends[1]);
    while (got < sizeof outcome.text - 1 && (n = read(ends[0], outcome.text + got, sizeof outcome.text - 1 - got)) > 0)
        got += (size_t)n;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return outcome;
}

static inline void expect_code(void (*body)(void), int code, const char *sentence, const char *const *settings)
{
    for (int seed = 1; seed <= 3; seed++) {
        struct outcome outcome = run_child(body, seed, settings);
        if (outcome.code != code || !strstr(outcome.text, sentence))
            fail_msg("expected code %d and '%s', found %d: %s", code, sentence, outcome.code, outcome.text);
    }
}

#define SETTINGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline void expect_fine(void (*body)(void))
{
    expect_code(body, 0, "", NULL);
}

static inline void expect_misuse(void (*body)(void), const char *sentence)
{
    expect_code(body, MISUSE, sentence, NULL);
}

/* For how many seeds the body finds something wrong. */
static inline int wrong_seeds(void (*body)(void))
{
    int wrong = 0;
    for (int seed = 1; seed <= SEEDS; seed++) {
        struct outcome outcome = run_child(body, seed, NULL);
        if (outcome.code != 0 && outcome.code != WRONG)
            fail_msg("seed %d: code %d: %s", seed, outcome.code, outcome.text);
        wrong += outcome.code == WRONG;
    }
    return wrong;
}

#endif
