/* cublasLt: column-major matrix products with their epilogues: descriptors, the heuristic, refusals. Where its manual or its
 * header state a rule, this is strict; what neither states (the place of a bit in a mask) is made as inconvenient as possible. */
#include "cublaslt.h"

enum { LONG_SUM = 256, MASK_ROWS = 128, ALIGN = WORKSPACE_ALIGN };

struct cublasLtContext { int device; };

static const char handles[] = "cublasLtHandle", operations[] = "cublasLtMatmulDesc", layouts[] = "cublasLtMatrixLayout",
                  preferences[] = "cublasLtMatmulPreference";

struct preference {
    uint64_t workspace;
    uint32_t schemes, alignment[4]; /* of A, B, C, D */
};

static void *taken(const char *kind, size_t bytes)
{
    void *object = calloc(1, bytes);
    if (!object)
        fake_misuse("the host has no memory left");
    fake_taken(kind, object);
    return object;
}

static cublasStatus_t given_back(const char *kind, void *object)
{
    if (!object || !fake_given_back(kind, object))
        return CUBLAS_STATUS_INVALID_VALUE;
    free(object);
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- handles ---- */

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    if (fake_call(__func__))
        return CUBLAS_STATUS_ALLOC_FAILED;
    if (!handle)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (fake_device() < 0)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    *handle = taken(handles, sizeof(struct cublasLtContext));
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    return fake_call(__func__) || given_back(handles, handle) ? CUBLAS_STATUS_NOT_INITIALIZED : CUBLAS_STATUS_SUCCESS;
}

const char *cublasLtGetStatusString(cublasStatus_t status)
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

/* ---- descriptors ---- */

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *made, cudaDataType type, uint64_t rows, uint64_t columns,
                                          int64_t lead)
{
    if (fake_call(__func__))
        return CUBLAS_STATUS_ALLOC_FAILED;
    struct layout *layout = taken(layouts, sizeof *layout);
    *layout = (struct layout){type, (int)rows, (int)columns, (int)lead};
    *made = (cublasLtMatrixLayout_t)layout;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    return fake_call(__func__) ? CUBLAS_STATUS_INTERNAL_ERROR : given_back(layouts, layout);
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *made, cublasComputeType_t compute, cudaDataType_t scale)
{
    if (fake_call(__func__))
        return CUBLAS_STATUS_ALLOC_FAILED;
    struct operation *operation = taken(operations, sizeof *operation);
    *operation = (struct operation){.compute = compute, .scale = scale, .epilogue = CUBLASLT_EPILOGUE_DEFAULT};
    *made = (cublasLtMatmulDesc_t)operation;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation)
{
    return fake_call(__func__) ? CUBLAS_STATUS_INTERNAL_ERROR : given_back(operations, operation);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *made)
{
    if (fake_call(__func__))
        return CUBLAS_STATUS_ALLOC_FAILED;
    struct preference *preference = taken(preferences, sizeof *preference);
    *preference = (struct preference){.schemes = CUBLASLT_REDUCTION_SCHEME_MASK, .alignment = {ALIGN, ALIGN, ALIGN, ALIGN}};
    *made = (cublasLtMatmulPreference_t)preference;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    return fake_call(__func__) ? CUBLAS_STATUS_INTERNAL_ERROR : given_back(preferences, preference);
}

