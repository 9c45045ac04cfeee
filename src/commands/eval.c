/* cifar10_mpi eval. */
#include <stdio.h>

#include "commands.h"
#include "eval.h"

int command_eval(const struct options *options, const struct world *world)
{
    struct error why;
    int status = eval_run(options, world, &why);
    if (status && world->rank == 0)
        fprintf(stderr, "cifar10_mpi: %s\n", why.text);
    return status ? 1 : 0;
}
