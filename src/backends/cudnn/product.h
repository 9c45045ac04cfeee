/* A matrix product by cublasLt, which is column-major: our rows (batch, in) are its (in, batch), weights (in, out) its (out,
 * in). */
#ifndef BACKENDS_CUDNN_PRODUCT_H
#define BACKENDS_CUDNN_PRODUCT_H

#include "cudnn.h"

/* Device memory. bias (m) in d's type, read or written. mask: a bit for each element of d, in columns of product_mask_rows bits,
 * in cublasLt's own order. */
struct product_memory {
    const void *a, *b;
    void *d, *bias, *mask;
};

/* d (m, n) = a (m, k) b (k, n), then the epilogue:
 *
 *   DEFAULT              nothing
 *   BIAS, RELU_BIAS      d += bias, and max(0, .)
 *   RELU_AUX_BIAS        and the mask: which elements are above 0
 *   DRELU                0 where the mask says so
 *   BGRADA               bias = the sums of a over k
 *
 * The gradient of a bias comes from BGRADA, not from DRELU_BGRAD. With BGRADA it has d's type, which is float in any precision,
 * and its sums do not cross the columns of d, which different blocks compute. It is not documented whether max(0, NaN) is NaN;
 * a NaN in x makes the weights' gradient NaN in either case. */
struct product_request {
    cublasOperation_t a, b; /* CUBLAS_OP_T: stored transposed */
    int m, n, k;
    bool half, d_half;      /* a and b, d: bfloat16; else float */
    cublasLtEpilogue_t epilogues[4]; /* the first that cublasLt offers is taken; ends with 0 */
    struct product_memory memory;    /* addresses aligned like those it will run with; nothing is read */
};

struct cudnn_product {
    const struct cudnn_library *library;
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t layouts[3]; /* a, b, d */
    cublasLtEpilogue_t epilogue;
    cublasLtMatmulAlgo_t algorithm;
    void *workspace; /* its own, since products may run beside each other */
    size_t workspace_bytes;
};

int cudnn_product_init(struct cudnn_product *product, const struct cudnn_library *library,
                       const struct product_request *request, struct error *why);
/* Ignores memory that the epilogue does not use. */
int cudnn_product_run(const struct cudnn_product *product, cudaStream_t stream, const struct product_memory *memory,
                      struct error *why);
void cudnn_product_free(struct cudnn_product *product);

/* Bits in a column of the mask: m, rounded up to what cublasLt requires. */
enum { MASK_ALIGNMENT = 128 };
static inline int product_mask_rows(int m)
{
    return (m + MASK_ALIGNMENT - 1) / MASK_ALIGNMENT * MASK_ALIGNMENT;
}

#endif
