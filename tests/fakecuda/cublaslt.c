/* cublasLt: matrix products with their epilogues, column-major, by OpenBLAS. Where its manual or its header says what must be,
 * this is strict; what neither says (where a bit of a mask lies) is as inconvenient as can be. */
#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC visibility push(default)
#include <cublasLt.h>
#pragma GCC visibility pop

#include "fake.h"
#include "numbers.h"

enum { SCRIBBLE = 64 << 10, NAN_BYTE = 0xff, LONG_SUM = 256, MASK_ROWS = 128, MASK_ALIGN = 16, ALIGN = 256 };

struct cublasLtContext { int device; };

static const char handles[] = "cublasLtHandle", operations[] = "cublasLtMatmulDesc", layouts[] = "cublasLtMatrixLayout",
                  preferences[] = "cublasLtMatmulPreference";

struct operation {
    cublasComputeType_t compute;
    cudaDataType scale;
    int32_t a, b; /* cublasOperation_t */
    uint32_t epilogue;
    void *bias, *mask;
    int64_t mask_rows;
};

struct layout {
    cudaDataType type;
    int rows, columns, lead;
};

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

/* A value of that many bytes, or it is refused. */
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

/* What a product is, beside where it lies. */
struct shape {
    struct operation operation; /* without its pointers */
    struct layout a, b, d;
    int m, n, k;
};

/* How it is computed: what cublasLtMatmulAlgo_t holds. */
struct algorithm {
    uint64_t of;                /* the shape's hash */
    uint32_t parts, workspace;  /* of a long sum; bytes */
    uint32_t rounds;            /* each part is rounded to D's type */
    uint32_t alignment[4], bias_alignment;
};
_Static_assert(sizeof(struct algorithm) <= sizeof(cublasLtMatmulAlgo_t), "an algorithm fits");

struct product {
    struct shape shape;
    struct algorithm algorithm;
    const void *a, *b;
    void *d, *bias, *mask, *workspace;
    float alpha, beta;
};

static bool is_half(const struct layout *x) { return x->type == CUDA_R_16BF; }

static size_t bytes_of(const struct layout *x)
{
    return ((size_t)x->lead * (size_t)(x->columns - 1) + (size_t)x->rows) * (is_half(x) ? 2 : 4);
}

static bool has_bias(uint32_t e)
{
    return e == CUBLASLT_EPILOGUE_BIAS || e == CUBLASLT_EPILOGUE_RELU_BIAS || e == CUBLASLT_EPILOGUE_RELU_AUX_BIAS;
}
static bool sums_bias(uint32_t e) { return e == CUBLASLT_EPILOGUE_BGRADA; }
static bool writes_mask(uint32_t e) { return e == CUBLASLT_EPILOGUE_RELU_AUX_BIAS; }
static bool reads_mask(uint32_t e) { return e == CUBLASLT_EPILOGUE_DRELU; }
static bool has_relu(uint32_t e) { return e == CUBLASLT_EPILOGUE_RELU_BIAS || e == CUBLASLT_EPILOGUE_RELU_AUX_BIAS; }

static bool is_epilogue(uint32_t e)
{
    return e == CUBLASLT_EPILOGUE_DEFAULT || has_bias(e) || sums_bias(e) || reads_mask(e);
}

static size_t bias_bytes(const struct shape *s) { return (size_t)s->m * (is_half(&s->d) ? 2 : 4); }
static size_t mask_bytes(const struct shape *s) { return (size_t)s->operation.mask_rows / 8 * (size_t)s->n; }

static bool layout_is_possible(const struct layout *x)
{
    return x->rows > 0 && x->columns > 0 && x->lead >= x->rows;
}

