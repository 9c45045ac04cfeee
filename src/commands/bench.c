/* cifar10_mpi bench. */
#include <stdio.h>

#include "bench.h"
#include "commands.h"

int command_bench(const struct options *options, const struct world *world)
{
    struct error why;
    int status = bench_run(options, world, &why);
    if (status && world->rank == 0)
        fprintf(stderr, "cifar10_mpi: %s\n", why.text);
    return status ? 1 : 0;
}
