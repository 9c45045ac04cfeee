/* The bench command: measures every rank's tower on synthetic images, its loader, and the reduction. */
#include "bench.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "draws.h"
#include "core_speed.h"

enum { CHANNELS = 3, CLASSES = 10 }; /* CIFAR-10's */

static int choose_parts(struct bench *b, struct error *why)
{
    const struct options *o = b->options;
    int64_t ranks = b->world->size;
    b->model = model_find(o->model, why);
    if (!b->model)
        return -1;
    b->backend = backend_open(o->tower, b->model, (int)o->threads, b->world->node_rank, &b->place, why);
    if (!b->backend)
        return -1;
    b->slices = o->slices ? (int)(o->slices / ranks) : 1;
    if (b->slices < 1 || o->slices % ranks || o->batch_size % b->slices || (b->slices & (b->slices - 1)))
        return error_set(why, "--slices %" PRId64 " does not fit %" PRId64 " ranks of %" PRId64 " images: it must be 1, "
                         "2, 4, 8, ... times the ranks and divide the global batch", o->slices, ranks, o->batch_size);
    b->slice = (int)(o->batch_size / b->slices);
    return net_init(&b->net, b->model, CHANNELS, CLASSES, why);
}

/* Fills in synthetic images, noise of mean 0 and deviation 1 like standardised images, labels and parameters. */
static void fill_inputs(struct bench *b)
{
    const float width = 3.4641016f; /* sqrt(12): uniform numbers of this width have deviation 1 */
    size_t values = (size_t)b->slice * shape_size(b->net.input);
    for (size_t i = 0; i < values; i++) {
        uint32_t words[4];
        draw_words(1, DRAW_DISTORT, i, 0, words);
        b->images[i] = (draw_uniform(words[0]) - 0.5f) * width;
    }
    for (int i = 0; i < b->slice; i++)
        b->labels[i] = i % CLASSES;
    net_parameters(&b->net, 1, b->parameters);
}

static int take_times(struct bench *b, struct error *why)
{
    size_t stages = (size_t)b->tower.plan.stage_count, layers = (size_t)b->net.layer_count;
    b->stages = memory_new(stages, sizeof *b->stages, "the stages' times", why);
    b->direct = memory_new(layers, sizeof *b->direct, "the convolutions' times", why);
    b->winograd = memory_new(layers, sizeof *b->winograd, "the convolutions' times", why);
    return b->stages && b->direct && b->winograd ? 0 : -1;
}

static int take_tower(struct bench *b, struct error *why)
{
    size_t values = (size_t)b->slice * shape_size(b->net.input), parameters = b->net.parameters;
    struct tower_request request = {.backend = b->backend, .net = &b->net, .batch = b->slice, .training = true,
                                    .optimizer = &optimizer_sgd, .master = true,
                                    .convolution = b->options->conv,
                                    .precision = b->options->precision,
                                    .workspace = (size_t)b->options->workspace_mib << 20,
                                    .deterministic = b->options->deterministic};
    if (tower_init(&b->tower, &request, why))
        return -1;
    b->tower.waits = b->backend->device != NULL;
    if (!(b->images = memory_new(values, sizeof *b->images, "the batch", why)) ||
        !(b->labels = memory_new((size_t)b->slice, sizeof *b->labels, "the labels", why)) ||
        !(b->parameters = memory_new(parameters, sizeof *b->parameters, "the parameters", why)) ||
        take_times(b, why) || bench_images(b, why))
        return -1;
    fill_inputs(b);
    return tower_set_parameters(&b->tower, b->parameters, why) || bench_start(b, why) ? -1 : 0;
}

/* Measures the peak before and after the steps, since a core's clock rate varies. */
static int measure_all(struct bench *b, struct error *why)
{
    if (world_barrier(b->world, false, why))
        return -1;
    double before = peak_measure();
    if (bench_tower(b, why))
        return -1;
    double after = peak_measure();
    b->times.peak = before > after ? before : after;
    if (bandwidth_measure(&b->times.bandwidth, why))
        return -1;
    return bench_convolutions(b, why) || bench_loader(b, why) || bench_reduce(b, why);
}

static int collect_times(const struct bench *b, struct error *why)
{
    struct bench_times *all = NULL;
    if (b->world->rank == 0 &&
        !(all = memory_new((size_t)b->world->size, sizeof *all, "the times of all ranks", why)))
        return -1;
    int status = world_gather(b->world, &b->times, sizeof b->times, all, why);
    if (!status && b->world->rank == 0)
        bench_print(b, all);
    free(all);
    return status;
}

static void bench_release(struct bench *b)
{
    tower_free(&b->tower);
    reducer_free(&b->reducer);
    net_free(&b->net);
    free(b->pixels);
    free(b->pixel_labels);
    free(b->images);
    free(b->labels);
    free(b->parameters);
    free(b->stages);
    free(b->direct);
    free(b->winograd);
}

int bench_run(const struct options *options, const struct world *world, struct error *why)
{
    struct bench b = {.options = options, .world = world};
    memcpy(b.times.host, world->host, sizeof b.times.host);
    int status = world_agree(world, choose_parts(&b, why), why);
    if (!status)
        status = world_agree(world, take_tower(&b, why), why);
    if (!status && (measure_all(&b, why) || collect_times(&b, why)))
        world_abort(world, why->text);
    bench_release(&b);
    return status;
}