/* Sets a value; refuses any other number of bytes. */
static cublasStatus_t set(void *to, size_t own, const void *from, size_t bytes)
{
    if (!from || bytes != own)
        return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(to, from, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

#define SET(member) set(&(member), sizeof(member), value, bytes)

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t descriptor, cublasLtMatmulDescAttributes_t attribute,
                                              const void *value, size_t bytes)
{
    struct operation *o = (struct operation *)descriptor;
    if (fake_call(__func__))
        return CUBLAS_STATUS_INTERNAL_ERROR;
    if (!fake_is_taken(operations, o))
        return CUBLAS_STATUS_INVALID_VALUE;
    switch ((int)attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return SET(o->a);
    case CUBLASLT_MATMUL_DESC_TRANSB: return SET(o->b);
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return SET(o->epilogue);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return SET(o->bias);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER: return SET(o->mask);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD: return SET(o->mask_rows);
    default: fake_misuse("cublasLtMatmulDescSetAttribute: attribute %d is not known here", (int)attribute);
    }
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t descriptor,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void *value,
                                                    size_t bytes)
{
    struct preference *p = (struct preference *)descriptor;
    if (fake_call(__func__))
        return CUBLAS_STATUS_INTERNAL_ERROR;
    if (!fake_is_taken(preferences, p))
        return CUBLAS_STATUS_INVALID_VALUE;
    switch ((int)attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return SET(p->workspace);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: return SET(p->schemes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: return SET(p->alignment[0]);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: return SET(p->alignment[1]);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: return SET(p->alignment[2]);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: return SET(p->alignment[3]);
    default: fake_misuse("cublasLtMatmulPreferenceSetAttribute: attribute %d is not known here", (int)attribute);
    }
}

/* ---- products ---- */

static bool layout_is_possible(const struct layout *x)
{
    return x->rows > 0 && x->columns > 0 && x->lead >= x->rows;
}

static bool descriptors_are_taken(cublasLtMatmulDesc_t operation, const cublasLtMatrixLayout_t matrices[4])
{
    for (int i = 0; i < 4; i++)
        if (!fake_is_taken(layouts, matrices[i]))
            return false;
    return fake_is_taken(operations, operation);
}

static bool is_consistent(const struct shape *s)
{
    bool tb = s->operation.b != CUBLAS_OP_N;
    bool masks = writes_mask(s->operation.epilogue) || reads_mask(s->operation.epilogue);
    return layout_is_possible(&s->a) && layout_is_possible(&s->b) && layout_is_possible(&s->d) &&
           s->k == (tb ? s->b.columns : s->b.rows) && s->m == s->d.rows && s->n == s->d.columns &&
           (!masks || (s->operation.mask_rows % MASK_ROWS == 0 && s->operation.mask_rows >= s->m));
}

/* Whether the manual's table has this case. BGRADA needs an A that is not transposed (according to nvmath-python's tests). */
static bool is_supported(const struct shape *s)
{
    if (sums_bias(s->operation.epilogue) && s->operation.a != CUBLAS_OP_N)
        return false;
    bool floats = s->a.type == CUDA_R_32F && s->b.type == CUDA_R_32F && s->d.type == CUDA_R_32F;
    bool halves = is_half(&s->a) && is_half(&s->b) && (is_half(&s->d) || s->d.type == CUDA_R_32F);
    cublasComputeType_t compute = s->operation.compute;
    bool computes = compute == CUBLAS_COMPUTE_32F || (compute == CUBLAS_COMPUTE_32F_FAST_TF32 && floats);
    return (floats || halves) && computes && s->operation.scale == CUDA_R_32F && is_epilogue(s->operation.epilogue);
}

static cublasStatus_t shape_of(struct shape *s, cublasLtMatmulDesc_t operation, cublasLtMatrixLayout_t a,
                               cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d)
{
    if (!descriptors_are_taken(operation, (const cublasLtMatrixLayout_t[]){a, b, c, d}) || memcmp(c, d, sizeof(struct layout)))
        return CUBLAS_STATUS_INVALID_VALUE;
    memset(s, 0, sizeof *s);
    s->operation = *(struct operation *)operation;
    s->operation.bias = s->operation.mask = NULL;
    s->a = *(struct layout *)a, s->b = *(struct layout *)b, s->d = *(struct layout *)d;
    bool ta = s->operation.a != CUBLAS_OP_N, tb = s->operation.b != CUBLAS_OP_N;
    s->m = ta ? s->a.columns : s->a.rows, s->k = ta ? s->a.rows : s->a.columns, s->n = tb ? s->b.rows : s->b.columns;
    return !is_consistent(s) ? CUBLAS_STATUS_INVALID_VALUE : is_supported(s) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

static uint64_t hash_of(const struct shape *s)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < sizeof *s; i++)
        hash = (hash ^ ((const unsigned char *)s)[i]) * 1099511628211u;
    return hash;
}

/* FAKECUDA_NO_EPILOGUES: numbers of the epilogues for which there is no algorithm. */
static bool is_offered(uint32_t epilogue)
{
    const char *list = getenv("FAKECUDA_NO_EPILOGUES");
    for (char *end; list && *list; list = end) {
        if (strtoul(list, &end, 10) == epilogue && epilogue != CUBLASLT_EPILOGUE_DEFAULT)
            return false;
        if (end == list)
            fake_misuse("FAKECUDA_NO_EPILOGUES=%s: that is no list of numbers", list);
    }
    return true;
}

static uint32_t alignment_of(const void *at)
{
    uintptr_t address = (uintptr_t)at | ALIGN;
    return (uint32_t)(address & -address);
}

/* The chosen algorithm. A long sum is computed in two parts, by the worst scheme that is allowed. */
static struct algorithm algorithm_of(const struct shape *s, const struct preference *p, const void *bias)
{
    struct algorithm made = {.of = hash_of(s), .parts = 1, .bias_alignment = alignment_of(bias)};
    uint32_t bytes = 2 * (uint32_t)s->m * (uint32_t)s->n * 4;
    memcpy(made.alignment, p->alignment, sizeof made.alignment);
    if (s->k < LONG_SUM || bytes > p->workspace || p->schemes == CUBLASLT_REDUCTION_SCHEME_NONE)
        return made;
    made.parts = 2, made.workspace = bytes;
    made.rounds = (p->schemes & (CUBLASLT_REDUCTION_SCHEME_INPLACE | CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE)) && is_half(&s->d);
    return made;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                                              cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int *count)
{
    struct shape shape;
    if (fake_call(__func__))
        return CUBLAS_STATUS_INTERNAL_ERROR;
    if (!fake_is_taken(handles, handle) || !fake_is_taken(preferences, preference) || wanted < 1)
        return CUBLAS_STATUS_INVALID_VALUE;
    cublasStatus_t status = shape_of(&shape, operation, a, b, c, d);
    *count = 0;
    if (status || !is_offered(shape.operation.epilogue))
        return status;
    struct algorithm made = algorithm_of(&shape, (struct preference *)preference, ((struct operation *)operation)->bias);
    memset(results, 0, sizeof *results);
    memcpy(&results->algo, &made, sizeof made);
    results->workspaceSize = made.workspace;
    *count = 1;
    return CUBLAS_STATUS_SUCCESS;
}

static bool overlap(const void *x, size_t x_bytes, const void *y, size_t y_bytes)
{
    const char *a = x, *b = y;
    return a < b + y_bytes && b < a + x_bytes;
}

static void check_overlap(const struct product *p)
{
    size_t bytes = bytes_of(&p->shape.d);
    if (overlap(p->d, bytes, p->a, bytes_of(&p->shape.a)) || overlap(p->d, bytes, p->b, bytes_of(&p->shape.b)))
        fake_misuse("cublasLtMatmul: D overlaps A or B");
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation, const void *alpha, const void *A,
                              cublasLtMatrixLayout_t Adesc, const void *B, cublasLtMatrixLayout_t Bdesc, const void *beta,
                              const void *C, cublasLtMatrixLayout_t Cdesc, void *D, cublasLtMatrixLayout_t Ddesc,
                              const cublasLtMatmulAlgo_t *algo, void *workspace, size_t workspace_bytes, cudaStream_t stream)
{
    struct product p;
    if (fake_call(__func__))
        return CUBLAS_STATUS_EXECUTION_FAILED;
    memset(&p, 0, sizeof p);
    if (!fake_is_taken(handles, handle) || !alpha || !beta || !algo || C != D)
        return CUBLAS_STATUS_INVALID_VALUE;
    cublasStatus_t status = shape_of(&p.shape, operation, Adesc, Bdesc, Cdesc, Ddesc);
    if (status)
        return status;
    memcpy(&p.algorithm, algo, sizeof p.algorithm);
    if (p.algorithm.of != hash_of(&p.shape) || p.algorithm.workspace > workspace_bytes)
        return CUBLAS_STATUS_INVALID_VALUE;
    const struct operation *o = (struct operation *)operation;
    p.a = A, p.b = B, p.d = D, p.bias = o->bias, p.mask = o->mask, p.workspace = workspace;
    p.alpha = *(const float *)alpha, p.beta = *(const float *)beta;
    check_product(&p);
    check_overlap(&p);
    return fake_enqueue(stream, "cublasLtMatmul", run_product, &p, sizeof p) ? CUBLAS_STATUS_EXECUTION_FAILED
                                                                             : CUBLAS_STATUS_SUCCESS;
}
