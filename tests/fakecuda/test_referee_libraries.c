/* The referee's cuBLAS and NCCL, and kernels that nvcc compiled. */
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "referee.h"

#pragma GCC visibility push(default)
#include <cublas_v2.h>
#include <nccl.h>
#pragma GCC visibility pop

enum { M = 5, N = 4, K = 3, LEAD = 7, SIZE = 64 };

/* ---- cuBLAS ---- */

static cublasHandle_t handle_new(void)
{
    cublasHandle_t handle;
    MUST(cublasCreate(&handle) == CUBLAS_STATUS_SUCCESS);
    return handle;
}

static float *upload(const void *host, size_t bytes)
{
    void *at;
    DO(cudaMalloc(&at, bytes));
    DO(cudaMemcpy(at, host, bytes, cudaMemcpyHostToDevice));
    DO(cudaDeviceSynchronize());
    return at;
}

static float number(int i)
{
    return (float)((i * 37 + 11) % 23 - 11) / 8; /* exact in bfloat16 */
}

static uint16_t half_of(float value) /* of one that is exact */
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)(bits >> 16);
}

static float element(const float *x, bool turned, int row, int column)
{
    return turned ? x[column + row * LEAD] : x[row + column * LEAD];
}

static float expected(const float *a, bool ta, const float *b, bool tb, int i, int j)
{
    float sum = 0;
    for (int k = 0; k < K; k++)
        sum += element(a, ta, i, k) * element(b, tb, k, j);
    return sum;
}

/* C = 2 A B + beta C; where beta is 0, C was NaN. */
static void multiply(bool ta, bool tb, float beta, bool half)
{
    float a[SIZE], b[SIZE], c[SIZE], alpha = 2;
    uint16_t a_half[SIZE], b_half[SIZE];
    for (int i = 0; i < SIZE; i++) {
        a_half[i] = half_of(a[i] = number(i));
        b_half[i] = half_of(b[i] = number(i + 100));
        c[i] = 1;
    }
    float *da = half ? upload(a_half, sizeof a_half) : upload(a, sizeof a);
    float *db = half ? upload(b_half, sizeof b_half) : upload(b, sizeof b), *dc = device_floats(SIZE);
    if (beta != 0)
        DO(cudaMemcpy(dc, c, sizeof c, cudaMemcpyHostToDevice));
    cublasHandle_t handle = handle_new();
    cudaDataType type = half ? CUDA_R_16BF : CUDA_R_32F;
    MUST(cublasGemmEx(handle, ta ? CUBLAS_OP_T : CUBLAS_OP_N, tb ? CUBLAS_OP_T : CUBLAS_OP_N, M, N, K, &alpha, da, type, LEAD,
                      db, type, LEAD, &beta, dc, CUDA_R_32F, LEAD, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT) == 0);
    alpha = 0; /* was read */
    DO(cudaMemcpy(c, dc, sizeof c, cudaMemcpyDeviceToHost));
    for (int j = 0; j < N; j++)
        for (int i = 0; i < M; i++)
            MUST(c[i + j * LEAD] == 2 * expected(a, ta, b, tb, i, j) + beta);
    MUST(beta != 0 || (isnan(c[M]) && isnan(c[LEAD - 1]))); /* between the columns */
    MUST(cublasDestroy(handle) == CUBLAS_STATUS_SUCCESS);
    float *all[] = {da, db, dc};
    for (int i = 0; i < 3; i++)
        DO(cudaFree(all[i]));
}

static void body_products(void)
{
    for (int i = 0; i < 16; i++)
        multiply(i & 1, i & 2, i & 4 ? 1 : 0, i & 8);
}

/* 1 x 1 products tell in which numbers was multiplied. */
static float one_product(float a, float b, cublasMath_t math, cublasComputeType_t compute)
{
    float one = 1, zero = 0, *da = upload(&a, 4), *db = upload(&b, 4), *dc = device_floats(1);
    cublasHandle_t handle = handle_new();
    MUST(cublasSetMathMode(handle, math) == CUBLAS_STATUS_SUCCESS);
    MUST(cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, da, CUDA_R_32F, 1, db, CUDA_R_32F, 1, &zero, dc,
                      CUDA_R_32F, 1, compute, CUBLAS_GEMM_DEFAULT) == CUBLAS_STATUS_SUCCESS);
    float found = device_first(dc);
    cublasDestroy(handle);
    cudaFree(da), cudaFree(db), cudaFree(dc);
    return found;
}

