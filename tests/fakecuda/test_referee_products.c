/* The referee's cublasLt. */
#include "referee.h"

#pragma GCC visibility push(default)
#include <cublasLt.h>
#pragma GCC visibility pop

enum { M = 5, N = 4, K = 3, LEAD = 7, SIZE = 64 };

/* ---- a product ---- */

enum { A_PLACE, B_PLACE, D_PLACE, PLACES };

/* d (M, N) = a (M, K) b (K, N), with LEAD between the columns of each unless set otherwise. */
struct wish {
    bool ta, tb, half, d_half;
    int m, n, k, lead;
    cublasComputeType_t compute;
    cublasLtEpilogue_t epilogue;
    int64_t mask_rows;
    uint32_t schemes, alignment;
    uint64_t workspace;
    void *bias, *mask;
};

static const struct wish plain = {.m = M, .n = N, .k = K, .lead = LEAD, .compute = CUBLAS_COMPUTE_32F,
                                  .epilogue = CUBLASLT_EPILOGUE_DEFAULT, .mask_rows = 128,
                                  .schemes = CUBLASLT_REDUCTION_SCHEME_MASK, .alignment = 256, .workspace = 1 << 20};

struct gemm {
    cublasLtHandle_t handle;
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t layouts[PLACES];
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulHeuristicResult_t found;
    int count;
};

#define LT(call) MUST((call) == CUBLAS_STATUS_SUCCESS)
#define LT_SET(what, object, attribute, value) LT(cublasLt##what##SetAttribute(object, attribute, &(value), sizeof(value)))

static void operation_set(const struct gemm *g, const struct wish *w)
{
    int32_t a = w->ta ? CUBLAS_OP_T : CUBLAS_OP_N, b = w->tb ? CUBLAS_OP_T : CUBLAS_OP_N;
    LT_SET(MatmulDesc, g->operation, CUBLASLT_MATMUL_DESC_TRANSA, a);
    LT_SET(MatmulDesc, g->operation, CUBLASLT_MATMUL_DESC_TRANSB, b);
    LT_SET(MatmulDesc, g->operation, CUBLASLT_MATMUL_DESC_EPILOGUE, w->epilogue);
    LT_SET(MatmulDesc, g->operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, w->bias);
    LT_SET(MatmulDesc, g->operation, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, w->mask);
    LT_SET(MatmulDesc, g->operation, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, w->mask_rows);
}

static void preference_set(const struct gemm *g, const struct wish *w)
{
    LT_SET(MatmulPreference, g->preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, w->workspace);
    LT_SET(MatmulPreference, g->preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, w->schemes);
    LT_SET(MatmulPreference, g->preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, w->alignment);
    LT_SET(MatmulPreference, g->preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, w->alignment);
    LT_SET(MatmulPreference, g->preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, w->alignment);
    LT_SET(MatmulPreference, g->preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, w->alignment);
}

static cublasStatus_t heuristic(struct gemm *g)
{
    return cublasLtMatmulAlgoGetHeuristic(g->handle, g->operation, g->layouts[0], g->layouts[1], g->layouts[2], g->layouts[2],
                                          g->preference, 1, &g->found, &g->count);
}

static struct gemm gemm_new(const struct wish *w)
{
    struct gemm g = {.handle = NULL};
    cudaDataType type = w->half ? CUDA_R_16BF : CUDA_R_32F, d_type = w->d_half ? CUDA_R_16BF : CUDA_R_32F;
    LT(cublasLtCreate(&g.handle));
    LT(cublasLtMatmulDescCreate(&g.operation, w->compute, CUDA_R_32F));
    LT(cublasLtMatrixLayoutCreate(&g.layouts[0], type, (uint64_t)(w->ta ? w->k : w->m), (uint64_t)(w->ta ? w->m : w->k), w->lead));
    LT(cublasLtMatrixLayoutCreate(&g.layouts[1], type, (uint64_t)(w->tb ? w->n : w->k), (uint64_t)(w->tb ? w->k : w->n), w->lead));
    LT(cublasLtMatrixLayoutCreate(&g.layouts[2], d_type, (uint64_t)w->m, (uint64_t)w->n, w->lead));
    LT(cublasLtMatmulPreferenceCreate(&g.preference));
    operation_set(&g, w);
    preference_set(&g, w);
    return g;
}

