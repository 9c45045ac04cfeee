/* The bench command's roofline (Williams, Waterman and Patterson, 2009). A pass takes at least the time of its operations at the
 * core's peak, and at least that of its bytes at the bandwidth beyond the second-level cache. */
#include <stdio.h>

#include "bench.h"

void bench_operations(const struct bench *b, const struct stage *stage, double *forward, double *backward)
{
    *forward = *backward = 0;
    for (int i = stage->first; i <= stage->last; i++) {
        double operations = 2 * b->net.layers[i].multiply_adds * (double)b->options->batch_size;
        *forward += operations;
        *backward += i == 0 ? operations : 2 * operations;
    }
}

struct pass {
    double operations; /* executed */
    double bytes;      /* read and written, each once */
    double seconds;
};

static bool reads_input_backward(const struct net_layer *l)
{
    return l->layer.kind != LAYER_MAX_POOL; /* max pooling stores the places of the maxima instead */
}

/* Bytes of the stage's input, output and parameters. Activations between its layers may stay in the cache. */
static void stage_bytes(const struct bench *b, const struct stage *stage, double *forward, double *backward)
{
    const struct net_layer *first = &b->net.layers[stage->first], *last = &b->net.layers[stage->last];
    double images = (double)b->options->batch_size, slices = b->slices;
    double in = images * (double)shape_size(first->in), out = images * (double)shape_size(last->out), parameters = 0;
    bool relu = false;
    for (int i = stage->first; i <= stage->last; i++) {
        parameters += slices * (double)net_layer_parameters(&b->net, i);
        relu |= b->net.layers[i].layer.activation == ACTIVATION_RELU;
    }
    *forward = sizeof(float) * (in + out + parameters);
    *backward = sizeof(float) * (out + (reads_input_backward(first) ? in : 0) + (relu ? out : 0) +
                                 (stage->first > 0 ? in : 0) + 2 * parameters);
}

static void stage_passes(const struct bench *b, int index, struct pass *forward, struct pass *backward)
{
    const struct stage *stage = &b->tower.plan.stages[index];
    bench_operations(b, stage, &forward->operations, &backward->operations);
    if (stage->forward_operations > 0)
        forward->operations = b->slices * stage->forward_operations;
    if (stage->backward_operations > 0)
        backward->operations = b->slices * stage->backward_operations;
    stage_bytes(b, stage, &forward->bytes, &backward->bytes);
    forward->seconds = b->stages[index].forward;
    backward->seconds = b->stages[index].backward;
}

/* Prints a pass; returns the lower bound of its time in seconds. */
static double print_pass(const struct bench *b, const struct bench_times *t, const char *name, const char *way,
                         const struct pass *pass)
{
    double threads = (double)b->options->threads;
    double compute = pass->operations / (t->peak * threads), memory = pass->bytes / (t->bandwidth * threads);
    double bound = compute > memory ? compute : memory;
    char text[64];
    snprintf(text, sizeof text, "%s%s", name, way);
    printf("%-24s %9.1f %9.2f %9.3f %9.3f %10s %8.1f %%\n", text, 1e-6 * pass->operations, 1e-6 * pass->bytes,
           1e3 * pass->seconds, 1e3 * bound, compute > memory ? "arithmetic" : "memory", 100 * bound / pass->seconds);
    return bound;
}

void bench_print_roofline(const struct bench *b, const struct bench_times *t)
{
    double bytes = 3 * sizeof(float) * (double)b->net.parameters, step = t->rows[BENCH_STEP], bounds = 0;
    struct pass forward, backward, update = {0, bytes, t->rows[BENCH_UPDATE]}, ema = {0, bytes, t->rows[BENCH_EMA]};
    printf("#\n# roofline: %.1f GFLOP/s and %.1f GB/s a core, measured in the same run; operations as executed\n",
           1e-9 * t->peak, 1e-9 * t->bandwidth);
    printf("%-24s %9s %9s %9s %9s %10s %10s\n", "# pass", "executed", "moved", "time", "bound", "bound by", "share of");
    printf("%-24s %9s %9s %9s %9s %10s %10s\n", "#", "MFLOP", "MB", "ms", "ms", "", "the bound");
    for (int i = 0; i < b->tower.plan.stage_count; i++) {
        const char *name = b->tower.plan.stages[i].name;
        stage_passes(b, i, &forward, &backward);
        bounds += print_pass(b, t, name, ">", &forward);
        bounds += print_pass(b, t, name, "<", &backward);
    }
    bounds += print_pass(b, t, "update", "", &update);
    bounds += print_pass(b, t, "EMA", "", &ema);
    printf("# sum of bounds %.3f ms, the step %.3f ms: %.1f %%   (> forward, < backward)\n", 1e3 * bounds, 1e3 * step,
           100 * bounds / step);
}