static void body_rounding(void)
{
    float fine = 1 + 0x1p-11f + 0x1p-13f; /* in ten bits: 1 + 2^-10 */
    MUST(one_product(fine, 1, CUBLAS_DEFAULT_MATH, CUBLAS_COMPUTE_32F) == fine);
    MUST(one_product(fine, 1, CUBLAS_DEFAULT_MATH, CUBLAS_COMPUTE_32F_FAST_TF32) == 1 + 0x1p-10f);
    MUST(one_product(fine, 1, CUBLAS_TF32_TENSOR_OP_MATH, CUBLAS_COMPUTE_32F) == 1 + 0x1p-10f);
    MUST(one_product(fine, 1, CUBLAS_TF32_TENSOR_OP_MATH, CUBLAS_COMPUTE_32F_PEDANTIC) == fine);
    MUST(one_product(1, 1 + 0x1p-11f, CUBLAS_TF32_TENSOR_OP_MATH, CUBLAS_COMPUTE_32F) == 1); /* a tie, to even */
}

static void body_narrow_result(void)
{
    uint16_t a = half_of(1.0078125f), found; /* 1 + 2^-7; its square is 1 + 2^-6 + 2^-14 */
    float one = 1, zero = 0, *da = upload(&a, 2), *dc = device_floats(1);
    cublasHandle_t handle = handle_new();
    MUST(cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, da, CUDA_R_16BF, 1, da, CUDA_R_16BF, 1, &zero, dc,
                      CUDA_R_16BF, 1, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT) == CUBLAS_STATUS_SUCCESS);
    DO(cudaMemcpy(&found, dc, 2, cudaMemcpyDeviceToHost));
    MUST(found == half_of(1.015625f));
    cublasDestroy(handle);
    cudaFree(da), cudaFree(dc);
}

static void test_products(void **state)
{
    (void)state;
    expect_fine(body_products);
    expect_fine(body_rounding);
    expect_fine(body_narrow_result);
}

struct gemm {
    cublasHandle_t handle;
    float *a, *b, *c, one, zero;
};

static struct gemm gemm_new(void)
{
    return (struct gemm){handle_new(), device_filled(16, 1), device_filled(16, 1), device_floats(16), 1, 0};
}

static cublasStatus_t gemm(const struct gemm *g, int m, int lda, cudaDataType type, cublasComputeType_t compute)
{
    return cublasGemmEx(g->handle, CUBLAS_OP_N, CUBLAS_OP_N, m, 4, 4, &g->one, g->a, type, lda, g->b, type, 4, &g->zero, g->c,
                        CUDA_R_32F, 4, compute, CUBLAS_GEMM_DEFAULT);
}

static void gemm_end(const struct gemm *g)
{
    DO(cudaDeviceSynchronize());
    MUST(cublasDestroy(g->handle) == CUBLAS_STATUS_SUCCESS);
    MUST(cublasDestroy(g->handle) == CUBLAS_STATUS_NOT_INITIALIZED);
    DO(cudaFree(g->a));
    DO(cudaFree(g->b));
    DO(cudaFree(g->c));
}

static void body_arguments(void)
{
    struct gemm g = gemm_new();
    MUST(gemm(&g, 4, 3, CUDA_R_32F, CUBLAS_COMPUTE_32F) == CUBLAS_STATUS_INVALID_VALUE);
    MUST(gemm(&g, -1, 4, CUDA_R_32F, CUBLAS_COMPUTE_32F) == CUBLAS_STATUS_INVALID_VALUE);
    MUST(gemm(&g, 4, 4, CUDA_R_16F, CUBLAS_COMPUTE_32F) == CUBLAS_STATUS_NOT_SUPPORTED);
    MUST(gemm(&g, 4, 4, CUDA_R_32F, CUBLAS_COMPUTE_64F) == CUBLAS_STATUS_NOT_SUPPORTED);
    MUST(gemm(&g, 4, 4, CUDA_R_16BF, CUBLAS_COMPUTE_32F_FAST_TF32) == CUBLAS_STATUS_NOT_SUPPORTED);
    MUST(cublasSetWorkspace(g.handle, (char *)g.a + 16, 16) == CUBLAS_STATUS_INVALID_VALUE);
    MUST(gemm(&g, 4, 4, CUDA_R_32F, CUBLAS_COMPUTE_32F) == CUBLAS_STATUS_SUCCESS);
    gemm_end(&g);
}

static void body_too_short(void)
{
    struct gemm g = gemm_new();
    gemm(&g, 4, 5, CUDA_R_32F, CUBLAS_COMPUTE_32F); /* reads 19 floats of 16 */
}

