/* The referee's rules for memory: each is broken once, and detected. */
#include "referee.h"

/* ---- device memory ---- */

static void body_host_reads(void)
{
    volatile float *x = device_filled(10, 1);
    MUST(x[3] != 7);
}

static void body_host_writes_fresh(void)
{
    device_floats(10)[9] = 1;
}

static void test_host_cannot_touch_device_memory(void **state)
{
    (void)state;
    expect_misuse(body_host_writes_fresh, "the host touched byte 36 of 40 bytes");
    expect_misuse(body_host_reads, "the host touched byte 12 of 40 bytes");
}

static void body_host_reads_after_work(void)
{
    float *x = device_filled(10, 1);
    DO(launch(NULL, ADD_ONE, x, NULL, 10));
    DO(cudaDeviceSynchronize());
    MUST(x[0] == 2);
}

static void test_device_memory_is_closed_after_work(void **state)
{
    (void)state;
    expect_misuse(body_host_reads_after_work, "the host touched byte 0 of 40 bytes");
}

static void break_bounds(enum operation operation)
{
    float *x = device_filled(11, 1);
    DO(launch(NULL, operation, x, NULL, 11));
    DO(cudaDeviceSynchronize());
}

static void body_behind(void) { break_bounds(WRITE_BEHIND); }
static void body_before(void) { break_bounds(WRITE_BEFORE); }
static void body_far_behind(void) { break_bounds(WRITE_FAR_BEHIND); }

static void test_bounds(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    expect_code(body_behind, 1, "use-after-poison", NULL);
    expect_code(body_before, 1, "use-after-poison", NULL);
#else
    expect_misuse(body_behind, "kernel_test wrote behind 44 bytes");
    expect_misuse(body_before, "kernel_test wrote before 44 bytes");
#endif
    expect_misuse(body_far_behind, "queued work: kernel_test touched 4000 bytes behind 44 bytes");
}

static void body_freed_before_work(void)
{
    float *x = device_filled(10, 1);
    DO(launch(NULL, ADD_ONE, x, NULL, 10));
    DO(cudaFree(x));
}

static void body_freed_before_copy(void)
{
    float *x = device_filled(10, 1), *host = pinned_floats(10);
    DO(cudaMemcpyAsync(host, x, 40, cudaMemcpyDeviceToHost, stream_new()));
    DO(cudaFree(x));
}

static void test_work_finds_freed_memory(void **state)
{
    (void)state;
    expect_misuse(body_freed_before_work, "queued work: kernel_test touched freed device memory (40 bytes)");
    expect_misuse(body_freed_before_copy, "from device memory that was freed meanwhile");
}

static void body_fresh(void)
{
    float *x = device_floats(1000), host[1000];
    DO(cudaMemcpy(host, x, sizeof host, cudaMemcpyDeviceToHost));
    for (int i = 0; i < 1000; i++)
        MUST(isnan(host[i]));
    MUST((uintptr_t)x % 256 == 0);
    DO(cudaFree(x));
    float *pinned = pinned_floats(3);
    MUST(isnan(pinned[0]) && isnan(pinned[2]));
    DO(cudaFreeHost(pinned));
}

static void test_fresh_memory_is_nan(void **state)
{
    (void)state;
    expect_fine(body_fresh);
}

static void body_frees(void)
{
    float *x = device_floats(10), host;
    void *none = &x;
    MUST(cudaFree(x + 1) == cudaErrorInvalidValue && cudaFree(&host) == cudaErrorInvalidValue);
    MUST(cudaGetLastError() == cudaErrorInvalidValue && cudaGetLastError() == cudaSuccess);
    DO(cudaFree(x));
    MUST(cudaFree(x) == cudaErrorInvalidValue);
    DO(cudaFree(NULL));
    DO(cudaMalloc(&none, 0));
    MUST(none == NULL && cudaMalloc(NULL, 4) == cudaErrorInvalidValue);
    MUST(cudaFreeHost(&host) == cudaErrorInvalidValue);
}

static void test_frees(void **state)
{
    (void)state;
    expect_fine(body_frees);
}

static void body_limit(void)
{
    void *a, *b;
    size_t rest, total;
    DO(cudaMalloc(&a, 900000));
    MUST(cudaMalloc(&b, 200000) == cudaErrorMemoryAllocation && cudaGetLastError() == cudaErrorMemoryAllocation);
    DO(cudaMemGetInfo(&rest, &total));
    MUST(total == 1000000 && rest <= 100000 && rest > 99000);
    DO(cudaFree(a));
    DO(cudaMalloc(&b, 200000));
    DO(cudaFree(b));
}

