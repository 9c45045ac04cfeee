#include <stdlib.h>

#include "tower_checkpoint.h"

int tower_from_checkpoint(struct tower *tower, struct net *net, const struct checkpoint *checkpoint, const char *name,
                          int node_rank, int batch, const struct options *options, struct error *why)
{
    const struct model *model = model_find(checkpoint->model, why);
    struct device_place place;
    if (!model)
        return error_in(why, "%s", name);
    struct tower_request request = {
        .backend = backend_open(options->tower, model, (int)options->threads, node_rank, &place, why), .net = net, .batch = batch,
        .convolution = options->conv, .precision = options->precision,
    };
    if (!request.backend || net_init(net, model, checkpoint->channels, checkpoint->classes, why))
        return -1;
    return tower_init(tower, &request, why);
}

int parameters_from_checkpoint(float *parameters, const struct net *net, const char *file, const struct options *options,
                               struct error *why)
{
    float *others = memory_new(net->parameters, sizeof *others, "the parameters that are not asked for", why);
    struct checkpoint checkpoint = {.parameters = options->no_ema ? parameters : others, .optimizer = &optimizer_sgd,
                                    .states[OPTIMIZER_EMA] = options->no_ema ? others : parameters};
    int status = others ? checkpoint_load(&checkpoint, net, file, why) : -1;
    free(others);
    free(checkpoint.class_names);
    return status;
}
