/* Shared by the files of the fake libcublasLt.so.13. */
#ifndef FAKECUDA_CUBLASLT_H
#define FAKECUDA_CUBLASLT_H

#include <stdlib.h>
#include <string.h>

#pragma GCC visibility push(default)
#include <cublasLt.h>
#pragma GCC visibility pop

#include "fake.h"

enum { WORKSPACE_ALIGN = 256 };

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

/* A product, except for its addresses. */
struct shape {
    struct operation operation; /* without its pointers */
    struct layout a, b, d;
    int m, n, k;
};

/* How it is computed: what cublasLtMatmulAlgo_t holds. */
struct algorithm {
    uint64_t of;                /* the shape's hash */
    uint32_t parts, workspace;  /* of a long sum; bytes */
    uint32_t rounds;            /* whether each part is rounded to D's type */
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

static inline bool is_half(const struct layout *x) { return x->type == CUDA_R_16BF; }

static inline size_t bytes_of(const struct layout *x)
{
    return ((size_t)x->lead * (size_t)(x->columns - 1) + (size_t)x->rows) * (is_half(x) ? 2 : 4);
}

static inline bool has_bias(uint32_t e)
{
    return e == CUBLASLT_EPILOGUE_BIAS || e == CUBLASLT_EPILOGUE_RELU_BIAS || e == CUBLASLT_EPILOGUE_RELU_AUX_BIAS;
}
static inline bool sums_bias(uint32_t e) { return e == CUBLASLT_EPILOGUE_BGRADA; }
static inline bool writes_mask(uint32_t e) { return e == CUBLASLT_EPILOGUE_RELU_AUX_BIAS; }
static inline bool reads_mask(uint32_t e) { return e == CUBLASLT_EPILOGUE_DRELU; }
static inline bool has_relu(uint32_t e) { return e == CUBLASLT_EPILOGUE_RELU_BIAS || e == CUBLASLT_EPILOGUE_RELU_AUX_BIAS; }

static inline bool is_epilogue(uint32_t e)
{
    return e == CUBLASLT_EPILOGUE_DEFAULT || has_bias(e) || sums_bias(e) || reads_mask(e);
}

static inline size_t bias_bytes(const struct shape *s) { return (size_t)s->m * (is_half(&s->d) ? 2 : 4); }
static inline size_t mask_bytes(const struct shape *s) { return (size_t)s->operation.mask_rows / 8 * (size_t)s->n; }

/* cublaslt_compute.c. check_product: stops if something is not device memory or not aligned. run_product: computes it (state: a
 * struct product). */
void check_product(const struct product *p);
void run_product(const void *state);

#endif
