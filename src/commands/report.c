/* cifar10_mpi report. */
#include <stdio.h>

#include "commands.h"
#include "runs.h"

int command_report(const struct options *options, const struct world *world)
{
    struct error why;
    int status = world_agree(world, world->rank == 0 ? runs_report(options->files[0], options->html, &why) : 0, &why);
    if (status && world->rank == 0)
        fprintf(stderr, "cifar10_mpi: %s\n", why.text);
    return status ? 1 : 0;
}
