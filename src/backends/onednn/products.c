#include <dnnl.h>
#include <stddef.h>

#include "products.h"

struct product product_of(struct product_shape shape)
{
    return (struct product){shape, product_compile(shape)};
}

void product_run(const struct product *product, const float *a, const float *b, float *c)
{
    const struct product_shape s = product->shape;
    if (product->code)
        product->code(b, a, c);
    else if (s.add_transposed) /* sgemm fails only on impossible shapes */
        dnnl_sgemm('T', 'N', s.m, s.n, s.k, 1, a, s.m, b, s.n, 1, c, s.n);
    else
        dnnl_sgemm('N', 'N', s.m, s.n, s.k, 1, a, s.k, b, s.n, 0, c, s.n);
}
