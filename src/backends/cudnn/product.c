/* Matrix products by cuBLAS's cublasLt. The algorithm is the heuristic's first choice, made with the plan: the same in every
 * run. */
#include <string.h>

#include "product.h"

/* WORKSPACE_MOST: what NVIDIA advises for an H100. */
enum { WORKSPACE_MOST = 32 << 20 };

#define SET(function, descriptor, attribute, value, why) CUBLAS(function(descriptor, attribute, &(value), sizeof(value)), why)

/* ---- what is to be computed ---- */

static int matrix_new(cublasLtMatrixLayout_t *layout, bool half, int rows, int columns, struct error *why)
{
    return CUBLAS(cublasLtMatrixLayoutCreate(layout, half ? CUDA_R_16BF : CUDA_R_32F, (uint64_t)rows, (uint64_t)columns, rows),
                  why);
}

/* Makes the layouts of the matrices as they lie in memory, without gaps. */
static int layouts_new(struct cudnn_product *p, const struct product_request *r, struct error *why)
{
    bool a_turned = r->a == CUBLAS_OP_T, b_turned = r->b == CUBLAS_OP_T;
    return matrix_new(&p->layouts[0], r->half, a_turned ? r->k : r->m, a_turned ? r->m : r->k, why) ||
           matrix_new(&p->layouts[1], r->half, b_turned ? r->n : r->k, b_turned ? r->k : r->n, why) ||
           matrix_new(&p->layouts[2], r->d_half, r->m, r->n, why) ? -1 : 0;
}

static bool epilogue_has_bias(cublasLtEpilogue_t e)
{
    return e == CUBLASLT_EPILOGUE_BIAS || e == CUBLASLT_EPILOGUE_RELU_BIAS || e == CUBLASLT_EPILOGUE_RELU_AUX_BIAS ||
           e == CUBLASLT_EPILOGUE_BGRADA;
}

static bool epilogue_has_mask(cublasLtEpilogue_t e)
{
    return e == CUBLASLT_EPILOGUE_RELU_AUX_BIAS || e == CUBLASLT_EPILOGUE_DRELU;
}

/* Sets the addresses of what the epilogue reads or writes. The heuristic looks only at their alignment. */
static int places_set(const struct cudnn_product *p, const struct product_memory *memory, struct error *why)
{
    if (epilogue_has_bias(p->epilogue) &&
        SET(cublasLtMatmulDescSetAttribute, p->operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, memory->bias, why))
        return -1;
    if (!epilogue_has_mask(p->epilogue))
        return 0;
    return SET(cublasLtMatmulDescSetAttribute, p->operation, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, memory->mask, why);
}

static int operation_new(struct cudnn_product *p, const struct product_request *r, struct error *why)
{
    bool tf32 = p->library->precision == PRECISION_TF32;
    cublasComputeType_t compute = tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    int64_t mask_rows = product_mask_rows(r->m);
    if (CUBLAS(cublasLtMatmulDescCreate(&p->operation, compute, CUDA_R_32F), why) ||
        SET(cublasLtMatmulDescSetAttribute, p->operation, CUBLASLT_MATMUL_DESC_TRANSA, r->a, why) ||
        SET(cublasLtMatmulDescSetAttribute, p->operation, CUBLASLT_MATMUL_DESC_TRANSB, r->b, why) ||
        SET(cublasLtMatmulDescSetAttribute, p->operation, CUBLASLT_MATMUL_DESC_EPILOGUE, p->epilogue, why) ||
        places_set(p, &r->memory, why))
        return -1;
    if (!epilogue_has_mask(p->epilogue))
        return 0;
    return SET(cublasLtMatmulDescSetAttribute, p->operation, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, mask_rows, why);
}

/* ---- which algorithm ---- */

enum { NOT_OFFERED = 1 }; /* besides 0 and -1: cublasLt has no algorithm for it */

static uint32_t alignment_of(const void *at)
{
    uintptr_t address = (uintptr_t)at | DEVICE_ALIGNMENT;
    return (uint32_t)(address & -address);
}

static int alignments_set(cublasLtMatmulPreference_t preference, const struct product_memory *memory, struct error *why)
{
    const struct {
        cublasLtMatmulPreferenceAttributes_t attribute;
        const void *at;
    } matrices[] = {
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, memory->a}, {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, memory->b},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, memory->d}, {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, memory->d},
    };
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
        uint32_t alignment = alignment_of(matrices[i].at);
        if (SET(cublasLtMatmulPreferenceSetAttribute, preference, matrices[i].attribute, alignment, why))
            return -1;
    }
    return 0;
}

