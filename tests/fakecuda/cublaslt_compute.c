/* Computes a product of cublasLt when its turn comes, by OpenBLAS. */
#include <cblas.h>

#include "cublaslt.h"
#include "numbers.h"

enum { SCRIBBLE = 64 << 10, NAN_BYTE = 0xff, MASK_ALIGN = 16 };

/* ---- masks: those that were written, and their shapes ---- */

enum { MASKS_MAX = 256 };
static struct mask { const void *at; int m, n; int64_t rows; } masks[MASKS_MAX];

static struct mask *mask_place(const void *at)
{
    for (int i = 0; i < MASKS_MAX; i++)
        if (masks[i].at == at || !masks[i].at)
            return &masks[i];
    fake_misuse("more than %d masks", MASKS_MAX);
}

/* A mask's bits are in reverse order; a bit is 0 if the element is above 0. */
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

/* A dense copy (rows, columns) in floats, rounded as the product rounds them. */
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

/* Adds the parts of the sum one after another. */
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

/* The ReLU makes 0 of a NaN, which is not above 0. */
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

void check_product(const struct product *p)
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
        check_memory("the workspace", p->workspace, p->algorithm.workspace, WORKSPACE_ALIGN);
}

static void store(const struct product *p, const float *values)
{
    const struct layout *d = &p->shape.d;
    for (int j = 0; j < d->columns; j++)
        for (int i = 0; i < d->rows; i++)
            value_put(p->d, is_half(d), (size_t)j * (size_t)d->lead + (size_t)i, values[(size_t)j * (size_t)d->rows + (size_t)i]);
}

void run_product(const void *state)
{
    const struct product *p = state;
    const struct shape *s = &p->shape;
    bool tf32 = s->operation.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    check_product(p);
    if (p->algorithm.workspace) /* nothing may be kept there */
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