static cublasStatus_t gemm_run(const struct gemm *g, float alpha, const void *a, const void *b, float beta, void *d,
                               void *workspace, cudaStream_t stream)
{
    return cublasLtMatmul(g->handle, g->operation, &alpha, a, g->layouts[0], b, g->layouts[1], &beta, d, g->layouts[2], d,
                          g->layouts[2], &g->found.algo, workspace, g->found.workspaceSize, stream);
}

static void gemm_end(const struct gemm *g)
{
    DO(cudaDeviceSynchronize());
    for (int i = 0; i < PLACES; i++)
        LT(cublasLtMatrixLayoutDestroy(g->layouts[i]));
    LT(cublasLtMatmulDescDestroy(g->operation));
    LT(cublasLtMatmulPreferenceDestroy(g->preference));
    LT(cublasLtDestroy(g->handle));
}

/* The heuristic's status for a product, and how many algorithms it offers. */
static cublasStatus_t offer(const struct wish *w, int *count)
{
    struct gemm g = gemm_new(w);
    cublasStatus_t status = heuristic(&g);
    *count = g.count;
    gemm_end(&g);
    return status;
}

static float number(int i)
{
    return (float)((i * 37 + 11) % 23 - 11) / 8; /* exact in bfloat16 */
}

static uint16_t half_of(float value) /* value must be exact in bfloat16 */
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)(bits >> 16);
}

static float float_of(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof bits);
    return value;
}

/* SIZE numbers on the device, from number(first) on. */
static float *numbers(int first, bool half)
{
    float values[SIZE];
    uint16_t halves[SIZE];
    for (int i = 0; i < SIZE; i++)
        halves[i] = half_of(values[i] = number(first + i));
    return half ? upload(halves, sizeof halves) : upload(values, sizeof values);
}

static void fetch(const void *from, bool half, float *values)
{
    uint16_t halves[SIZE];
    DO(cudaDeviceSynchronize());
    if (half)
        DO(cudaMemcpy(halves, from, sizeof halves, cudaMemcpyDeviceToHost));
    else
        DO(cudaMemcpy(values, from, SIZE * sizeof *values, cudaMemcpyDeviceToHost));
    for (int i = 0; half && i < SIZE; i++)
        values[i] = float_of(halves[i]);
}

static float element(int first, bool turned, int row, int column)
{
    return number(first + (turned ? column + row * LEAD : row + column * LEAD));
}

static float expected(bool ta, bool tb, int i, int j)
{
    float sum = 0;
    for (int k = 0; k < K; k++)
        sum += element(0, ta, i, k) * element(100, tb, k, j);
    return sum;
}

/* D = 2 A B + beta D; if beta is 0, D was NaN before. */
static void multiply(bool ta, bool tb, float beta, bool half)
{
    float ones[SIZE], found[SIZE];
    for (int i = 0; i < SIZE; i++)
        ones[i] = 1;
    struct wish w = plain;
    w.ta = ta, w.tb = tb, w.half = half;
    float *a = numbers(0, half), *b = numbers(100, half), *d = beta != 0 ? upload(ones, sizeof ones) : device_floats(SIZE);
    struct gemm g = gemm_new(&w);
    LT(heuristic(&g));
    LT(gemm_run(&g, 2, a, b, beta, d, NULL, NULL));
    fetch(d, false, found);
    for (int j = 0; j < N; j++)
        for (int i = 0; i < M; i++)
            MUST(found[i + j * LEAD] == 2 * expected(ta, tb, i, j) + beta);
    MUST(beta != 0 || (isnan(found[M]) && isnan(found[LEAD - 1]))); /* between the columns */
    gemm_end(&g);
    cudaFree(a), cudaFree(b), cudaFree(d);
}

static void body_products(void)
{
    for (int i = 0; i < 16; i++)
        multiply(i & 1, i & 2, i & 4 ? 1 : 0, i & 8);
}