/* INVALID_VALUE: it contradicts itself; NOT_SUPPORTED: no such product is in the manual's table. */
static cublasStatus_t shape_of(struct shape *s, cublasLtMatmulDesc_t operation, cublasLtMatrixLayout_t a,
                               cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d)
{
    if (!fake_is_taken(operations, operation) || !fake_is_taken(layouts, a) || !fake_is_taken(layouts, b) ||
        !fake_is_taken(layouts, c) || !fake_is_taken(layouts, d) || memcmp(c, d, sizeof(struct layout)))
        return CUBLAS_STATUS_INVALID_VALUE;
    memset(s, 0, sizeof *s);
    s->operation = *(struct operation *)operation;
    s->operation.bias = s->operation.mask = NULL;
    s->a = *(struct layout *)a, s->b = *(struct layout *)b, s->d = *(struct layout *)d;
    bool ta = s->operation.a != CUBLAS_OP_N, tb = s->operation.b != CUBLAS_OP_N;
    s->m = ta ? s->a.columns : s->a.rows, s->k = ta ? s->a.rows : s->a.columns, s->n = tb ? s->b.rows : s->b.columns;
    if (!layout_is_possible(&s->a) || !layout_is_possible(&s->b) || !layout_is_possible(&s->d) ||
        s->k != (tb ? s->b.columns : s->b.rows) || s->m != s->d.rows || s->n != s->d.columns)
        return CUBLAS_STATUS_INVALID_VALUE;
    bool masks = writes_mask(s->operation.epilogue) || reads_mask(s->operation.epilogue);
    if (masks && (s->operation.mask_rows % MASK_ROWS || s->operation.mask_rows < s->m))
        return CUBLAS_STATUS_INVALID_VALUE;
    bool floats = s->a.type == CUDA_R_32F && s->b.type == CUDA_R_32F && s->d.type == CUDA_R_32F;
    bool halves = is_half(&s->a) && is_half(&s->b) && (is_half(&s->d) || s->d.type == CUDA_R_32F);
    cublasComputeType_t compute = s->operation.compute;
    bool computes = compute == CUBLAS_COMPUTE_32F || (compute == CUBLAS_COMPUTE_32F_FAST_TF32 && floats);
    return (floats || halves) && computes && s->operation.scale == CUDA_R_32F && is_epilogue(s->operation.epilogue)
               ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

static uint64_t hash_of(const struct shape *s)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < sizeof *s; i++)
        hash = (hash ^ ((const unsigned char *)s)[i]) * 1099511628211u;
    return hash;
}

/* FAKECUDA_NO_EPILOGUES: numbers of those that no algorithm has. */
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

/* A long sum is computed in two parts, the worst scheme that is allowed first. */
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

/* ---- masks: which were written, and for what ---- */

enum { MASKS_MAX = 256 };
static struct mask { const void *at; int m, n; int64_t rows; } masks[MASKS_MAX];

static struct mask *mask_place(const void *at)
{
    for (int i = 0; i < MASKS_MAX; i++)
        if (masks[i].at == at || !masks[i].at)
            return &masks[i];
    fake_misuse("more than %d masks", MASKS_MAX);
}

/* Backwards, and 0 where the element is above 0. */
static unsigned char *mask_byte(const struct product *p, int i, int j, int *bit)
{
    size_t at = mask_bytes(&p->shape) * 8 - 1 - ((size_t)j * (size_t)p->shape.operation.mask_rows + (size_t)i);
    *bit = 1 << at % 8;
    return (unsigned char *)p->mask + at / 8;
}

static void mask_write(const struct product *p, const float *values)
{
    int bit;
    memset(p->mask, NAN_BYTE, mask_bytes(&p->shape));
    for (int j = 0; j < p->shape.n; j++)
        for (int i = 0; i < p->shape.m; i++)
            if (values[(size_t)j * (size_t)p->shape.m + (size_t)i] > 0)
                *mask_byte(p, i, j, &bit) &= (unsigned char)~bit;
    *mask_place(p->mask) = (struct mask){p->mask, p->shape.m, p->shape.n, p->shape.operation.mask_rows};
}

static void mask_apply(const struct product *p, float *values)
{
    const struct mask *mask = mask_place(p->mask);
    int bit;
    if (!mask->at || mask->m != p->shape.m || mask->n != p->shape.n || mask->rows != p->shape.operation.mask_rows)
        fake_misuse("cublasLtMatmul: the mask that it reads was written by no product of that shape");
    for (int j = 0; j < p->shape.n; j++)
        for (int i = 0; i < p->shape.m; i++)
            if (*mask_byte(p, i, j, &bit) & bit)
                values[(size_t)j * (size_t)p->shape.m + (size_t)i] = 0;
}

/* ---- running ---- */

static float value_at(const void *at, bool half, size_t i)
{
    return half ? widened(((const uint16_t *)at)[i]) : ((const float *)at)[i];
}

static void value_put(void *at, bool half, size_t i, float value)
{
    if (half)
        ((uint16_t *)at)[i] = narrowed(value);
    else
        ((float *)at)[i] = value;
}

static float *floats(size_t count)
{
    float *made = calloc(count, sizeof *made);
    if (!made)
        fake_misuse("the host has no memory left");
    return made;
}

/* A dense copy (rows, columns) in floats, as the product sees them. */
static float *factor(const struct layout *x, const void *at, bool tf32)
{
    float *copy = floats((size_t)x->rows * (size_t)x->columns);
    for (int j = 0; j < x->columns; j++)
        for (int i = 0; i < x->rows; i++) {
            float value = value_at(at, is_half(x), (size_t)j * (size_t)x->lead + (size_t)i);
            copy[(size_t)j * (size_t)x->rows + (size_t)i] = tf32 ? rounded(value, TF32_DROPPED) : value;
        }
    return copy;
}

