/* cuBLAS: matrix products, column-major, by OpenBLAS. */
#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC visibility push(default)
#include <cublas_v2.h>
#pragma GCC visibility pop

#include "fake.h"
#include "numbers.h"

enum { WORKSPACE_ALIGN = 256, SCRIBBLE = 64 << 10, NAN_BYTE = 0xff };

struct cublasContext {
    cudaStream_t stream;
    cublasMath_t math;
    void *workspace;
    size_t workspace_bytes;
    bool own_workspace; /* the user's */
};

static bool is_handle(cublasHandle_t handle)
{
    return handle && fake_is_taken("cublasHandle", handle);
}

cublasStatus_t cublasCreate_v2(cublasHandle_t *handle)
{
    if (fake_call(__func__))
        return CUBLAS_STATUS_ALLOC_FAILED;
    if (!handle)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (fake_device() < 0)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    struct cublasContext *h = calloc(1, sizeof *h);
    if (!h)
        return CUBLAS_STATUS_ALLOC_FAILED;
    fake_taken("cublasHandle", h);
    *handle = h;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle)
{
    if (fake_call(__func__) || !handle || !fake_given_back("cublasHandle", handle))
        return CUBLAS_STATUS_NOT_INITIALIZED;
    free(handle);
    return CUBLAS_STATUS_SUCCESS;
}

/* Takes the user's workspace away, as its manual says. */
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream)
{
    if (fake_call(__func__) || !is_handle(handle))
        return CUBLAS_STATUS_NOT_INITIALIZED;
    if (stream && !fake_is_taken("stream", stream))
        fake_misuse("cublasSetStream: that is no stream");
    handle->stream = stream;
    handle->own_workspace = false;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void *workspace, size_t bytes)
{
    if (fake_call(__func__) || !is_handle(handle))
        return CUBLAS_STATUS_NOT_INITIALIZED;
    if ((uintptr_t)workspace % WORKSPACE_ALIGN)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (bytes && !fake_is_device(workspace, bytes))
        fake_misuse("cublasSetWorkspace: that is not %zu bytes of device memory", bytes);
    handle->workspace = workspace;
    handle->workspace_bytes = bytes;
    handle->own_workspace = true;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode)
{
    if (fake_call(__func__) || !is_handle(handle))
        return CUBLAS_STATUS_NOT_INITIALIZED;
    int known = CUBLAS_PEDANTIC_MATH | CUBLAS_TF32_TENSOR_OP_MATH | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
    if ((int)mode & ~known)
        return CUBLAS_STATUS_INVALID_VALUE;
    handle->math = mode;
    return CUBLAS_STATUS_SUCCESS;
}

const char *cublasGetStatusString(cublasStatus_t status)
{
    switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "success";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "the library was not initialized";
    case CUBLAS_STATUS_ALLOC_FAILED: return "the resource allocation failed";
    case CUBLAS_STATUS_INVALID_VALUE: return "an unsupported value or parameter was passed to the function";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "the function failed to launch on the GPU";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "the requested functionality is not supported";
    default: return "an internal operation failed";
    }
}

/* ---- products ---- */

enum rounding { ROUND_NONE, ROUND_TF32 };

struct matrix {
    const void *at;
    int rows, columns, lead; /* as stored */
    bool half;               /* bfloat16 */
};

struct product {
    struct matrix a, b, c;
    bool a_turned, b_turned;
    int m, n, k;
    float alpha, beta;
    enum rounding rounding;
    void *workspace;
    size_t workspace_bytes;
};

static size_t elements(const struct matrix *x)
{
    return x->rows && x->columns ? (size_t)x->lead * (size_t)(x->columns - 1) + (size_t)x->rows : 0;
}

static size_t bytes_of(const struct matrix *x)
{
    return elements(x) * (x->half ? 2 : 4);
}

/* A dense copy (rows, columns) in floats, as the product sees them. */
static float *factor(const struct matrix *x, enum rounding rounding)
{
    float *copy = malloc(((size_t)x->rows * (size_t)x->columns + 1) * sizeof *copy);
    if (!copy)
        fake_misuse("the host has no memory left");
    for (int j = 0; j < x->columns; j++)
        for (int i = 0; i < x->rows; i++) {
            size_t from = (size_t)j * (size_t)x->lead + (size_t)i;
            float value = x->half ? widened(((const uint16_t *)x->at)[from]) : ((const float *)x->at)[from];
            copy[(size_t)j * (size_t)x->rows + (size_t)i] = rounding == ROUND_TF32 ? rounded(value, TF32_DROPPED) : value;
        }
    return copy;
}

static void store(const struct matrix *c, const float *values)
{
    for (int j = 0; j < c->columns; j++)
        for (int i = 0; i < c->rows; i++) {
            size_t to = (size_t)j * (size_t)c->lead + (size_t)i;
            float value = values[(size_t)j * (size_t)c->rows + (size_t)i];
            if (c->half)
                ((uint16_t *)(uintptr_t)c->at)[to] = narrowed(value);
            else
                ((float *)(uintptr_t)c->at)[to] = value;
        }
}

static void check_memory(const char *name, const struct matrix *x)
{
    if (!fake_is_device(x->at, bytes_of(x)))
        fake_misuse("cublasGemmEx: %s is not %zu bytes of device memory", name, bytes_of(x));
}