/* If a long sum is computed in parts (split-K), the parts stay floats and a separate step adds them up in a fixed order. The
 * other schemes would round the parts to d's type, perhaps bfloat16 (cuBLAS's DISALLOW_REDUCED_PRECISION_REDUCTION forbids this),
 * or add them in place. */
static int preference_set(cublasLtMatmulPreference_t preference, const struct product_memory *memory, struct error *why)
{
    uint64_t workspace = WORKSPACE_MOST;
    uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    return SET(cublasLtMatmulPreferenceSetAttribute, preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace, why) ||
           SET(cublasLtMatmulPreferenceSetAttribute, preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, schemes, why) ||
           alignments_set(preference, memory, why) ? -1 : 0;
}

/* cublasLt answers NOT_SUPPORTED or INVALID_VALUE if it has no algorithm for such a product. */
static int algorithm_get(struct cudnn_product *p, cublasLtMatmulPreference_t preference, struct error *why)
{
    cublasLtMatmulHeuristicResult_t found = {.state = CUBLAS_STATUS_NOT_SUPPORTED};
    int count = 0;
    cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(p->library->cublas, p->operation, p->layouts[0], p->layouts[1],
                                                           p->layouts[2], p->layouts[2], preference, 1, &found, &count);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = count > 0 ? found.state : CUBLAS_STATUS_NOT_SUPPORTED;
    p->algorithm = found.algo;
    p->workspace_bytes = found.workspaceSize;
    int failed = check_cublas(status, "cublasLtMatmulAlgoGetHeuristic", PLACE, why);
    return failed && (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE) ? NOT_OFFERED : failed;
}

static int algorithm_choose(struct cudnn_product *p, const struct product_memory *memory, struct error *why)
{
    cublasLtMatmulPreference_t preference;
    if (CUBLAS(cublasLtMatmulPreferenceCreate(&preference), why))
        return -1;
    int status = preference_set(preference, memory, why);
    if (!status)
        status = algorithm_get(p, preference, why);
    cublasStatus_t destroyed = cublasLtMatmulPreferenceDestroy(preference);
    return status ? status : check_cublas(destroyed, "cublasLtMatmulPreferenceDestroy", PLACE, why);
}

/* ---- products ---- */

static int product_make(struct cudnn_product *p, const struct product_request *request, struct error *why)
{
    if (layouts_new(p, request, why) || operation_new(p, request, why))
        return -1;
    int status = algorithm_choose(p, &request->memory, why);
    if (status || p->workspace_bytes == 0)
        return status;
    p->workspace = device_new(p->workspace_bytes, "a product's workspace", why);
    return p->workspace ? 0 : -1;
}

int cudnn_product_init(struct cudnn_product *p, const struct cudnn_library *library,
                       const struct product_request *request, struct error *why)
{
    int status = NOT_OFFERED;
    for (int i = 0; status == NOT_OFFERED && request->epilogues[i]; i++) {
        *p = (struct cudnn_product){.library = library, .epilogue = request->epilogues[i]};
        status = product_make(p, request, why);
        if (status)
            cudnn_product_free(p);
    }
    return status ? -1 : 0;
}

int cudnn_product_run(const struct cudnn_product *p, cudaStream_t stream, const struct product_memory *m, struct error *why)
{
    static const float one = 1, zero = 0;
    if (places_set(p, m, why))
        return -1;
    return CUBLAS(cublasLtMatmul(p->library->cublas, p->operation, &one, m->a, p->layouts[0], m->b, p->layouts[1], &zero, m->d,
                                 p->layouts[2], m->d, p->layouts[2], &p->algorithm, p->workspace, p->workspace_bytes, stream), why);
}

/* Ignores failures: nothing is used any more. */
void cudnn_product_free(struct cudnn_product *p)
{
    for (size_t i = 0; i < sizeof p->layouts / sizeof *p->layouts; i++)
        if (p->layouts[i])
            cublasLtMatrixLayoutDestroy(p->layouts[i]);
    if (p->operation)
        cublasLtMatmulDescDestroy(p->operation);
    device_free(p->workspace);
    memset(p, 0, sizeof *p);
}
