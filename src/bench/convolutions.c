/* The bench command's comparison of convolution algorithms: times of forward, input gradient and weight gradient in a net of one
 * layer. */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "clock.h"

enum { WARM_UP = 2 };

/* A net of one convolution on the bench's backend. */
struct lone {
    const struct bench *bench;
    struct layer layer;
    struct model model;
    struct net net;
    struct plan plan;
    float *parameters, *gradients;
};

static void fill_values(float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(i % 31) / 31 - 0.5f;
}

static void lone_close(struct lone *lone)
{
    lone->bench->backend->plan_free(&lone->plan);
    free(lone->parameters);
    free(lone->gradients);
    net_free(&lone->net);
    free(lone);
}

static int lone_init(struct lone *lone, const struct net_layer *l, enum convolution_choice way, bool input_gradient,
                     struct error *why)
{
    const struct bench *b = lone->bench;
    lone->layer = l->layer;
    lone->layer.from = NULL;
    lone->model = (struct model){l->layer.name, "one convolution", l->in.height, l->in.width, &lone->layer, 1};
    if (net_init(&lone->net, &lone->model, l->in.channels, l->layer.outputs, why))
        return -1;
    struct plan_request request = {.net = &lone->net, .batch = b->slice, .training = true,
                                   .input_gradient = input_gradient, .convolution = way};
    lone->parameters = memory_new(lone->net.parameters, sizeof(float), "parameters", why);
    lone->gradients = memory_new(lone->net.parameters, sizeof(float), "gradients", why);
    if (!lone->parameters || !lone->gradients || b->backend->plan(&lone->plan, &request, why))
        return -1;
    fill_values(lone->parameters, lone->net.parameters);
    fill_values(lone->plan.input, (size_t)b->slice * shape_size(l->in));
    fill_values(lone->plan.output_gradient, (size_t)b->slice * shape_size(l->out));
    struct stage *stage = &lone->plan.stages[0];
    return stage->prepare ? stage->prepare(stage, lone->parameters, why) : 0;
}

/* Medians over --bench-steps passes. */
static int lone_time(struct lone *lone, double *forward, double *backward, struct error *why)
{
    int steps = (int)lone->bench->options->bench_steps, status = 0;
    struct stage *stage = &lone->plan.stages[0];
    double *samples = memory_new(2 * (size_t)steps, sizeof *samples, "the times", why);
    if (!samples)
        return -1;
    for (int step = -WARM_UP; !status && step < steps; step++) {
        double before = clock_seconds();
        status = stage->forward(stage, lone->gradients, why);
        double between = clock_seconds();
        status = status || stage->backward(stage, lone->gradients, why) ? -1 : 0;
        if (step < 0)
            continue;
        samples[step] = between - before;
        samples[steps + step] = clock_seconds() - between;
    }
    *forward = bench_median(samples, steps);
    *backward = bench_median(samples + steps, steps);
    free(samples);
    return status;
}

static int time_lone(const struct bench *b, const struct net_layer *l, enum convolution_choice way,
                     bool input_gradient, double *forward, double *backward, struct error *why)
{
    struct lone *lone = memory_new(1, sizeof *lone, "a net of one layer", why);
    if (!lone)
        return -1;
    lone->bench = b;
    int status = lone_init(lone, l, way, input_gradient, why);
    if (!status)
        status = lone_time(lone, forward, backward, why);
    lone_close(lone);
    return status;
}

/* The time of the input gradient is the difference between backward passes with and without it. */
static int time_way(const struct bench *b, const struct net_layer *l, enum convolution_choice way,
                    struct bench_convolution *times, struct error *why)
{
    double both, weights, forward;
    if (time_lone(b, l, way, false, &forward, &weights, why) || time_lone(b, l, way, true, &times->forward, &both, why))
        return -1;
    times->forward *= b->slices;
    times->weights = b->slices * weights;
    times->input = b->slices * (both - weights);
    return 0;
}

int bench_convolutions(struct bench *b, struct error *why)
{
    for (int i = 0; i < b->net.layer_count; i++) {
        const struct net_layer *l = &b->net.layers[i];
        if (!convolution_has_two_ways(b->backend, l))
            continue;
        if (time_way(b, l, CONVOLUTION_DIRECT, &b->direct[i], why) ||
            time_way(b, l, CONVOLUTION_WINOGRAD, &b->winograd[i], why))
            return -1;
    }
    return 0;
}

static void print_operation(const char *layer, const char *operation, double direct, double winograd)
{
    char text[64];
    snprintf(text, sizeof text, "%s, %s", layer, operation);
    if (direct <= 0 || winograd <= 0) { /* time_way's difference of two times can be negative */
        printf("%-24s %9s %9s %9s\n", text, "-", "-", "-");
        return;
    }
    printf("%-24s %9.3f %9.3f %9.2f\n", text, 1e3 * direct, 1e3 * winograd, direct / winograd);
}

void bench_print_convolutions(const struct bench *b)
{
    bool any = false;
    for (int i = 0; i < b->net.layer_count; i++) {
        const char *name = b->net.layers[i].layer.name;
        if (b->direct[i].forward <= 0)
            continue;
        if (!any)
            printf("#\n%-24s %9s %9s %9s\n%-24s %9s %9s %9s\n", "# convolution", "direct", "winograd", "times", "#", "ms",
                   "ms", "as fast");
        any = true;
        print_operation(name, "forward", b->direct[i].forward, b->winograd[i].forward);
        print_operation(name, "input", b->direct[i].input, b->winograd[i].input);
        print_operation(name, "weights", b->direct[i].weights, b->winograd[i].weights);
    }
}
