/* Products of small row-major matrices without gaps, whose shape is known in advance: by libxsmm, which compiles a function for
 * each shape, or by oneDNN's sgemm if this build has no libxsmm or libxsmm does not support the CPU. */
#ifndef BACKENDS_PRODUCTS_H
#define BACKENDS_PRODUCTS_H

#include <stdbool.h>

/* c (m, n) = a (m, k) b (k, n), or with add_transposed c += a^T b where a is (k, m). */
struct product_shape {
    int m, n, k;
    bool add_transposed;
};

typedef void product_code(const float *b, const float *a, float *c, ...);

struct product {
    struct product_shape shape;
    product_code *code; /* compiled, or NULL */
};

struct product product_of(struct product_shape shape);
void product_run(const struct product *product, const float *a, const float *b, float *c);

/* products_libxsmm.c or products_none.c. NULL if it cannot compile that shape. */
product_code *product_compile(struct product_shape shape);

#endif
