#include <stddef.h>

#include "products.h"

product_code *product_compile(struct product_shape shape)
{
    (void)shape;
    return NULL;
}