/* 1 x 1 products show the precision of the factors. */
static float one_product(float a, float b, cublasComputeType_t compute)
{
    struct wish w = plain;
    w.m = w.n = w.k = w.lead = 1, w.compute = compute;
    float *da = upload(&a, 4), *db = upload(&b, 4), *dd = device_floats(1);
    struct gemm g = gemm_new(&w);
    LT(heuristic(&g));
    LT(gemm_run(&g, 1, da, db, 0, dd, NULL, NULL));
    float found = device_first(dd);
    gemm_end(&g);
    cudaFree(da), cudaFree(db), cudaFree(dd);
    return found;
}

static void body_rounding(void)
{
    float fine = 1 + 0x1p-11f + 0x1p-13f; /* in ten bits: 1 + 2^-10 */
    MUST(one_product(fine, 1, CUBLAS_COMPUTE_32F) == fine);
    MUST(one_product(fine, 1, CUBLAS_COMPUTE_32F_FAST_TF32) == 1 + 0x1p-10f);
    MUST(one_product(1, 1 + 0x1p-11f, CUBLAS_COMPUTE_32F_FAST_TF32) == 1); /* a tie, to even */
}

/* 256 + 1 - 256 in bfloat16 is 1, or 0 if parts are rounded, which is allowed unless the mask of schemes forbids it. */
static float long_sum(uint32_t schemes)
{
    enum { LONG = 512 };
    uint16_t a[LONG] = {half_of(256), half_of(1)}, ones[LONG], found;
    struct wish w = plain;
    a[LONG - 1] = half_of(-256);
    for (int i = 0; i < LONG; i++)
        ones[i] = half_of(1);
    w.m = w.n = 1, w.k = w.lead = LONG, w.ta = true, w.half = w.d_half = true, w.schemes = schemes;
    float *da = upload(a, sizeof a), *db = upload(ones, sizeof ones), *dd = upload(ones, sizeof ones);
    struct gemm g = gemm_new(&w);
    LT(heuristic(&g));
    void *workspace = g.found.workspaceSize ? device_floats((int)g.found.workspaceSize / 4) : NULL;
    LT(gemm_run(&g, 1, da, db, 0, dd, workspace, NULL));
    DO(cudaDeviceSynchronize());
    DO(cudaMemcpy(&found, dd, 2, cudaMemcpyDeviceToHost));
    gemm_end(&g);
    cudaFree(da), cudaFree(db), cudaFree(dd), cudaFree(workspace);
    return float_of(found);
}

static void body_parts(void)
{
    MUST(long_sum(CUBLASLT_REDUCTION_SCHEME_MASK) == 0);
    MUST(long_sum(CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE) == 0);
    MUST(long_sum(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE) == 1);
    MUST(long_sum(CUBLASLT_REDUCTION_SCHEME_NONE) == 1);
}

static void test_products(void **state)
{
    (void)state;
    expect_fine(body_products);
    expect_fine(body_rounding);
    expect_fine(body_parts);
}

/* ---- epilogues ---- */

/* The result of an epilogue on the product of numbers, with the given bias and mask. */
static void with_epilogue(cublasLtEpilogue_t epilogue, bool half, void *bias, void *mask, float *found)
{
    struct wish w = plain;
    w.half = w.d_half = half, w.epilogue = epilogue, w.bias = bias, w.mask = mask;
    float *a = numbers(0, half), *b = numbers(100, half), *d = device_floats(SIZE);
    struct gemm g = gemm_new(&w);
    LT(heuristic(&g));
    MUST(g.count == 1);
    LT(gemm_run(&g, 1, a, b, 0, d, NULL, NULL));
    fetch(d, half, found);
    gemm_end(&g);
    cudaFree(a), cudaFree(b), cudaFree(d);
}

/* The value as it is stored: sums of a few such numbers are not exact in bfloat16. */
static float stored(float value, bool half)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return half ? float_of((uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)) : value;
}

