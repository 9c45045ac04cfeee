/* cifar10_mpi compare. */
#include <stdio.h>

#include "commands.h"
#include "runs.h"

/* Rank 0 only. */
static int compare_from_options(const struct options *options, struct error *why)
{
    return runs_compare(options->files, options->file_count, options->target_precision, options->svg, why);
}

int command_compare(const struct options *options, const struct world *world)
{
    struct error why;
    int status = world_agree(world, world->rank == 0 ? compare_from_options(options, &why) : 0, &why);
    if (status && world->rank == 0)
        fprintf(stderr, "cifar10_mpi: %s\n", why.text);
    return status ? 1 : 0;
}
