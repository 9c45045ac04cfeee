/* The referee's rules for stream capture and graphs. */
#include "referee.h"

struct scene {
    float *x, *y;
    cudaStream_t a, b;
    cudaEvent_t fork, join;
};

static struct scene scene_new(void)
{
    return (struct scene){device_filled(4, 1), device_filled(4, 0), stream_new(), stream_new(), event_new(), event_new()};
}

static void scene_end(const struct scene *s)
{
    DO(cudaDeviceSynchronize());
    DO(cudaEventDestroy(s->fork));
    DO(cudaEventDestroy(s->join));
    DO(cudaStreamDestroy(s->a));
    DO(cudaStreamDestroy(s->b));
    DO(cudaFree(s->x));
    DO(cudaFree(s->y));
}

static void begin(cudaStream_t stream)
{
    DO(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
}

static cudaGraphExec_t end(cudaStream_t stream)
{
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    DO(cudaStreamEndCapture(stream, &graph));
    DO(cudaGraphInstantiate(&exec, graph, 0));
    DO(cudaGraphDestroy(graph));
    return exec;
}

static void body_replay(void)
{
    struct scene s = scene_new();
    enum cudaStreamCaptureStatus status;
    begin(s.a);
    DO(cudaStreamIsCapturing(s.a, &status));
    MUST(status == cudaStreamCaptureStatusActive && fake_capture(s.a) && !fake_capture(s.b));
    DO(launch(s.a, ADD_ONE, s.x, NULL, 4));
    DO(launch(s.a, DOUBLE_ADD_ONE, s.x, NULL, 4));
    cudaGraphExec_t exec = end(s.a);
    DO(cudaDeviceSynchronize());
    MUST(device_first(s.x) == 1); /* nothing has run */
    DO(cudaGraphLaunch(exec, s.a));
    DO(cudaGraphLaunch(exec, s.b)); /* launches of one graph run one after another, on any stream */
    DO(cudaStreamSynchronize(s.b));
    MUST(device_first(s.x) == 13); /* x -> 2x + 3, twice from 1 */
    DO(cudaGraphExecDestroy(exec));
    scene_end(&s);
}

static void test_replay(void **state)
{
    (void)state;
    assert_int_equal(wrong_seeds(body_replay), 0);
}

/* b adds x to y beside a's work on x, or after it. */
static void fork_and_join(bool fork_late)
{
    struct scene s = scene_new();
    begin(s.a);
    DO(cudaEventRecord(s.fork, s.a));
    DO(launch(s.a, ADD_ONE, s.x, NULL, 4));
    if (fork_late)
        DO(cudaEventRecord(s.fork, s.a));
    DO(cudaStreamWaitEvent(s.b, s.fork, 0));
    DO(launch(s.b, ADD, s.y, s.x, 4));
    DO(cudaEventRecord(s.join, s.b));
    DO(cudaStreamWaitEvent(s.a, s.join, 0));
    DO(launch(s.a, ADD_ONE, s.y, NULL, 4));
    cudaGraphExec_t exec = end(s.a);
    MUST(!fake_capture(s.b));
    DO(cudaGraphLaunch(exec, s.a));
    DO(cudaStreamSynchronize(s.a));
    float found = device_first(s.y);
    DO(cudaGraphExecDestroy(exec));
    scene_end(&s);
    MUST(found == 3);
}

static void body_fork_late(void) { fork_and_join(true); }
static void body_fork_early(void) { fork_and_join(false); }

static void test_forks(void **state)
{
    (void)state;
    assert_int_equal(wrong_seeds(body_fork_late), 0);
    assert_in_range(wrong_seeds(body_fork_early), 1, SEEDS - 1);
}

static void body_unjoined(void)
{
    struct scene s = scene_new();
    cudaGraph_t graph = (cudaGraph_t)&s;
    begin(s.a);
    DO(cudaEventRecord(s.fork, s.a));
    DO(cudaStreamWaitEvent(s.b, s.fork, 0));
    DO(launch(s.b, ADD_ONE, s.x, NULL, 4));
    MUST(cudaStreamEndCapture(s.b, &graph) == cudaErrorStreamCaptureUnmatched);
    MUST(cudaStreamEndCapture(s.a, &graph) == cudaErrorStreamCaptureInvalidated && !graph);
    begin(s.a);
    DO(cudaEventRecord(s.fork, s.a));
    DO(cudaStreamWaitEvent(s.b, s.fork, 0));
    DO(launch(s.b, ADD_ONE, s.x, NULL, 4));
    DO(launch(s.a, ADD_ONE, s.y, NULL, 4));
    MUST(cudaStreamEndCapture(s.a, &graph) == cudaErrorStreamCaptureUnjoined && !graph);
    MUST(cudaStreamEndCapture(s.a, &graph) == cudaErrorIllegalState);
    scene_end(&s);
}

static void body_isolation(void)
{
    struct scene s = scene_new();
    cudaGraph_t graph;
    DO(launch(s.b, ADD_ONE, s.x, NULL, 4));
    DO(cudaEventRecord(s.join, s.b));
    begin(s.a);
    MUST(cudaStreamWaitEvent(s.a, s.join, 0) == cudaErrorStreamCaptureIsolation);
    MUST(launch(s.a, ADD_ONE, s.x, NULL, 4) == cudaErrorStreamCaptureInvalidated);
    MUST(cudaStreamEndCapture(s.a, &graph) == cudaErrorStreamCaptureInvalidated);
    begin(s.a);
    begin(s.b);
    MUST(cudaStreamBeginCapture(s.b, cudaStreamCaptureModeGlobal) == cudaErrorIllegalState);
    DO(cudaEventRecord(s.join, s.b));
    MUST(cudaStreamWaitEvent(s.a, s.join, 0) == cudaErrorStreamCaptureMerge);
    MUST(cudaStreamEndCapture(s.a, &graph) == cudaErrorStreamCaptureInvalidated);
    MUST(cudaStreamEndCapture(s.b, &graph) == cudaErrorStreamCaptureInvalidated);
    MUST(cudaStreamWaitEvent(s.a, s.join, 0) == cudaErrorCapturedEvent);
    MUST(cudaEventSynchronize(s.join) == cudaErrorCapturedEvent);
    MUST(cudaStreamBeginCapture(NULL, cudaStreamCaptureModeGlobal) == cudaErrorStreamCaptureUnsupported);
    scene_end(&s);
}

static void test_illegal_captures(void **state)
{
    (void)state;
    expect_fine(body_unjoined);
    expect_fine(body_isolation);
}

/* Each of these calls is refused, and invalidates the capture. */
static cudaError_t unsafe_call(const struct scene *s, int which)
{
    void *at = NULL;
    float host[4];
    switch (which) {
    case 0: return cudaStreamSynchronize(s->a);
    case 1: return cudaStreamSynchronize(s->b);
    case 2: return cudaDeviceSynchronize();
    case 3: return cudaMalloc(&at, 4);
    case 4: return cudaFree(s->y);
    case 5: return cudaHostAlloc(&at, 4, 0);
    case 6: return cudaMemcpy(host, s->x, 16, cudaMemcpyDeviceToHost);
    case 7: return cudaMemset(s->x, 0, 16);
    case 8: return cudaEventSynchronize(s->fork);
    default: return cudaHostRegister(host, sizeof host, 0);
    }
}

static void body_unsafe(void)
{
    for (int which = 0; which <= 9; which++) {
        struct scene s = scene_new();
        cudaGraph_t graph;
        begin(s.a);
        DO(launch(s.a, ADD_ONE, s.x, NULL, 4));
        MUST(unsafe_call(&s, which) == cudaErrorStreamCaptureUnsupported);
        MUST(cudaStreamEndCapture(s.a, &graph) == cudaErrorStreamCaptureInvalidated);
        scene_end(&s);
    }
}

static void body_relaxed(void)
{
    struct scene s = scene_new();
    DO(cudaStreamBeginCapture(s.a, cudaStreamCaptureModeRelaxed));
    DO(cudaFree(device_floats(1)));
    DO(launch(s.a, ADD_ONE, s.x, NULL, 4));
    DO(cudaGraphExecDestroy(end(s.a)));
    scene_end(&s);
}

static void body_legacy(void)
{
    struct scene s = scene_new();
    cudaStream_t blocking;
    cudaGraph_t graph;
    begin(s.a);
    DO(launch(NULL, ADD_ONE, s.x, NULL, 4)); /* does not affect a non-blocking stream */
    DO(cudaGraphExecDestroy(end(s.a)));
    DO(cudaStreamCreateWithFlags(&blocking, cudaStreamDefault));
    begin(blocking);
    MUST(launch(NULL, ADD_ONE, s.x, NULL, 4) == cudaErrorStreamCaptureImplicit);
    MUST(cudaStreamEndCapture(blocking, &graph) == cudaErrorStreamCaptureInvalidated);
    DO(cudaStreamDestroy(blocking));
    scene_end(&s);
}

static void test_unsafe_calls_in_a_capture(void **state)
{
    (void)state;
    expect_fine(body_unsafe);
    expect_fine(body_relaxed);
    expect_fine(body_legacy);
}

/* An event that the graph itself records: the host waits for a copy in the middle of the graph. */
static void body_external_event(void)
{
    struct scene s = scene_new();
    float *host = pinned_floats(4);
    begin(s.a);
    DO(launch(s.a, ADD_ONE, s.x, NULL, 4));
    DO(cudaMemcpyAsync(host, s.x, 16, cudaMemcpyDeviceToHost, s.a));
    DO(cudaEventRecordWithFlags(s.join, s.a, cudaEventRecordExternal));
    DO(launch(s.a, ADD_ONE, s.x, NULL, 4));
    cudaGraphExec_t exec = end(s.a);
    DO(cudaEventSynchronize(s.join)); /* not recorded yet */
    host[0] = 77;
    for (int i = 0; i < 3; i++) {
        DO(cudaGraphLaunch(exec, s.a));
        MUST(isnan(host[0]));
        DO(cudaEventSynchronize(s.join));
        MUST(host[0] == (float)(2 * i + 2));
    }
    DO(cudaStreamSynchronize(s.a));
    DO(cudaGraphExecDestroy(exec));
    DO(cudaFreeHost(host));
    scene_end(&s);
}

static void test_external_events(void **state)
{
    (void)state;
    assert_int_equal(wrong_seeds(body_external_event), 0);
}

static cudaGraphExec_t copying_graph(const struct scene *s, float *host)
{
    begin(s->a);
    DO(cudaMemcpyAsync(s->x, host, 16, cudaMemcpyHostToDevice, s->a));
    DO(launch(s->a, ADD_ONE, s->x, NULL, 4));
    return end(s->a);
}

static void body_pinned_changed(void)
{
    struct scene s = scene_new();
    float *host = pinned_floats(4);
    cudaGraphExec_t exec = copying_graph(&s, host);
    host[0] = 4; /* allowed between capture and launch */
    DO(cudaGraphLaunch(exec, s.a));
    DO(cudaStreamSynchronize(s.a));
    MUST(device_first(s.x) == 5);
    DO(cudaGraphLaunch(exec, s.a));
    host[0] = 6;
    DO(cudaStreamSynchronize(s.a));
}

static void body_pinned_gone(void)
{
    struct scene s = scene_new();
    float *host = pinned_floats(4);
    cudaGraphExec_t exec = copying_graph(&s, host);
    DO(cudaFreeHost(host));
    cudaGraphLaunch(exec, s.a);
    cudaStreamSynchronize(s.a);
}

static void body_memory_gone(void)
{
    struct scene s = scene_new();
    begin(s.a);
    DO(launch(s.a, ADD, s.x, s.y, 4));
    cudaGraphExec_t exec = end(s.a);
    DO(cudaFree(s.y));
    DO(cudaGraphLaunch(exec, s.a));
    cudaStreamSynchronize(s.a);
}

static void body_event_gone(void)
{
    struct scene s = scene_new();
    begin(s.a);
    DO(launch(s.a, ADD, s.x, s.y, 4));
    DO(cudaEventRecordWithFlags(s.join, s.a, cudaEventRecordExternal));
    cudaGraphExec_t exec = end(s.a);
    DO(cudaEventDestroy(s.join));
    cudaGraphLaunch(exec, s.a);
}

static void test_what_a_graph_needs_stays(void **state)
{
    (void)state;
    expect_misuse(body_pinned_changed, "was written before the copy from it was done");
    expect_misuse(body_pinned_gone, "cudaMemcpyAsync uses host memory (16 bytes) that is no longer pinned");
    expect_misuse(body_memory_gone, "kernel_test touched freed device memory");
    expect_misuse(body_event_gone, "an event that the graph records was destroyed");
}

static void body_left(void)
{
    cudaStream_t a = stream_new();
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    begin(a);
    DO(cudaStreamEndCapture(a, &graph));
    DO(cudaGraphInstantiate(&exec, graph, 0));
    MUST(cudaGraphInstantiate(&exec, NULL, 0) == cudaErrorInvalidValue);
    DO(cudaStreamDestroy(a));
}

static void test_leaks(void **state)
{
    (void)state;
    expect_code(body_left, LEFT, "1 of kind graphExec", NULL);
    expect_code(body_left, LEFT, "1 of kind graph\n", NULL);
}

/* ---- kernels that may start before the work they follow has ended ---- */

static void body_early_launches(void)
{
    struct scene s = scene_new();
    enum cudaStreamCaptureStatus status;
    unsigned long long first, second;
    const cudaGraphNode_t *nodes;
    const cudaGraphEdgeData *edges;
    size_t count;
    begin(s.a);
    DO(cudaStreamGetCaptureInfo(s.a, &status, &first, NULL, &nodes, &edges, &count));
    MUST(status == cudaStreamCaptureStatusActive && count == 0);
    DO(launch(s.a, ADD_ONE, s.x, NULL, 4));
    DO(launch_as(true, s.a, DOUBLE_ADD_ONE, s.x, NULL, 4));
    DO(cudaStreamGetCaptureInfo(s.a, &status, &second, NULL, &nodes, &edges, &count));
    MUST(first == second && count == 1 && edges[0].type == cudaGraphDependencyTypeDefault);
    MUST(cudaStreamGetCaptureInfo(s.a, &status, &second, NULL, &nodes, NULL, &count) == cudaErrorLossyQuery);
    cudaGraphExec_t exec = end(s.a);
    DO(cudaStreamGetCaptureInfo(s.a, &status, NULL, NULL, NULL, NULL, NULL));
    MUST(status == cudaStreamCaptureStatusNone);
    DO(cudaGraphLaunch(exec, s.a));
    DO(cudaStreamSynchronize(s.a));
    MUST(device_first(s.x) == 5);
    DO(cudaGraphExecDestroy(exec));
    scene_end(&s);
}

static void body_early_outside(void)
{
    struct scene s = scene_new();
    DO(launch(s.a, ADD_ONE, s.x, NULL, 4));
    launch_as(true, s.a, ADD_ONE, s.x, NULL, 4);
}

static void body_early_first(void)
{
    struct scene s = scene_new();
    begin(s.a);
    launch_as(true, s.a, ADD_ONE, s.x, NULL, 4);
}

static void body_early_behind_a_copy(void)
{
    struct scene s = scene_new();
    begin(s.a);
    DO(launch(s.a, ADD_ONE, s.x, NULL, 4));
    DO(cudaMemcpyAsync(s.y, s.x, 4 * sizeof *s.x, cudaMemcpyDeviceToDevice, s.a));
    launch_as(true, s.a, ADD_ONE, s.x, NULL, 4);
}

static void body_early_behind_an_event(void)
{
    struct scene s = scene_new();
    begin(s.a);
    DO(cudaEventRecord(s.fork, s.a));
    DO(cudaStreamWaitEvent(s.b, s.fork, 0));
    DO(launch(s.a, ADD_ONE, s.x, NULL, 4));
    DO(launch(s.b, ADD_ONE, s.y, NULL, 4));
    DO(cudaEventRecord(s.join, s.b));
    DO(cudaStreamWaitEvent(s.a, s.join, 0));
    launch_as(true, s.a, ADD_ONE, s.x, NULL, 4);
}

static void test_early_launches(void **state)
{
    (void)state;
    expect_fine(body_early_launches);
    expect_misuse(body_early_outside, "may overlap with what it comes behind");
    expect_misuse(body_early_first, "may overlap with what it comes behind");
    expect_misuse(body_early_behind_a_copy, "may overlap with what it comes behind");
    expect_misuse(body_early_behind_an_event, "may overlap with what it comes behind");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_early_launches),
        cmocka_unit_test(test_forks),
        cmocka_unit_test(test_illegal_captures),
        cmocka_unit_test(test_unsafe_calls_in_a_capture),
        cmocka_unit_test(test_external_events),
        cmocka_unit_test(test_what_a_graph_needs_stays),
        cmocka_unit_test(test_leaks),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