static void epilogues(bool half)
{
    float found[SIZE], masked[SIZE], biased[SIZE], sums[SIZE];
    float *bias = numbers(7, half), *mask = device_floats(SIZE);
    with_epilogue(CUBLASLT_EPILOGUE_BIAS, half, bias, NULL, biased);
    with_epilogue(CUBLASLT_EPILOGUE_RELU_AUX_BIAS, half, bias, mask, found);
    with_epilogue(CUBLASLT_EPILOGUE_DRELU, half, NULL, mask, masked);
    with_epilogue(CUBLASLT_EPILOGUE_BGRADA, half, bias, NULL, sums);
    fetch(bias, half, sums);
    for (int i = 0; i < M; i++) {
        float sum = 0;
        for (int k = 0; k < K; k++)
            sum += element(0, false, i, k);
        MUST(sums[i] == stored(sum, half));
        for (int j = 0; j < N; j++) {
            float product = expected(false, false, i, j), all = product + number(7 + i);
            MUST(biased[i + j * LEAD] == stored(all, half));
            MUST(found[i + j * LEAD] == stored(all > 0 ? all : 0, half));
            MUST(masked[i + j * LEAD] == (all > 0 ? stored(product, half) : 0));
        }
    }
    cudaFree(bias), cudaFree(mask);
}

static void body_epilogues(void)
{
    epilogues(false);
    epilogues(true);
}

static void body_no_mask(void)
{
    float found[SIZE];
    with_epilogue(CUBLASLT_EPILOGUE_DRELU, false, NULL, device_floats(SIZE), found);
}

static void body_short_mask(void)
{
    float found[SIZE];
    with_epilogue(CUBLASLT_EPILOGUE_RELU_AUX_BIAS, false, device_filled(M, 1), device_filled(2 * N, 1), found);
}

static void body_no_bias(void)
{
    float found[SIZE];
    with_epilogue(CUBLASLT_EPILOGUE_RELU_BIAS, false, NULL, NULL, found);
}

static void body_not_offered(void)
{
    int count;
    struct wish w = plain;
    LT(offer(&w, &count));
    MUST(count == 1);
    w.epilogue = CUBLASLT_EPILOGUE_RELU_BIAS;
    LT(offer(&w, &count));
    MUST(count == 1);
    w.epilogue = CUBLASLT_EPILOGUE_DRELU;
    LT(offer(&w, &count));
    MUST(count == 0);
}

static void test_epilogues(void **state)
{
    (void)state;
    expect_fine(body_epilogues);
    expect_misuse(body_no_mask, "the mask that it reads was written by no product of that shape");
    expect_misuse(body_short_mask, "the mask is not 64 bytes of device memory");
    expect_misuse(body_no_bias, "the bias is not 20 bytes of device memory");
    expect_code(body_not_offered, 0, "", SETTINGS("FAKECUDA_NO_EPILOGUES", "136 256"));
}

/* ---- refusals ---- */

static void refused(struct wish w, cublasStatus_t status)
{
    int count;
    MUST(offer(&w, &count) == status && count == 0);
}

#define REFUSED(status, ...) do { struct wish w = plain; __VA_ARGS__; refused(w, CUBLAS_STATUS_##status); } while (0)

static void body_arguments(void)
{
    struct gemm g = gemm_new(&plain);
    int64_t wide = 128;
    REFUSED(INVALID_VALUE, w.lead = M - 1);
    REFUSED(INVALID_VALUE, w.epilogue = CUBLASLT_EPILOGUE_RELU_AUX_BIAS; w.mask_rows = 64);
    REFUSED(INVALID_VALUE, w.epilogue = CUBLASLT_EPILOGUE_DRELU; w.m = w.lead = 200);
    REFUSED(NOT_SUPPORTED, w.d_half = true);
    REFUSED(NOT_SUPPORTED, w.compute = CUBLAS_COMPUTE_64F);
    REFUSED(NOT_SUPPORTED, w.half = true; w.compute = CUBLAS_COMPUTE_32F_FAST_TF32);
    REFUSED(NOT_SUPPORTED, w.epilogue = CUBLASLT_EPILOGUE_GELU);
    REFUSED(NOT_SUPPORTED, w.epilogue = CUBLASLT_EPILOGUE_BGRADA; w.ta = true);
    MUST(cublasLtMatmulDescSetAttribute(g.operation, CUBLASLT_MATMUL_DESC_TRANSA, &wide, sizeof wide) ==
         CUBLAS_STATUS_INVALID_VALUE);
    gemm_end(&g);
    MUST(cublasLtMatmulDescDestroy(g.operation) == CUBLAS_STATUS_INVALID_VALUE);
    MUST(cublasLtDestroy(g.handle) == CUBLAS_STATUS_NOT_INITIALIZED);
}

