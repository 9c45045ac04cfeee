/* Setting up a run. Each part that can fail on one rank alone is followed by world_agree. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "recipe.h"
#include "run.h"

/* Divides the global batch into slices, the same number on each rank. */
static int plan_slices(struct run *run, struct error *why)
{
    const struct options *o = run->options;
    int64_t ranks = run->world->size, global = o->batch_size * ranks;
    if (global > INT32_MAX / 2)
        return error_set(why, "--batch-size %lld on %lld ranks: a global batch above %d is not supported",
                         (long long)o->batch_size, (long long)ranks, INT32_MAX / 2);
    run->global_batch = (int)global;
    run->tree = o->slices > 0 || o->allreduce == ALLREDUCE_TREE;
    int64_t slices = o->slices > 0 ? o->slices : ranks, mine = slices / ranks;
    if (slices % ranks || global % slices || (ranks > 1 && (mine & (mine - 1))))
        return error_set(why,
                         "--slices %lld does not fit %lld ranks with a global batch of %lld: it must divide the global "
                         "batch and be a multiple (1, 2, 4, 8, ... times) of the ranks",
                         (long long)slices, (long long)ranks, (long long)global);
    run->slices = (int)mine;
    return 0;
}

/* The model and backend that the options name. */
static int choose(struct run *run, struct error *why)
{
    run->model = model_find(run->options->model, why);
    if (!run->model)
        return -1;
    run->backend = backend_open(run->options->tower, run->model, (int)run->options->threads, run->world->node_rank,
                                &run->place, why);
    return run->backend ? plan_slices(run, why) : -1;
}

/* The net, and memory for its parameters and the optimizer's states. */
static int lay_out(struct run *run, struct error *why)
{
    struct checkpoint *state = &run->state;
    state->optimizer = &optimizer_sgd;
    if (net_init(&run->net, run->model, run->dataset.channels, run->dataset.classes, why) ||
        convolution_ways_init(&run->ways, &run->net, why) ||
        !(state->parameters = memory_new(run->net.parameters, sizeof(float), "the parameters", why)))
        return -1;
    if (run->world->rank == 0 &&
        !(run->rank_seconds = memory_new((size_t)run->world->size, sizeof *run->rank_seconds, "the ranks' times", why)))
        return -1;
    return optimizer_allocate(state->optimizer, run->world->rank == 0, run->net.parameters, state->states, why);
}

static struct tower_request tower_wanted(const struct run *run)
{
    return (struct tower_request){.backend = run->backend,
                                  .net = &run->net,
                                  .batch = run->global_batch / run->world->size / run->slices,
                                  .training = true,
                                  .optimizer = run->state.optimizer,
                                  .master = run->world->rank == 0,
                                  .convolutions = run->ways.choices,
                                  .precision = run->options->precision,
                                  .workspace = (size_t)run->options->workspace_mib << 20,
                                  .deterministic = run->options->deterministic || run->tree};
}

/* Rank 0: the algorithm of each convolution. --conv names it; else it is the checkpoint's, so that the bits stay the same; else the
 * faster one as measured; with --slices it depends on the shape only, so that it is the same on any number of ranks. */
static int choose_ways(struct run *run, struct error *why)
{
    struct checkpoint *state = &run->state;
    struct tower_request request = tower_wanted(run);
    enum convolution_choice asked = run->options->conv;
    int status = 0;
    for (int i = 0; i < run->net.layer_count; i++)
        run->ways.choices[i] = asked;
    if (asked == CONVOLUTION_AUTO && run->resumed_from[0])
        convolutions_read(&run->ways, &run->net, state->convolutions);
    else if (asked == CONVOLUTION_AUTO && !run->tree)
        status = convolutions_measure(&run->ways, &request, why);
    convolutions_text(&run->ways, run->backend, &run->net, state->convolutions, sizeof state->convolutions);
    return status;
}

/* Collective. Sends rank 0's choices and times to all ranks. */
static int share_ways(struct run *run, struct error *why)
{
    struct convolution_ways *ways = &run->ways;
    size_t layers = (size_t)run->net.layer_count;
    int status = world_broadcast(run->world, ways->choices, layers * sizeof *ways->choices, why);
    if (!status)
        status = world_broadcast(run->world, ways->direct, layers * sizeof *ways->direct, why);
    if (!status)
        status = world_broadcast(run->world, ways->winograd, layers * sizeof *ways->winograd, why);
    if (!status)
        status = world_broadcast(run->world, &ways->batch, sizeof ways->batch, why);
    return status;
}

/* The tower with its parameters and states; on rank 0 also the saver. */
static int build(struct run *run, struct error *why)
{
    struct tower_request request = tower_wanted(run);
    if (run_trace_open(run, why) || tower_init(&run->tower, &request, why) || run_trace_name_layers(run, why) ||
        run_load_tower(run, why))
        return -1;
    return run->world->rank == 0 ? run_save_open(run, why) : 0;
}

static void begin_state(struct run *run)
{
    struct checkpoint *state = &run->state;
    state->seed = (uint64_t)run->options->seed;
    state->classes = run->dataset.classes;
    state->channels = run->dataset.channels;
    state->class_names = run->dataset.class_names;
    state->image_height = run->dataset.height;
    state->image_width = run->dataset.width;
    memcpy(state->resize, run->dataset.resize, sizeof state->resize);
    memcpy(state->dataset, run->dataset.name, sizeof state->dataset);
    memcpy(state->dataset_sha256, run->dataset.sha256, sizeof state->dataset_sha256);
    strncpy(state->model, run->model->name, sizeof state->model - 1);
    run->schedule = (struct schedule){.rate = run->options->learning_rate,
                                      .factor = run->options->lr_decay_factor,
                                      .epochs = run->options->lr_decay_epochs,
                                      .epoch_samples = (uint64_t)run->dataset.count};
}

