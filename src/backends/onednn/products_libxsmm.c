#include <libxsmm.h>

#include "products.h"

/* The library's matrices are column-major: it computes c^T = b^T a^T. */
product_code *product_compile(struct product_shape s)
{
    const float one = 1, beta = s.add_transposed ? 1 : 0;
    const int flags = s.add_transposed ? LIBXSMM_GEMM_FLAG_TRANS_B : LIBXSMM_GEMM_FLAG_NONE;
    const int rows_a = s.add_transposed ? s.m : s.k;
    return libxsmm_smmdispatch(s.n, s.m, s.k, &s.n, &rows_a, &s.n, &one, &beta, &flags, NULL);
}
