/* The referee's rules for streams, events, devices and calls. */
#include <pthread.h>

#include "referee.h"

/* ---- order ---- */

static void body_one_stream(void)
{
    float *x = device_filled(1, 1);
    cudaStream_t stream = stream_new();
    for (int i = 0; i < 4; i++) {
        DO(launch(stream, ADD_ONE, x, NULL, 1));
        DO(launch(stream, DOUBLE_ADD_ONE, x, NULL, 1));
    }
    DO(cudaStreamSynchronize(stream));
    MUST(device_first(x) == 61); /* x -> 2x + 3, four times from 1 */
    DO(cudaStreamDestroy(stream));
    DO(cudaFree(x));
}

static void test_a_stream_keeps_its_order(void **state)
{
    (void)state;
    assert_int_equal(wrong_seeds(body_one_stream), 0);
}

enum link { NO_WAIT, WAIT, WAIT_TOO_EARLY };

/* One stream writes x, another one reads it. */
static void two_streams(enum link link)
{
    float *x = device_filled(8, 1), *y = device_filled(8, 0);
    cudaStream_t a = stream_new(), b = stream_new();
    cudaEvent_t made = event_new();
    if (link == WAIT_TOO_EARLY)
        DO(cudaStreamWaitEvent(b, made, 0));
    DO(launch(a, ADD_ONE, x, NULL, 8));
    DO(cudaEventRecord(made, a));
    if (link == WAIT)
        DO(cudaStreamWaitEvent(b, made, 0));
    DO(launch(b, ADD, y, x, 8));
    DO(cudaStreamSynchronize(b));
    float found = device_first(y);
    DO(cudaDeviceSynchronize());
    DO(cudaEventDestroy(made));
    DO(cudaStreamDestroy(a));
    DO(cudaStreamDestroy(b));
    DO(cudaFree(x));
    DO(cudaFree(y));
    MUST(found == 2);
}

static void body_no_wait(void) { two_streams(NO_WAIT); }
static void body_wait(void) { two_streams(WAIT); }
static void body_wait_too_early(void) { two_streams(WAIT_TOO_EARLY); }

static void test_a_missing_wait_shows(void **state)
{
    (void)state;
    assert_int_equal(wrong_seeds(body_wait), 0);
    assert_in_range(wrong_seeds(body_no_wait), 1, SEEDS - 1);
    assert_in_range(wrong_seeds(body_wait_too_early), 1, SEEDS - 1);
}

/* A fill (cudaMemset) or a copy from pageable memory on the legacy stream, then work on another stream. */
static void after_legacy(unsigned flags, bool copy, bool wait)
{
    float *x = device_floats(8), zeros[8] = {0};
    cudaStream_t stream;
    DO(cudaStreamCreateWithFlags(&stream, flags));
    if (copy)
        DO(cudaMemcpy(x, zeros, sizeof zeros, cudaMemcpyHostToDevice));
    else
        DO(cudaMemset(x, 0, sizeof zeros));
    if (wait)
        DO(cudaDeviceSynchronize());
    DO(launch(stream, ADD_ONE, x, NULL, 8));
    DO(cudaStreamSynchronize(stream));
    float found = device_first(x);
    DO(cudaStreamDestroy(stream));
    DO(cudaFree(x));
    MUST(found == 1);
}

static void body_fill_raced(void) { after_legacy(cudaStreamNonBlocking, false, false); }
static void body_fill_waited(void) { after_legacy(cudaStreamNonBlocking, false, true); }
static void body_fill_blocking(void) { after_legacy(cudaStreamDefault, false, false); }
static void body_copy_raced(void) { after_legacy(cudaStreamNonBlocking, true, false); }
static void body_copy_waited(void) { after_legacy(cudaStreamNonBlocking, true, true); }
static void body_copy_blocking(void) { after_legacy(cudaStreamDefault, true, false); }

static void test_the_legacy_stream(void **state)
{
    (void)state;
    assert_in_range(wrong_seeds(body_fill_raced), 1, SEEDS - 1);
    assert_in_range(wrong_seeds(body_copy_raced), 1, SEEDS - 1);
    assert_int_equal(wrong_seeds(body_fill_waited), 0);
    assert_int_equal(wrong_seeds(body_copy_waited), 0);
    assert_int_equal(wrong_seeds(body_fill_blocking), 0);
    assert_int_equal(wrong_seeds(body_copy_blocking), 0);
}

