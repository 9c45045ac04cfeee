/* cifar10_mpi inspect. */
#include <stdio.h>

#include "commands.h"
#include "inspect.h"

int command_inspect(const struct options *options, const struct world *world)
{
    struct error why;
    int status = world_agree(world, world->rank == 0 ? inspect_run(options, &why) : 0, &why);
    if (status && world->rank == 0)
        fprintf(stderr, "cifar10_mpi: %s\n", why.text);
    return status ? 1 : 0;
}
