/* The referee's NCCL, and kernels that nvcc compiled. */
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "referee.h"

#pragma GCC visibility push(default)
#include <nccl.h>
#pragma GCC visibility pop

/* ---- NCCL: one process per rank ---- */

enum { COUNT = 70000, RANKS = 3 };

static void join(int rank, int device, const ncclUniqueId *id, ncclResult_t result, ncclComm_t *comm)
{
    DO(cudaSetDevice(device));
    MUST(ncclCommInitRank(comm, RANKS, *id, rank) == result);
}

/* Sums rank + 1 plus the index, twice, in a graph: in place, then from one buffer to another. */
static void sum(int rank, ncclComm_t comm)
{
    static float host[COUNT];
    cudaStream_t stream = stream_new();
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    for (int i = 0; i < COUNT; i++)
        host[i] = (float)(rank + 1) + (float)(i % 1000);
    float *x = upload(host, sizeof host), *y = device_floats(COUNT);
    DO(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    MUST(ncclAllReduce(x, x, COUNT, ncclFloat, ncclSum, comm, stream) == ncclSuccess);
    MUST(ncclAllReduce(x, y, COUNT, ncclFloat, ncclSum, comm, stream) == ncclSuccess);
    DO(cudaStreamEndCapture(stream, &graph));
    DO(cudaGraphInstantiate(&exec, graph, 0));
    DO(cudaGraphLaunch(exec, stream));
    DO(cudaStreamSynchronize(stream));
    DO(cudaMemcpy(host, y, sizeof host, cudaMemcpyDeviceToHost));
    for (int i = 0; i < COUNT; i++)
        MUST(host[i] == (float)RANKS * (6 + (float)(RANKS * (i % 1000))));
    DO(cudaGraphExecDestroy(exec));
    DO(cudaGraphDestroy(graph));
    DO(cudaStreamDestroy(stream));
    DO(cudaFree(x));
    DO(cudaFree(y));
}

struct board {
    ncclUniqueId id;
    atomic_bool written;
};

static const ncclUniqueId *identity(struct board *board, int rank)
{
    if (rank == 0) {
        MUST(ncclGetUniqueId(&board->id) == ncclSuccess);
        atomic_store(&board->written, true);
    }
    while (!atomic_load(&board->written))
        sched_yield();
    return &board->id;
}

/* Runs every rank in its own process, and exits with the worst exit code. */
static void each_rank(void (*body)(int rank, const ncclUniqueId *id))
{
    int worst = 0, status;
    struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST(board != MAP_FAILED);
    for (int rank = 0; rank < RANKS; rank++) {
        pid_t child = fork();
        MUST(child >= 0);
        if (child == 0) {
            body(rank, identity(board, rank));
            exit(0);
        }
    }
    for (int rank = 0; rank < RANKS; rank++) {
        MUST(wait(&status) > 0 && WIFEXITED(status));
        worst = WEXITSTATUS(status) > worst ? WEXITSTATUS(status) : worst;
    }
    _exit(worst);
}

static void rank_sums(int rank, const ncclUniqueId *id)
{
    ncclComm_t comm;
    join(rank, rank, id, ncclSuccess, &comm);
    sum(rank, comm);
    MUST(ncclCommDestroy(comm) == ncclSuccess);
}

static void rank_shares_device(int rank, const ncclUniqueId *id)
{
    ncclComm_t comm;
    join(rank, rank / 2, id, ncclInvalidUsage, &comm);
}

static void rank_sums_less(int rank, const ncclUniqueId *id)
{
    ncclComm_t comm;
    join(rank, rank, id, ncclSuccess, &comm);
    float *x = device_filled(10, 1);
    MUST(ncclAllReduce(x, x, rank == 1 ? 9 : 10, ncclFloat, ncclSum, comm, NULL) == ncclSuccess);
    DO(cudaDeviceSynchronize());
}

/* Two sums on streams that do not wait for each other; one rank waits for the second one first. */
static void rank_sums_in_another_order(int rank, const ncclUniqueId *id)
{
    ncclComm_t comm;
    join(rank, rank, id, ncclSuccess, &comm);
    cudaStream_t first = stream_new(), second = stream_new();
    float *x = device_filled(10, 1), *y = device_filled(10, 1);
    MUST(ncclAllReduce(x, x, 10, ncclFloat, ncclSum, comm, first) == ncclSuccess);
    MUST(ncclAllReduce(y, y, 10, ncclFloat, ncclSum, comm, second) == ncclSuccess);
    DO(cudaStreamSynchronize(rank == 1 ? second : first));
    DO(cudaDeviceSynchronize());
}

/* One rank's sum is in a graph, the others' are not. */
static void rank_captures_alone(int rank, const ncclUniqueId *id)
{
    ncclComm_t comm;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    join(rank, rank, id, ncclSuccess, &comm);
    cudaStream_t stream = stream_new();
    float *x = device_filled(10, 1);
    if (rank == 1)
        DO(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    MUST(ncclAllReduce(x, x, 10, ncclFloat, ncclSum, comm, stream) == ncclSuccess);
    if (rank == 1) {
        DO(cudaStreamEndCapture(stream, &graph));
        DO(cudaGraphInstantiate(&exec, graph, 0));
        DO(cudaGraphLaunch(exec, stream));
    }
    DO(cudaDeviceSynchronize());
}

static void rank_stays_away(int rank, const ncclUniqueId *id)
{
    ncclComm_t comm;
    if (rank != 1)
        join(rank, rank, id, ncclSuccess, &comm);
}

static void rank_leaves_comm(int rank, const ncclUniqueId *id)
{
    ncclComm_t comm;
    join(rank, rank, id, ncclSuccess, &comm);
}

static void body_sums(void) { each_rank(rank_sums); }
static void body_shared(void) { each_rank(rank_shares_device); }
static void body_less(void) { each_rank(rank_sums_less); }
static void body_other_order(void) { each_rank(rank_sums_in_another_order); }
static void body_alone(void) { each_rank(rank_captures_alone); }
static void body_away(void) { each_rank(rank_stays_away); }
static void body_left_comm(void) { each_rank(rank_leaves_comm); }

static void body_host_sum(void)
{
    ncclUniqueId id;
    ncclComm_t comm;
    float host[4];
    MUST(ncclGetUniqueId(&id) == ncclSuccess && ncclCommInitRank(&comm, 1, id, 0) == ncclSuccess);
    MUST(ncclAllReduce(NULL, host, 4, ncclFloat, ncclSum, comm, NULL) == ncclInvalidArgument);
    ncclAllReduce(host, host, 4, ncclFloat, ncclSum, comm, NULL);
}

static void test_sums_over_ranks(void **state)
{
    (void)state;
    expect_code(body_sums, 0, "", SETTINGS("FAKECUDA_DEVICES", "3"));
    expect_code(body_shared, 0, "", SETTINGS("FAKECUDA_DEVICES", "3"));
    expect_code(body_less, MISUSE, "sums 9 floats", SETTINGS("FAKECUDA_DEVICES", "3"));
    expect_code(body_other_order, MISUSE, "is at call 2", SETTINGS("FAKECUDA_DEVICES", "3"));
    expect_code(body_alone, MISUSE, "the sum of rank 1 is of a graph", SETTINGS("FAKECUDA_DEVICES", "3"));
    expect_code(body_away, MISUSE, "ncclCommInitRank: 2 of 3 ranks came within 0.2 s",
                SETTINGS("FAKECUDA_DEVICES", "3", "FAKECUDA_PATIENCE", "0.2"));
    expect_code(body_left_comm, LEFT, "1 of kind ncclComm", SETTINGS("FAKECUDA_DEVICES", "3"));
    expect_misuse(body_host_sum, "that is not 4 floats of device memory");
}

/* ---- kernels from nvcc (referee.cu), if there is one ---- */

int referee_cu_launch(float *x, int n, cudaStream_t stream) __attribute__((weak));

static void body_nvcc(void)
{
    float *x = device_filled(4, 1);
    cudaStream_t stream = stream_new();
    MUST(referee_cu_launch(x, 4, stream) == cudaSuccess);
    DO(cudaStreamSynchronize(stream));
    MUST(device_first(x) == 2);
    MUST(referee_cu_launch(x, 4, (cudaStream_t)x) == cudaErrorInvalidResourceHandle);
    DO(cudaStreamDestroy(stream));
    DO(cudaFree(x));
}

static void test_kernels_from_nvcc(void **state)
{
    (void)state;
    if (!referee_cu_launch) {
        print_message("there is no nvcc\n");
        skip();
    }
    expect_fine(body_nvcc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_over_ranks),
        cmocka_unit_test(test_kernels_from_nvcc),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