static void test_limit(void **state)
{
    (void)state;
    expect_code(body_limit, 0, "", SETTINGS("FAKECUDA_MEMORY", "1000000"));
}

/* ---- leaks ---- */

static void body_left_memory(void) { device_floats(25); }
static void body_left_pinned(void) { pinned_floats(5); }

static void body_left_registered(void)
{
    static float own[100];
    DO(cudaHostRegister(own, sizeof own, 0));
}

static void body_left_stream(void)
{
    stream_new();
    stream_new();
}

static void body_left_event(void) { event_new(); }

static void test_leaks(void **state)
{
    (void)state;
    expect_code(body_left_memory, LEFT, "not given back: 100 bytes of device memory", NULL);
    expect_code(body_left_pinned, LEFT, "1 of kind pinned memory", NULL);
    expect_code(body_left_registered, LEFT, "1 of kind registered memory", NULL);
    expect_code(body_left_stream, LEFT, "2 of kind stream", NULL);
    expect_code(body_left_event, LEFT, "1 of kind event", NULL);
}

/* ---- copies ---- */

static void body_copy_arguments(void)
{
    float *x = device_floats(10), *y = device_floats(10), host[10] = {0};
    MUST(cudaMemcpy(x, host, 40, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
    MUST(cudaMemcpy(host, x, 40, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
    MUST(cudaMemcpy(x, host, 40, cudaMemcpyDeviceToDevice) == cudaErrorInvalidValue);
    MUST(cudaMemcpy(x, y, 40, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
    MUST(cudaMemcpy(x, host, 40, (enum cudaMemcpyKind)7) == cudaErrorInvalidMemcpyDirection);
    MUST(cudaMemcpy(x, host, 41, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
    MUST(cudaMemcpy(x, host, 44, cudaMemcpyDefault) == cudaErrorInvalidValue);
    MUST(cudaMemcpy(NULL, host, 4, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
    MUST(cudaMemcpy(x, NULL, 4, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
    MUST(cudaMemset(x, 0, 41) == cudaErrorInvalidValue && cudaMemset(host, 0, 4) == cudaErrorInvalidValue);
    DO(cudaMemcpy(x, host, 40, cudaMemcpyDefault));
    DO(cudaMemcpy(y, x, 40, cudaMemcpyDeviceToDevice));
    host[9] = 5;
    DO(cudaMemcpy(host, y, 40, cudaMemcpyDefault));
    MUST(host[9] == 0);
    DO(cudaFree(x));
    MUST(cudaMemcpy(x, host, 40, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
    DO(cudaFree(y));
}

static void test_copy_arguments(void **state)
{
    (void)state;
    expect_fine(body_copy_arguments);
}

static void body_overlap(void)
{
    float *x = device_filled(10, 1);
    cudaMemcpy(x + 2, x, 16, cudaMemcpyDeviceToDevice);
}

static void body_pageable_from(void)
{
    float *x = device_floats(10), host[10] = {0};
    cudaMemcpyAsync(x, host, 40, cudaMemcpyHostToDevice, stream_new());
}

static void body_pageable_to(void)
{
    float *x = device_floats(10), host[10];
    cudaMemcpyAsync(host, x, 40, cudaMemcpyDeviceToHost, stream_new());
}

static void body_half_pinned(void)
{
    float *x = device_floats(10), *host = pinned_floats(10);
    cudaMemcpyAsync(x, host + 1, 40, cudaMemcpyHostToDevice, stream_new());
}

static void test_misused_copies(void **state)
{
    (void)state;
    expect_misuse(body_overlap, "overlap");
    expect_misuse(body_pageable_from, "asynchronous copy from pageable memory (40 bytes)");
    expect_misuse(body_pageable_to, "asynchronous copy to pageable memory (40 bytes)");
    expect_misuse(body_half_pinned, "asynchronous copy from pageable memory (40 bytes)");
}

static void body_pinned_changed(void)
{
    float *x = device_floats(1000), *host = pinned_floats(1000);
    cudaStream_t stream = stream_new();
    DO(cudaMemcpyAsync(x, host, 4000, cudaMemcpyHostToDevice, stream));
    host[999] = 1;
    DO(cudaStreamSynchronize(stream));
}

static void body_pinned_freed(void)
{
    float *x = device_floats(10), *host = pinned_floats(10);
    DO(cudaMemcpyAsync(host, x, 40, cudaMemcpyDeviceToHost, stream_new()));
    cudaFreeHost(host);
}

static void body_unregistered(void)
{
    static float own[10];
    float *x = device_floats(10);
    DO(cudaHostRegister(own, sizeof own, cudaHostRegisterDefault));
    DO(cudaMemcpyAsync(x, own, 40, cudaMemcpyHostToDevice, stream_new()));
    cudaHostUnregister(own);
}

static void test_pinned_memory_in_use(void **state)
{
    (void)state;
    expect_misuse(body_pinned_changed, "pinned memory (4000 bytes) was written before the copy from it was done");
    expect_misuse(body_pinned_freed, "given back before queued work that uses it was done: cudaMemcpyAsync");
    expect_misuse(body_unregistered, "given back before queued work that uses it was done: cudaMemcpyAsync");
}

static void body_read_early(void)
{
    float *x = device_filled(10, 3), *host = pinned_floats(10);
    cudaStream_t stream = stream_new();
    host[4] = 8;
    DO(cudaMemcpyAsync(host, x, 40, cudaMemcpyDeviceToHost, stream));
    MUST(isnan(host[4]));
    DO(cudaStreamSynchronize(stream));
    MUST(host[4] == 3);
    DO(cudaStreamDestroy(stream));
    DO(cudaFreeHost(host));
    DO(cudaFree(x));
}

/* One buffer, copied to the device, from it and used again: no false alarm, and it is full of NaN between the copies. */
static void body_buffer_reused(void)
{
    float *x = device_filled(4, 3), *y = device_filled(4, 5), *host = pinned_floats(4);
    cudaStream_t stream = stream_new();
    cudaEvent_t event = event_new();
    host[0] = host[1] = host[2] = host[3] = 7;
    DO(cudaMemcpyAsync(x, host, 16, cudaMemcpyHostToDevice, stream));
    DO(cudaEventRecord(event, stream));
    DO(cudaMemcpyAsync(host, y, 16, cudaMemcpyDeviceToHost, stream));
    MUST(host[0] == 7); /* still to be read */
    DO(cudaEventSynchronize(event));
    MUST(isnan(host[0]) || host[0] == 5);
    DO(cudaStreamSynchronize(stream));
    MUST(host[0] == 5 && device_first(x) == 7);
    DO(cudaEventDestroy(event));
    DO(cudaStreamDestroy(stream));
    DO(cudaFreeHost(host));
    DO(cudaFree(x));
    DO(cudaFree(y));
}

static void test_pinned_destination(void **state)
{
    (void)state;
    expect_fine(body_read_early);
    expect_fine(body_buffer_reused);
}

static void body_registered(void)
{
    static float own[100], other[100];
    float *x = device_filled(10, 6);
    DO(cudaHostRegister(own, 200, 0));
    MUST(cudaHostRegister(own + 40, 100, 0) == cudaErrorHostMemoryAlreadyRegistered);
    MUST(cudaHostUnregister(other) == cudaErrorHostMemoryNotRegistered);
    MUST(cudaHostRegister(other, 0, 0) == cudaErrorInvalidValue);
    DO(cudaMemcpyAsync(own, x, 40, cudaMemcpyDeviceToHost, NULL));
    DO(cudaStreamSynchronize(NULL));
    MUST(own[9] == 6 && fake_is_pinned(own, 200) && !fake_is_pinned(own, 204));
    DO(cudaHostUnregister(own));
    MUST(cudaHostUnregister(own) == cudaErrorHostMemoryNotRegistered);
    DO(cudaFree(x));
}

static void test_registered_memory(void **state)
{
    (void)state;
    expect_fine(body_registered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_cannot_touch_device_memory),
        cmocka_unit_test(test_device_memory_is_closed_after_work),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_work_finds_freed_memory),
        cmocka_unit_test(test_fresh_memory_is_nan),
        cmocka_unit_test(test_frees),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_leaks),
        cmocka_unit_test(test_copy_arguments),
        cmocka_unit_test(test_misused_copies),
        cmocka_unit_test(test_pinned_memory_in_use),
        cmocka_unit_test(test_pinned_destination),
        cmocka_unit_test(test_registered_memory),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
