/* cifar10_mpi predict. */
#include <stdio.h>

#include "commands.h"
#include "predict.h"

int command_predict(const struct options *options, const struct world *world)
{
    struct error why;
    int status = predict_run(options, world, &why);
    if (status && world->rank == 0)
        fprintf(stderr, "cifar10_mpi: %s\n", why.text);
    return status ? 1 : 0;
}