/* values += alpha a b, for k in [from, to). */
static void multiply(const struct product *p, const float *a, const float *b, int from, int to, float *values)
{
    const struct shape *s = &p->shape;
    bool ta = s->operation.a != CUBLAS_OP_N, tb = s->operation.b != CUBLAS_OP_N;
    cblas_sgemm(CblasColMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, s->m, s->n, to - from, p->alpha,
                a + (ta ? (size_t)from : (size_t)from * (size_t)s->a.rows), s->a.rows,
                b + (tb ? (size_t)from * (size_t)s->b.rows : (size_t)from), s->b.rows, 1, values, s->m);
}

/* The parts of the sum, one behind the other. */
static void multiply_parts(const struct product *p, const float *a, const float *b, float *values)
{
    size_t count = (size_t)p->shape.m * (size_t)p->shape.n;
    int parts = (int)p->algorithm.parts, k = p->shape.k;
    for (int part = 0; part < parts; part++) {
        multiply(p, a, b, k * part / parts, k * (part + 1) / parts, values);
        for (size_t i = 0; p->algorithm.rounds && i < count; i++)
            values[i] = rounded(values[i], HALF_DROPPED);
    }
}

/* NaN is not above 0. */
static void add_bias(const struct product *p, float *values)
{
    for (int j = 0; j < p->shape.n; j++)
        for (int i = 0; i < p->shape.m; i++) {
            float *value = &values[(size_t)j * (size_t)p->shape.m + (size_t)i];
            *value += value_at(p->bias, is_half(&p->shape.d), (size_t)i);
            if (has_relu(p->shape.operation.epilogue) && !(*value > 0))
                *value = 0;
        }
}

static void sum_bias(const struct product *p, const float *a)
{
    const struct shape *s = &p->shape;
    bool ta = s->operation.a != CUBLAS_OP_N;
    for (int i = 0; i < s->m; i++) {
        float sum = 0;
        for (int k = 0; k < s->k; k++)
            sum += a[ta ? (size_t)i * (size_t)s->a.rows + (size_t)k : (size_t)k * (size_t)s->a.rows + (size_t)i];
        value_put(p->bias, is_half(&s->d), (size_t)i, sum);
    }
}

static void check_memory(const char *name, const void *at, size_t bytes, uint32_t alignment)
{
    if (!fake_is_device(at, bytes))
        fake_misuse("cublasLtMatmul: %s is not %zu bytes of device memory", name, bytes);
    if ((uintptr_t)at % alignment)
        fake_misuse("cublasLtMatmul: %s is not aligned to %u bytes, as its algorithm wants it", name, alignment);
}

static void check_product(const struct product *p)
{
    const struct shape *s = &p->shape;
    uint32_t epilogue = s->operation.epilogue;
    check_memory("A", p->a, bytes_of(&s->a), p->algorithm.alignment[0]);
    check_memory("B", p->b, bytes_of(&s->b), p->algorithm.alignment[1]);
    check_memory("D", p->d, bytes_of(&s->d), p->algorithm.alignment[3]);
    if (has_bias(epilogue) || sums_bias(epilogue))
        check_memory("the bias", p->bias, bias_bytes(s), p->algorithm.bias_alignment);
    if (writes_mask(epilogue) || reads_mask(epilogue))
        check_memory("the mask", p->mask, mask_bytes(s), MASK_ALIGN);
    if (p->algorithm.workspace)
        check_memory("the workspace", p->workspace, p->algorithm.workspace, ALIGN);
}

static void store(const struct product *p, const float *values)
{
    const struct layout *d = &p->shape.d;
    for (int j = 0; j < d->columns; j++)
        for (int i = 0; i < d->rows; i++)
            value_put(p->d, is_half(d), (size_t)j * (size_t)d->lead + (size_t)i, values[(size_t)j * (size_t)d->rows + (size_t)i]);
}

static void run_product(const void *state)
{
    const struct product *p = state;
    const struct shape *s = &p->shape;
    bool tf32 = s->operation.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    check_product(p);
    if (p->algorithm.workspace) /* who keeps something there finds it gone */
        memset(p->workspace, NAN_BYTE, p->algorithm.workspace < SCRIBBLE ? p->algorithm.workspace : SCRIBBLE);
    float *a = factor(&s->a, p->a, tf32), *b = factor(&s->b, p->b, tf32);
    float *values = p->beta != 0 ? factor(&s->d, p->d, false) : floats((size_t)s->m * (size_t)s->n);
    for (size_t i = 0; p->beta != 0 && i < (size_t)s->m * (size_t)s->n; i++)
        values[i] *= p->beta;
    multiply_parts(p, a, b, values);
    if (has_bias(s->operation.epilogue))
        add_bias(p, values);
    if (writes_mask(s->operation.epilogue))
        mask_write(p, values);
    if (reads_mask(s->operation.epilogue))
        mask_apply(p, values);
    if (sums_bias(s->operation.epilogue))
        sum_bias(p, a);
    store(p, values);
    free(a), free(b), free(values);
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
