/* What --verbose adds to the start block. */
#include <inttypes.h>
#include <stdio.h>

#include "start_block.h"

static void print_layer(FILE *out, const struct net *net, int index)
{
    const struct net_layer *l = &net->layers[index];
    size_t parameters = net_layer_parameters(net, index);
    char output[48];
    if (l->layer.kind == LAYER_DENSE)
        snprintf(output, sizeof output, "%d", l->out.channels);
    else
        snprintf(output, sizeof output, "%dx%dx%d", l->out.height, l->out.width, l->out.channels);
    fprintf(out, "%17s%-16s %10s", "", l->layer.name, output);
    if (parameters)
        fprintf(out, " %12zu %15.0f", parameters, l->multiply_adds);
    fprintf(out, "\n");
}

static void print_layers(FILE *out, const struct net *net)
{
    fprintf(out, "  %-14s %-16s %10s %12s %15s\n", "layers", "layer", "output", "parameters", "multiply-adds");
    for (int i = 0; i < net->layer_count; i++)
        print_layer(out, net, i);
    fprintf(out, "%17s%-27s %12zu %15.0f an image forward\n", "", "all", net->parameters, net_forward_multiply_adds(net));
    fprintf(out, "%61s%15.0f a training step\n", "", net_step_multiply_adds(net));
}

/* What the library chose for each stage, one line per stage. */
static void print_choices(FILE *out, const struct plan *plan)
{
    const char *label = "  convolutions";
    for (int i = 0; i < plan->stage_count; i++) {
        const struct stage *stage = &plan->stages[i];
        if (!*stage->about)
            continue;
        fprintf(out, "%-17s%s: %s\n", label, stage->name, stage->about);
        label = "";
    }
}

/* The times of each convolution that can be computed in two ways. */
static void print_times(FILE *out, const struct run *run)
{
    const struct convolution_ways *ways = &run->ways;
    for (int i = 0; i < run->net.layer_count; i++)
        if (ways->direct[i] > 0)
            start_block_line(out, "measured", "%s: winograd %.2f ms, direct %.2f ms", run->net.layers[i].layer.name,
                             1e3 * ways->winograd[i], 1e3 * ways->direct[i]);
}

void start_block_verbose(FILE *out, const struct run *run)
{
    const struct options *o = run->options;
    const char *copies = run->dataset.memory.shared ? "node" : "rank";
    start_block_line(out, "threads", "%" PRId64 " of the tower and %" PRId64 " of the loader a rank", o->threads,
                     o->loader_threads);
    start_block_line(out, "gradients", "%d slice%s a rank; allreduce %s (%s)", run->slices, run->slices > 1 ? "s" : "",
                     exchange_text(run->exchange), run->exchange_why);
    start_block_line(out, "averages", "of the parameters, with decay %g (EMA); eval uses them", o->ema_decay);
    start_block_line(out, "data set", "%s, %d channels; a copy a %s", run->dataset.name, run->dataset.channels, copies);
    start_block_line(out, "model", "%s", run->model->about);
    print_layers(out, &run->net);
    print_choices(out, &run->tower.plan);
    print_times(out, run);
}