/* An algorithm of another shape is refused. */
static void body_other_algorithm(void)
{
    struct wish other = plain;
    other.n = 2;
    struct gemm g = gemm_new(&plain), h = gemm_new(&other);
    float *a = numbers(0, false), *b = numbers(0, false), *d = device_floats(SIZE);
    LT(heuristic(&h));
    g.found = h.found;
    MUST(gemm_run(&g, 1, a, b, 0, d, NULL, NULL) == CUBLAS_STATUS_INVALID_VALUE);
    cudaFree(a), cudaFree(b), cudaFree(d);
    gemm_end(&g);
    gemm_end(&h);
}

/* Runs a product with a moved by some bytes, b perhaps on the host, d of that many floats. */
static void run_moved(size_t a, const void *host, int d_floats)
{
    struct gemm g = gemm_new(&plain);
    LT(heuristic(&g));
    gemm_run(&g, 1, (char *)numbers(0, false) + a, host ? host : numbers(0, false), 0, device_floats(d_floats), NULL, NULL);
}

static void body_too_short(void) { run_moved(0, NULL, 25); }
static void body_unaligned(void) { run_moved(16, NULL, SIZE); }
static void body_host_pointer(void)
{
    float host[SIZE] = {0};
    run_moved(0, host, SIZE);
}

static void body_in_place(void)
{
    struct gemm g = gemm_new(&plain);
    float *a = numbers(0, false);
    LT(heuristic(&g));
    gemm_run(&g, 1, a, numbers(0, false), 0, a, NULL, NULL);
}

static void test_arguments(void **state)
{
    (void)state;
    expect_fine(body_arguments);
    expect_fine(body_other_algorithm);
    expect_misuse(body_too_short, "cublasLtMatmul: D is not 104 bytes of device memory");
    expect_misuse(body_host_pointer, "cublasLtMatmul: B is not 96 bytes of device memory");
    expect_misuse(body_unaligned, "A is not aligned to 256 bytes");
    expect_misuse(body_in_place, "D overlaps A or B");
}

/* ---- workspaces ---- */

/* Captures a long sum with a workspace of which only `bytes` are left. */
static void capture_long_sum(size_t bytes)
{
    struct wish w = plain;
    w.m = w.n = 2, w.k = w.lead = 1024, w.ta = true;
    struct gemm g = gemm_new(&w);
    float *a = device_filled(2048, 1), *b = device_filled(2048, 1), *d = device_floats(4096), *workspace = device_filled(64, 5);
    cudaStream_t stream = stream_new();
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    LT(heuristic(&g));
    MUST(g.found.workspaceSize == 32);
    DO(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    LT(gemm_run(&g, 1, a, b, 0, d, (char *)workspace + 256 - bytes, stream));
    DO(cudaStreamEndCapture(stream, &graph));
    DO(cudaGraphInstantiate(&exec, graph, 0));
    DO(cudaGraphLaunch(exec, stream));
    DO(cudaStreamSynchronize(stream));
    MUST(device_first(d) == 1024 && isnan(device_first(workspace))); /* the workspace's old contents are lost */
    DO(cudaGraphExecDestroy(exec));
    DO(cudaGraphDestroy(graph));
    DO(cudaStreamDestroy(stream));
    cudaFree(a), cudaFree(b), cudaFree(d), cudaFree(workspace);
    gemm_end(&g);
}

static void body_workspace(void) { capture_long_sum(256); }
static void body_workspace_short(void) { capture_long_sum(0); }

static void body_left(void)
{
    struct gemm g = gemm_new(&plain);
    DO(cudaDeviceSynchronize());
    LT(cublasLtDestroy(g.handle));
}

static void body_no_device(void)
{
    cublasLtHandle_t handle;
    MUST(cublasLtCreate(&handle) == CUBLAS_STATUS_NOT_INITIALIZED);
}

static void test_handles_and_workspaces(void **state)
{
    (void)state;
    expect_fine(body_workspace);
    expect_misuse(body_workspace_short, "the workspace is not 32 bytes of device memory");
    expect_code(body_left, LEFT, "3 of kind cublasLtMatrixLayout", NULL);
    expect_code(body_no_device, 0, "", SETTINGS("FAKECUDA_DEVICES", "-1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_epilogues),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_handles_and_workspaces),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