static void body_host_pointer(void)
{
    struct gemm g = gemm_new();
    float host[16] = {0};
    g.b = host;
    gemm(&g, 4, 4, CUDA_R_32F, CUBLAS_COMPUTE_32F);
}

static void body_in_place(void)
{
    struct gemm g = gemm_new();
    g.c = g.a;
    gemm(&g, 4, 4, CUDA_R_32F, CUBLAS_COMPUTE_32F);
}

static void test_arguments(void **state)
{
    (void)state;
    expect_fine(body_arguments);
    expect_misuse(body_too_short, "cublasGemmEx: A is not 76 bytes of device memory");
    expect_misuse(body_host_pointer, "cublasGemmEx: B is not 64 bytes of device memory");
    expect_misuse(body_in_place, "C overlaps A or B");
}

/* The workspace is given before or after the stream is set; the latter takes it away. */
static void capture_product(bool before)
{
    struct gemm g = gemm_new();
    float *workspace = device_filled(16, 5);
    cudaStream_t stream = stream_new();
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    if (before)
        MUST(cublasSetWorkspace(g.handle, workspace, 64) == CUBLAS_STATUS_SUCCESS);
    MUST(cublasSetStream(g.handle, stream) == CUBLAS_STATUS_SUCCESS);
    if (!before)
        MUST(cublasSetWorkspace(g.handle, workspace, 64) == CUBLAS_STATUS_SUCCESS);
    DO(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    MUST(gemm(&g, 4, 4, CUDA_R_32F, CUBLAS_COMPUTE_32F) == CUBLAS_STATUS_SUCCESS);
    DO(cudaStreamEndCapture(stream, &graph));
    DO(cudaGraphInstantiate(&exec, graph, 0));
    DO(cudaGraphLaunch(exec, stream));
    DO(cudaStreamSynchronize(stream));
    MUST(device_first(g.c) == 4 && isnan(device_first(workspace))); /* who keeps something there finds it gone */
    DO(cudaGraphExecDestroy(exec));
    DO(cudaGraphDestroy(graph));
    DO(cudaStreamDestroy(stream));
    DO(cudaFree(workspace));
    gemm_end(&g);
}

static void body_workspace(void) { capture_product(false); }
static void body_workspace_lost(void) { capture_product(true); }

static void body_workspace_freed(void)
{
    struct gemm g = gemm_new();
    float *workspace = device_floats(16);
    MUST(cublasSetWorkspace(g.handle, workspace, 64) == CUBLAS_STATUS_SUCCESS);
    DO(cudaFree(workspace));
    gemm(&g, 4, 4, CUDA_R_32F, CUBLAS_COMPUTE_32F);
}

static void body_left(void) { handle_new(); }

static void body_no_device(void)
{
    cublasHandle_t handle;
    MUST(cublasCreate(&handle) == CUBLAS_STATUS_NOT_INITIALIZED);
}

static void test_handles_and_workspaces(void **state)
{
    (void)state;
    expect_fine(body_workspace);
    expect_misuse(body_workspace_lost, "without cublasSetWorkspace");
    expect_misuse(body_workspace_freed, "its workspace (64 bytes) is no longer device memory");
    expect_code(body_left, LEFT, "1 of kind cublasHandle", NULL);
    expect_code(body_no_device, 0, "", SETTINGS("FAKECUDA_DEVICES", "-1"));
}

/* ---- NCCL: a process a rank ---- */

enum { COUNT = 70000, RANKS = 3 };

static void join(int rank, int device, const ncclUniqueId *id, ncclResult_t result, ncclComm_t *comm)
{
    DO(cudaSetDevice(device));
    MUST(ncclCommInitRank(comm, RANKS, *id, rank) == result);
}

/* Sums its rank + 1 (and the place) twice: in a graph, in place; and from one buffer to another. */
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

/* Every rank in a process of its own; the worst exit code is this process's. */
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
    expect_code(body_away, MISUSE, "ncclCommInitRank: 2 of 3 ranks came within 0.2 s",
                SETTINGS("FAKECUDA_DEVICES", "3", "FAKECUDA_PATIENCE", "0.2"));
    expect_code(body_left_comm, LEFT, "1 of kind ncclComm", SETTINGS("FAKECUDA_DEVICES", "3"));
    expect_misuse(body_host_sum, "that is not 4 floats of device memory");
}

/* ---- kernels from nvcc (referee.cu), where there is one ---- */

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
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_handles_and_workspaces),
        cmocka_unit_test(test_sums_over_ranks),
        cmocka_unit_test(test_kernels_from_nvcc),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