/* The legacy stream waits for blocking streams, and a synchronous copy waits for the legacy stream. */
static void body_legacy_waits(void)
{
    float *x = device_filled(1, 1);
    cudaStream_t stream;
    DO(cudaStreamCreateWithFlags(&stream, cudaStreamDefault));
    DO(launch(stream, ADD_ONE, x, NULL, 1));
    DO(launch(NULL, DOUBLE_ADD_ONE, x, NULL, 1));
    DO(launch(stream, ADD_ONE, x, NULL, 1));
    MUST(device_first(x) == 6);
    DO(cudaStreamDestroy(stream));
    DO(cudaFree(x));
}

/* The legacy stream does not wait for other streams: the result may be missing. */
static void body_legacy_does_not_wait(void)
{
    float *x = device_filled(1, 1);
    cudaStream_t stream = stream_new();
    DO(launch(stream, ADD_ONE, x, NULL, 1));
    float found = device_first(x);
    DO(cudaStreamSynchronize(stream));
    DO(cudaStreamDestroy(stream));
    DO(cudaFree(x));
    MUST(found == 2);
}

static void test_what_the_legacy_stream_waits_for(void **state)
{
    (void)state;
    assert_int_equal(wrong_seeds(body_legacy_waits), 0);
    assert_in_range(wrong_seeds(body_legacy_does_not_wait), 1, SEEDS);
}

static void body_elapsed(void)
{
    float *x = device_filled(1, 1), ms = -1;
    cudaEvent_t start, end, plain = event_new(), never;
    DO(cudaEventCreateWithFlags(&start, cudaEventDefault));
    DO(cudaEventCreateWithFlags(&end, cudaEventDefault));
    DO(cudaEventCreateWithFlags(&never, cudaEventDefault));
    DO(cudaEventRecord(start, NULL));
    DO(launch(NULL, ADD_ONE, x, NULL, 1));
    DO(cudaEventRecord(end, NULL));
    DO(cudaEventRecord(plain, NULL));
    MUST(cudaEventElapsedTime(&ms, start, end) == cudaErrorNotReady);
    MUST(cudaEventElapsedTime(&ms, start, never) == cudaErrorInvalidResourceHandle);
    DO(cudaEventSynchronize(plain));
    MUST(cudaEventElapsedTime(&ms, start, plain) == cudaErrorInvalidResourceHandle);
    DO(cudaEventElapsedTime(&ms, start, end));
    MUST(ms > 0 && ms < 1);
    cudaEvent_t all[] = {start, end, plain, never};
    for (int i = 0; i < 4; i++)
        DO(cudaEventDestroy(all[i]));
    MUST(cudaEventDestroy(start) == cudaErrorInvalidResourceHandle);
    MUST(cudaEventSynchronize(end) == cudaErrorInvalidResourceHandle);
    DO(cudaFree(x));
}

static void test_events(void **state)
{
    (void)state;
    expect_fine(body_elapsed);
}

static void body_handles(void)
{
    float *x = device_filled(1, 1);
    cudaStream_t stream = stream_new();
    cudaEvent_t event = event_new();
    DO(launch(stream, ADD_ONE, x, NULL, 1));
    DO(cudaStreamDestroy(stream)); /* its work will still be done */
    MUST(cudaStreamDestroy(stream) == cudaErrorInvalidResourceHandle);
    MUST(launch(stream, ADD_ONE, x, NULL, 1) == cudaErrorInvalidResourceHandle);
    MUST(cudaEventRecord(event, stream) == cudaErrorInvalidResourceHandle);
    MUST(cudaStreamSynchronize(stream) == cudaErrorInvalidResourceHandle);
    MUST(cudaStreamWaitEvent(NULL, NULL, 0) == cudaErrorInvalidResourceHandle);
    MUST(cudaEventRecordWithFlags(event, NULL, cudaEventRecordExternal) == cudaErrorInvalidValue);
    DO(cudaDeviceSynchronize());
    MUST(device_first(x) == 2);
    DO(cudaEventDestroy(event));
    DO(cudaFree(x));
}

static void test_handles(void **state)
{
    (void)state;
    expect_fine(body_handles);
}

/* ---- kernels ---- */