static void check_product(const struct product *p)
{
    check_memory("A", &p->a);
    check_memory("B", &p->b);
    check_memory("C", &p->c);
    if (p->workspace_bytes && !fake_is_device(p->workspace, p->workspace_bytes))
        fake_misuse("cublasGemmEx: its workspace (%zu bytes) is no longer device memory", p->workspace_bytes);
}

static void run_product(const void *state)
{
    const struct product *p = state;
    check_product(p);
    if (p->workspace_bytes) /* who keeps something there finds it gone */
        memset(p->workspace, NAN_BYTE, p->workspace_bytes < SCRIBBLE ? p->workspace_bytes : SCRIBBLE);
    float *a = factor(&p->a, p->rounding), *b = factor(&p->b, p->rounding);
    struct matrix dense = p->c;
    float *c = p->beta != 0 ? factor(&dense, ROUND_NONE) : calloc((size_t)p->m * (size_t)p->n + 1, sizeof *c);
    if (!c)
        fake_misuse("the host has no memory left");
    cblas_sgemm(CblasColMajor, p->a_turned ? CblasTrans : CblasNoTrans, p->b_turned ? CblasTrans : CblasNoTrans, p->m, p->n,
                p->k, p->alpha, a, p->a.rows ? p->a.rows : 1, b, p->b.rows ? p->b.rows : 1, p->beta, c, p->m);
    store(&p->c, c);
    free(a);
    free(b);
    free(c);
}

static bool is_known(const struct product *p, cudaDataType a, cudaDataType b, cudaDataType c, cublasComputeType_t compute)
{
    bool computes = compute == CUBLAS_COMPUTE_32F || compute == CUBLAS_COMPUTE_32F_PEDANTIC ||
                    (compute == CUBLAS_COMPUTE_32F_FAST_TF32 && !p->a.half);
    bool types = (a == CUDA_R_32F && c == CUDA_R_32F) || (a == CUDA_R_16BF && (c == CUDA_R_32F || c == CUDA_R_16BF));
    return computes && types && a == b;
}

static bool is_possible(const struct product *p)
{
    const struct matrix *all[] = {&p->a, &p->b, &p->c};
    for (int i = 0; i < 3; i++)
        if (all[i]->lead < (all[i]->rows > 1 ? all[i]->rows : 1))
            return false;
    return p->m >= 0 && p->n >= 0 && p->k >= 0;
}

static bool overlap(const struct matrix *x, const struct matrix *y)
{
    const char *a = x->at, *b = y->at;
    return a < b + bytes_of(y) && b < a + bytes_of(x);
}

static cublasStatus_t enqueue(cublasHandle_t handle, const struct product *p)
{
    check_product(p);
    if (overlap(&p->c, &p->a) || overlap(&p->c, &p->b))
        fake_misuse("cublasGemmEx: C overlaps A or B");
    if (fake_is_capturing(handle->stream) && !handle->own_workspace)
        fake_misuse("cublasGemmEx in a capture without cublasSetWorkspace (after cublasSetStream): it would record allocations");
    cudaError_t status = fake_enqueue(handle->stream, "cublasGemmEx", run_product, p, sizeof *p);
    return status ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k,
                            const void *alpha, const void *A, cudaDataType Atype, int lda, const void *B, cudaDataType Btype,
                            int ldb, const void *beta, void *C, cudaDataType Ctype, int ldc, cublasComputeType_t computeType,
                            cublasGemmAlgo_t algo)
{
    if (fake_call(__func__))
        return CUBLAS_STATUS_EXECUTION_FAILED;
    if (!is_handle(handle))
        return CUBLAS_STATUS_NOT_INITIALIZED;
    bool ta = transa != CUBLAS_OP_N, tb = transb != CUBLAS_OP_N;
    struct product p = {.a = {A, ta ? k : m, ta ? m : k, lda, Atype == CUDA_R_16BF},
                        .b = {B, tb ? n : k, tb ? k : n, ldb, Btype == CUDA_R_16BF},
                        .c = {C, m, n, ldc, Ctype == CUDA_R_16BF},
                        .a_turned = ta, .b_turned = tb, .m = m, .n = n, .k = k};
    if (transa > CUBLAS_OP_C || transb > CUBLAS_OP_C || !is_possible(&p) || !alpha || !beta)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (!is_known(&p, Atype, Btype, Ctype, computeType) || (algo != CUBLAS_GEMM_DEFAULT && algo != CUBLAS_GEMM_DEFAULT_TENSOR_OP))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (m == 0 || n == 0)
        return CUBLAS_STATUS_SUCCESS;
    p.alpha = *(const float *)alpha;
    p.beta = *(const float *)beta;
    bool tf32 = computeType == CUBLAS_COMPUTE_32F_FAST_TF32 ||
                (computeType == CUBLAS_COMPUTE_32F && handle->math & CUBLAS_TF32_TENSOR_OP_MATH);
    p.rounding = tf32 && !p.a.half ? ROUND_TF32 : ROUND_NONE;
    p.workspace = handle->own_workspace ? handle->workspace : NULL;
    p.workspace_bytes = handle->own_workspace ? handle->workspace_bytes : 0;
    return enqueue(handle, &p);
}
