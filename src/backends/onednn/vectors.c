#include "vectors.h"

#include <dnnl.h>
#include <stddef.h>

const struct vector_set *vector_set_at(int index)
{
    static const struct {
        const struct vector_set *set;
        int isa; /* a dnnl_cpu_isa_t, which has all bits of its predecessors */
    } sets[] = {{&vectors_avx512, dnnl_cpu_isa_avx512_core}, {&vectors_avx2, dnnl_cpu_isa_avx2}, {&vectors_generic, 0}};
    int isa = dnnl_get_effective_cpu_isa();
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if ((isa & sets[i].isa) == sets[i].isa && index-- == 0)
            return sets[i].set;
    return NULL;
}