static void body_launches(void)
{
    float *x = device_filled(1, 1);
    struct test_arguments a = {x, NULL, 1, ADD_ONE};
    void *args[] = {&a};
    dim3 one = {1, 1, 1}, block = {32, 1, 1};
    MUST(cudaLaunchKernel(x, one, block, args, 0, NULL) == cudaErrorInvalidDeviceFunction);
    DO(launch(NULL, ADD_ONE, x, NULL, 1));
    a.n = 0; /* the arguments were copied */
    MUST(cudaLaunchKernel(&stub, (dim3){0, 1, 1}, block, args, 0, NULL) == cudaErrorInvalidConfiguration);
    MUST(cudaLaunchKernel(&stub, one, (dim3){1056, 1, 1}, args, 0, NULL) == cudaErrorInvalidConfiguration);
    MUST(cudaLaunchKernel(&stub, (dim3){1, 65536, 1}, block, args, 0, NULL) == cudaErrorInvalidConfiguration);
    MUST(cudaLaunchKernel(&stub, one, block, args, 49 << 10, NULL) == cudaErrorInvalidValue);
    MUST(cudaGetLastError() == cudaErrorInvalidValue && device_first(x) == 2);
    DO(cudaFree(x));
}

static void body_wrong_block(void)
{
    float *x = device_filled(1, 1);
    DO(launch(NULL, ADD_ONE, x, NULL, 1));
    struct test_arguments a = {x, NULL, 1, ADD_ONE};
    void *args[] = {&a};
    DO(cudaLaunchKernel(&stub, (dim3){1, 1, 1}, (dim3){64, 1, 1}, args, 0, NULL));
    cudaDeviceSynchronize();
}

static void test_launches(void **state)
{
    (void)state;
    expect_fine(body_launches);
    expect_misuse(body_wrong_block, "kernel kernel_test was launched with blocks of 64 threads");
}

/* ---- devices ---- */

static void body_no_driver(void)
{
    int n = -7;
    void *at;
    MUST(cudaGetDeviceCount(&n) == cudaErrorInsufficientDriver && n == -7);
    MUST(cudaMalloc(&at, 4) == cudaErrorInsufficientDriver && cudaHostAlloc(&at, 4, 0) == cudaErrorInsufficientDriver);
    MUST(strstr(cudaGetErrorString(cudaErrorInsufficientDriver), "driver version is insufficient"));
}

static void body_no_device(void)
{
    int n = -7;
    MUST(cudaGetDeviceCount(&n) == cudaErrorNoDevice && n == -7 && cudaSetDevice(0) == cudaErrorNoDevice);
}

static void body_two_devices(void)
{
    int n = 0, device = -1;
    struct cudaDeviceProp p;
    char id[20];
    DO(cudaGetDeviceCount(&n));
    MUST(n == 2 && cudaSetDevice(2) == cudaErrorInvalidDevice && cudaSetDevice(-1) == cudaErrorInvalidDevice);
    float *x = device_filled(1, 1);
    cudaStream_t stream = stream_new();
    DO(cudaSetDevice(1));
    DO(cudaGetDevice(&device));
    DO(cudaGetDeviceProperties(&p, 1));
    DO(cudaDeviceGetPCIBusId(id, sizeof id, 1));
    MUST(device == 1 && p.major == 9 && p.multiProcessorCount == 132 && strcmp(id, "0000:13:00.0") == 0);
    MUST(fake_device() == 3 && !fake_is_device(x, 4));
    MUST(launch(stream, ADD_ONE, x, NULL, 1) == cudaErrorInvalidResourceHandle);
    DO(launch(NULL, ADD_ONE, x, NULL, 1));
    DO(cudaDeviceSynchronize());
}

static void test_devices(void **state)
{
    (void)state;
    expect_code(body_no_driver, 0, "", SETTINGS("FAKECUDA_DEVICES", "-1"));
    expect_code(body_no_device, 0, "", SETTINGS("FAKECUDA_DEVICES", "0"));
    expect_code(body_no_device, 0, "", SETTINGS("FAKECUDA_DEVICES", "2", "CUDA_VISIBLE_DEVICES", ""));
    expect_code(body_two_devices, MISUSE, "kernel_test touched byte 0 of 4 bytes of memory of device 0",
                SETTINGS("FAKECUDA_DEVICES", "4", "CUDA_VISIBLE_DEVICES", "0,3"));
}

/* ---- calls ---- */