/* --max-steps counts steps, --epochs samples, both from step 0. */
static void set_last_step(struct run *run)
{
    const struct checkpoint *state = &run->state;
    run->last_step = (uint64_t)run->options->max_steps;
    if (run->options->epochs > 0) {
        /* rounded: 1.1 * 50,000 is a little more than 55,000 in binary, which would add a step */
        uint64_t samples = (uint64_t)fmax(1, round(run->options->epochs * (double)run->dataset.count));
        uint64_t left = samples > state->position ? samples - state->position : 0, batch = (uint64_t)run->global_batch;
        run->last_step = state->step + (left + batch - 1) / batch;
    }
}

static int start_loader(struct run *run, struct error *why)
{
    int batch = run->global_batch / run->world->size;
    struct loader_request loader = {
        .dataset = &run->dataset,
        .augmentations = &recipe_find(run->model->name)->augmentations,
        .seed = run->state.seed,
        .crop_height = run->model->height,
        .crop_width = run->model->width,
        .position = run->state.position,
        .global_batch = run->global_batch,
        .offset = run->world->rank * batch,
        .batch = batch / run->slices,
        .slices = run->slices,
        .threads = (int)run->options->loader_threads,
        .depth = (int)run->options->loader_threads + 2,
        .trace = &run->phases.trace,
    };
    return loader_init(&run->loader, &loader, why);
}

static int check_images(const struct run *run, struct error *why)
{
    if (run->dataset.height >= run->model->height && run->dataset.width >= run->model->width)
        return 0;
    return error_set(why, "%s: images of %dx%d are smaller than the %dx%d that model %s sees: pack the pictures again, with "
                     "pack --image-size %d", run->dataset.file, run->dataset.height, run->dataset.width,
                     run->model->height, run->model->width, run->model->name, good_image_size(run->model));
}

/* Prepares the tower for steps. A loader makes the batches for a tower on the host; a device makes its own. */
static int start_training(struct run *run, struct error *why)
{
    bool device = run->backend->device != NULL;
    struct training_request request = {
        .reducer = &run->reducer,
        .slices = run->slices,
        .loader = device ? NULL : &run->loader,
        .world = run->world,
        .exchange = run->exchange,
        .dataset = &run->dataset,
        .augmentations = &recipe_find(run->model->name)->augmentations,
        .seed = run->state.seed,
        .graph = !run->options->no_graph,
    };
    if (!device && start_loader(run, why))
        return -1;
    return tower_start(&run->tower, &request, why);
}

/* ---- in order ---- */

/* Collective. The stall watch, signals, each rank's backend, the exchange, the data. */
static int open_surroundings(struct run *run, struct error *why)
{
    const struct world *world = run->world;
    int status = phases_open(&run->phases, world, (double)run->options->stall_seconds, why);
    if (world_agree(world, status, why))
        return -1;
    status = stop_open(&run->stop, run->options, world->rank == 0, why);
    if (world_agree(world, status, why))
        return -1;
    status = choose(run, why);
    if (world_agree(world, status, why))
        return -1;
    if (run_check_devices(run, why))
        return -1;
    if (run_choose_exchange(run, why))
        return -1;
    if (dataset_open(&run->dataset, world, run->options->data, "train", why))
        return -1;
    status = check_images(run, why);
    return world_agree(world, status, why);
}

/* Collective. The net, and the state that training begins with. */
static int open_state(struct run *run, struct error *why)
{
    const struct world *world = run->world;
    int status = lay_out(run, why);
    if (world_agree(world, status, why))
        return -1;
    begin_state(run);
    if (run_resume(run, why))
        return -1;
    status = world->rank == 0 ? choose_ways(run, why) : 0;
    if (world_agree(world, status, why))
        return -1;
    if (share_ways(run, why))
        world_abort(world, why->text);
    set_last_step(run);
    return 0;
}

/* Collective. The tower, and what its steps need. */
static int open_tower(struct run *run, struct error *why)
{
    const struct world *world = run->world;
    int status = build(run, why);
    if (world_agree(world, status, why))
        return -1;
    if (run_build_reducer(run, why))
        return -1;
    status = start_training(run, why);
    if (world_agree(world, status, why))
        return -1;
    return run->exchange == EXCHANGE_NCCL ? run_join_devices(run, why) : 0;
}

int run_open(struct run *run, const struct options *options, const struct world *world, struct error *why)
{
    memset(run, 0, sizeof *run);
    run->options = options;
    run->world = world;
    run->started = run->saved_at = clock_seconds();
    if (open_surroundings(run, why))
        return -1;
    if (open_state(run, why))
        return -1;
    if (open_tower(run, why))
        return -1;
    if (run_evaluate_open(run, why))
        return -1;
    int status = world->rank == 0 ? run_begin(run, why) : 0;
    if (world_agree(world, status, why))
        return -1;
    if (start_block_print(run, why))
        return -1;
    if (run_summary_open(run, why))
        return -1;
    run->ready = true;
    return 0;
}

void run_close(struct run *run)
{
    phases_close(&run->phases);
    run_save_close(run);
    run_evaluate_close(run);
    run_summary_close(run);
    loader_free(&run->loader);
    tower_free(&run->tower);
    run_trace_close(run);
    reducer_free(&run->reducer);
    convolution_ways_free(&run->ways);
    net_free(&run->net);
    report_close(&run->report);
    free(run->rank_seconds);
    free(run->state.parameters);
    optimizer_free(run->state.states);
    lock_free(&run->lock);
    dataset_close(&run->dataset);
    stop_close(&run->stop);
}
