#include <stdlib.h>
#include <string.h>

#include "tower_checkpoint.h"

int tower_from_checkpoint(struct tower *tower, struct net *net, const struct checkpoint *checkpoint, const struct backend *backend,
                          int batch, const struct options *options, struct error *why)
{
    const struct model *model = model_find(checkpoint->model, why);
    struct tower_request request = {.backend = backend, .net = net, .batch = batch,
                                    .convolution = options->conv,
                                    .precision = options->precision};
    if (!model)
        return error_in(why, "the checkpoint's model");
    if (net_init(net, model, checkpoint->channels, checkpoint->classes, why))
        return -1;
    return tower_init(tower, &request, why);
}

int parameters_from_checkpoint(float *parameters, const struct net *net, const char *file, const struct options *options,
                               struct error *why)
{
    struct checkpoint checkpoint = {.optimizer = &optimizer_sgd};
    checkpoint.parameters = memory_new(net->parameters, sizeof *parameters, "a checkpoint's parameters", why);
    int status = -1;
    if (checkpoint.parameters && !optimizer_allocate(checkpoint.optimizer, true, net->parameters, checkpoint.states, why))
        status = checkpoint_load(&checkpoint, net, file, why);
    if (!status)
        memcpy(parameters, options->no_ema ? checkpoint.parameters : checkpoint.states[OPTIMIZER_EMA],
               net->parameters * sizeof *parameters);
    free(checkpoint.parameters);
    optimizer_free(checkpoint.states);
    free(checkpoint.class_names);
    return status;
}