static void body_second_fails(void)
{
    void *a, *b;
    DO(cudaMalloc(&a, 4));
    MUST(cudaMalloc(&b, 4) == cudaErrorMemoryAllocation);
    DO(cudaMalloc(&b, 4));
    DO(cudaFree(a));
    DO(cudaFree(b));
}

static void body_last_fail(void)
{
    void *at;
    DO(cudaMalloc(&at, 4));
    for (int i = 0; i < 3; i++)
        MUST(cudaMalloc(&at, 4) == cudaErrorMemoryAllocation);
}

/* An error on the device is reported when the host waits, and stays; later work is not done. */
static void body_run_fails(void)
{
    float *x = device_filled(1, 1), *pinned = pinned_floats(1), y;
    DO(launch(NULL, ADD_ONE, x, NULL, 1));
    DO(launch(NULL, ADD_ONE, x, NULL, 1));
    DO(cudaMemcpyAsync(pinned, x, 4, cudaMemcpyDeviceToHost, NULL));
    DO(cudaGetLastError());
    MUST(cudaDeviceSynchronize() == cudaErrorIllegalAddress && isnan(*pinned));
    MUST(cudaGetLastError() == cudaErrorIllegalAddress && cudaGetLastError() == cudaErrorIllegalAddress);
    MUST(cudaMemcpy(&y, x, 4, cudaMemcpyDeviceToHost) == cudaErrorIllegalAddress);
    MUST(cudaFree(x) == cudaErrorIllegalAddress);
}

static void test_failures_by_name(void **state)
{
    (void)state;
    expect_code(body_second_fails, 0, "", SETTINGS("FAKECUDA_FAIL", "cudaMalloc:2"));
    expect_code(body_run_fails, LEFT, "4 bytes", SETTINGS("FAKECUDA_FAIL", "run:kernel_test:2"));
    expect_code(body_last_fail, LEFT, "4 bytes", SETTINGS("FAKECUDA_FAIL", "cudaFree:9,cudaMalloc:2+"));
    expect_code(body_second_fails, MISUSE, "is not NAME:K", SETTINGS("FAKECUDA_FAIL", "cudaMalloc"));
}

static void test_counts(void **state)
{
    (void)state;
    char path[] = "/tmp/referee-counts.XXXXXX", text[2048] = "";
    int file = mkstemp(path);
    assert_true(file >= 0);
    struct outcome outcome = run_child(body_one_stream, 1, SETTINGS("FAKECUDA_COUNT", path));
    assert_int_equal(outcome.code, 0);
    assert_true(read(file, text, sizeof text - 1) > 0);
    close(file);
    unlink(path);
    assert_non_null(strstr(text, "call cudaMalloc 1\n"));
    assert_non_null(strstr(text, "call cudaLaunchKernel 8\n"));
    assert_non_null(strstr(text, "run kernel_test 8\n"));
}

static void *second_thread(void *unused)
{
    cudaDeviceSynchronize();
    return unused;
}

static void body_second_thread(void)
{
    pthread_t thread;
    DO(cudaDeviceSynchronize());
    MUST(pthread_create(&thread, NULL, second_thread, NULL) == 0);
    pthread_join(thread, NULL);
}

static void call_again(const void *unused)
{
    (void)unused;
    cudaDeviceSynchronize();
}

static void body_call_by_work(void)
{
    DO(cudaDeviceSynchronize());
    DO(fake_enqueue(NULL, "work", call_again, NULL, 0));
    cudaDeviceSynchronize();
}

static void body_call_after_fork(void)
{
    int status;
    DO(cudaDeviceSynchronize());
    pid_t child = fork();
    if (child == 0)
        cudaDeviceSynchronize();
    else if (wait(&status) == child)
        _exit(WEXITSTATUS(status));
}

static void test_who_may_call(void **state)
{
    (void)state;
    expect_misuse(body_second_thread, "cudaDeviceSynchronize was called by a second thread");
    expect_misuse(body_call_by_work, "cudaDeviceSynchronize was called by queued work (work)");
    expect_misuse(body_call_after_fork, "cudaDeviceSynchronize was called after fork");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stream_keeps_its_order),
        cmocka_unit_test(test_a_missing_wait_shows),
        cmocka_unit_test(test_the_legacy_stream),
        cmocka_unit_test(test_what_the_legacy_stream_waits_for),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_handles),
        cmocka_unit_test(test_launches),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_failures_by_name),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_who_may_call),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
