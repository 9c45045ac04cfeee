/* The start block: ranks, hosts and hardware, the run, and every option that is not at its default. */
#include <inttypes.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "start_block.h"

/* ---- ranks ---- */

/* What each rank sends to rank 0. */
struct introduction {
    char host[64], tower[32], about[160];
    int node, shared;
    int cores, allowed; /* cores of the node; cores that this rank may use (mpirun binds ranks to cores) */
    int node_size;
};

static void introduce(const struct run *run, struct introduction *mine)
{
    cpu_set_t allowed;
    mine->node = run->world->node;
    mine->node_size = run->world->node_size;
    mine->shared = run->dataset.memory.shared;
    mine->cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
    mine->allowed = sched_getaffinity(0, sizeof allowed, &allowed) ? mine->cores : CPU_COUNT(&allowed);
    memcpy(mine->host, run->world->host, sizeof mine->host);
    snprintf(mine->tower, sizeof mine->tower, "%s", run->backend->name); /* auto may choose another on another node */
    memcpy(mine->about, run->place.about, sizeof mine->about);
}

/* Warns of threads that share a core and so wait for each other: the most common reason for a slow run. */
static void warn_of_threads(FILE *out, const struct run *run, const struct introduction *rank)
{
    int64_t threads = run->options->threads, loaders = run->options->loader_threads;
    int64_t wanted = threads > loaders ? threads : loaders;
    if (threads * rank->node_size > rank->cores)
        start_block_line(out, "warning", "%d ranks x %" PRId64 " threads share the %d cores of %s", rank->node_size, threads,
                         rank->cores, rank->host);
    else if (wanted > rank->allowed && wanted * rank->node_size <= rank->cores)
        start_block_line(out, "warning", "a rank on %s may use %d core%s, not %" PRId64 ": start it with mpirun --map-by slot:PE=%"
                         PRId64, rank->host, rank->allowed, rank->allowed > 1 ? "s" : "", wanted, wanted);
}

/* A rank with a device has other threads besides the one that enqueues steps: the saver's, NCCL's and the driver's. Open MPI's
 * mpirun binds each of up to two ranks to one core. */
static void warn_of_binding(FILE *out, const struct introduction *rank)
{
    if (rank->allowed == 1 && rank->cores > rank->node_size)
        start_block_line(out, "warning", "a rank on %s may use 1 of %d cores, for saving and the GPU's own threads too: start it "
                         "with mpirun --bind-to none, or srun --cpus-per-task 2", rank->host, rank->cores);
}

/* Removes the GPUs' PCI addresses, which only --verbose shows, so that all ranks with the same hardware share one line. */
static void leave_out_places(struct introduction *ranks, int size)
{
    for (int i = 0; i < size; i++) {
        char *place = strstr(ranks[i].about, ", PCI ");
        if (place)
            memset(place, 0, strlen(place));
        ranks[i].node = 0;
    }
}

static bool same_host(const struct introduction *a, const struct introduction *b)
{
    return !strcmp(a->host, b->host);
}

static bool alike(const struct introduction *a, const struct introduction *b, bool verbose)
{
    size_t start = offsetof(struct introduction, tower);
    return (!verbose || same_host(a, b)) && !memcmp((const char *)a + start, (const char *)b + start, sizeof *a - start);
}

/* "rank 0-3   host: tower": one line for neighbouring ranks that are alike. */
static void print_rank_lines(FILE *out, const struct run *run, struct introduction *ranks)
{
    int size = run->world->size;
    bool verbose = run->options->verbose;
    if (!verbose && size > 1)
        leave_out_places(ranks, size);
    for (int first = 0, next; first < size; first = next) {
        bool one_host = true;
        for (next = first + 1; next < size && alike(&ranks[next], &ranks[first], verbose); next++)
            one_host = one_host && same_host(&ranks[next], &ranks[first]);
        char label[40];
        snprintf(label, sizeof label, next - first > 1 ? "rank %d-%d" : "rank %d", first, next - 1);
        start_block_line(out, label, "%s%s: %s tower, %s", ranks[first].host, one_host ? "" : " and others", ranks[first].tower,
                         ranks[first].about);
        if (run->backend->device)
            warn_of_binding(out, &ranks[first]);
        else
            warn_of_threads(out, run, &ranks[first]);
    }
}

/* ---- the run ---- */

/* The line for towers on a device. */
static void print_device(FILE *out, const struct run *run)
{
    char precision[16];
    options_value(run->options, "precision", precision, sizeof precision);
    start_block_line(out, "device", "%s, %s; images %s; allreduce %s (%s)", precision, run->options->no_graph ?
                     "kernels launched one by one" : "a step is one graph", run->tower.training.data,
                     exchange_text(run->exchange), run->exchange_why);
    if (run->sharing == SHARING_DEVICE)
        start_block_line(out, "warning", "ranks share a GPU: without NVIDIA's MPS (nvidia-cuda-mps-control -d) they take turns");
}

static void print_batch(FILE *out, const struct run *run)
{
    const struct options *o = run->options;
    int ranks = run->world->size;
    start_block_line(out, "batch", "%d = %d rank%s x %" PRId64 " images", run->global_batch, ranks, ranks > 1 ? "s" : "",
                     o->batch_size);
    if (run->tree)
        start_block_line(out, "slices", "%d, summed in the fixed tree: the same bits on any ranks", run->slices * ranks);
    start_block_line(out, "learning rate", "%g, times %g every %g epochs (%.0f steps)", o->learning_rate, o->lr_decay_factor,
                     o->lr_decay_epochs, o->lr_decay_epochs * (double)run->dataset.count / run->global_batch);
}

/* Says how large a part of an image the model sees: it sees a crop, not the whole image made smaller. */
static void print_images(FILE *out, const struct dataset *data, const struct model *model)
{
    int tall = 100 * model->height / data->height, wide = 100 * model->width / data->width;
    char share[64];
    snprintf(share, sizeof share, tall == wide ? "%d %% of each side" : "%d %% of the height, %d %% of the width", tall, wide);
    start_block_line(out, "images", "%dx%d: the model sees %dx%d of them (%s)", data->height, data->width, model->height,
                     model->width, share);
    if (2 * model->height < data->height || 2 * model->width < data->width)
        start_block_line(out, "warning", "the model sees less than half of a side, and learns less from it: pack the pictures "
                         "again, with pack --image-size %d", good_image_size(model));
}

static void print_trial(FILE *out, const struct run *run)
{
    char until[64] = "";
    if (run->options->target_precision > 0)
        snprintf(until, sizeof until, ", until precision %g", run->options->target_precision);
    if (run->trial.every)
        start_block_line(out, "evaluation", "every %" PRId64 " steps, on %" PRId64 " test images%s", run->trial.every,
                         run->trial.dataset.count, until);
}

static void print_data(FILE *out, const struct run *run)
{
    start_block_line(out, "data", "%s: %" PRId64 " training images, %d classes", run->dataset.file, run->dataset.count,
                     run->dataset.classes);
    print_images(out, &run->dataset, run->model);
    print_trial(out, run);
    if (run->global_batch > run->dataset.count)
        start_block_line(out, "warning", "a batch has more images than there are, so that it repeats them: take a smaller "
                         "--batch-size");
}

static bool has_decay(const struct net *net)
{
    for (int i = 0; i < net->layer_count; i++)
        if (net->layers[i].layer.decay > 0)
            return true;
    return false;
}

static bool was_measured(const struct run *run)
{
    for (int i = 0; i < run->net.layer_count; i++)
        if (run->ways.direct[i] > 0)
            return true;
    return false;
}

/* Shows the algorithms of convolutions, as they affect rounding. */
static void print_model(FILE *out, const struct run *run)
{
    const char *ways = run->state.convolutions;
    start_block_line(out, "model", "%s: %zu parameters%s%s%s", run->model->name, run->net.parameters, *ways ? "; " : "", ways,
                     was_measured(run) ? " (measured)" : "");
    start_block_line(out, "loss", "cross-entropy%s", has_decay(&run->net) ? " + weight decay" : "");
}

static void print_place(FILE *out, const struct run *run)
{
    const char *directory = run->options->train_dir;
    uint64_t step = run->state.step, last = run->last_step;
    if (run->resumed_from[0]) {
        start_block_line(out, "train-dir", "%s", directory);
        start_block_line(out, "continues", "%s, step %" PRIu64 " of %" PRIu64, run->resumed_from, step, last);
    } else {
        start_block_line(out, "train-dir", "%s: a new run, step 0 of %" PRIu64, directory, last);
    }
    if (step >= last)
        start_block_line(out, "nothing to do", "step %" PRIu64 " is reached: a higher --%s goes on", last,
                         run->options->epochs > 0 ? "epochs" : "max-steps");
}

/* The options as shell words, to be copied after the program's name. */
static void print_options(FILE *out, const struct run *run)
{
    char word[OPTION_WORD];
    struct row row = row_begin(out, "options", " \\");
    row_add(&row, 0, "train", 5);
    for (int i = 0; options_word(run->options, i, word); i++)
        if (*word)
            row_add(&row, 1, word, strlen(word));
    fprintf(out, "\n");
}

static void print_run(FILE *out, const struct run *run, struct introduction *ranks)
{
    const struct world *world = run->world;
    fprintf(out, "cifar10_mpi %s: %d rank%s on %d node%s, %s\n", VERSION, world->size, world->size > 1 ? "s" : "",
           world->nodes, world->nodes > 1 ? "s" : "", world->library);
    print_rank_lines(out, run, ranks);
    if (run->place.skipped[0])
        start_block_line(out, "tower", "%s", run->place.skipped);
    if (run->backend->device)
        print_device(out, run);
    print_batch(out, run);
    print_data(out, run);
    print_model(out, run);
    print_place(out, run);
    if (run->options->config[0])
        start_block_line(out, "config", "%s", run->options->config);
    print_options(out, run);
    if (run->options->summary_frequency && !events_library())
        start_block_line(out, "summaries", "none for TensorBoard: built without protobuf-c and ISA-L");
    if (run->options->verbose)
        start_block_verbose(out, run);
}

/* Prints the block, and keeps its text for the summaries. */
static void print_and_keep(struct run *run, struct introduction *ranks)
{
    size_t size;
    FILE *out = open_memstream(&run->start_block, &size);
    if (out) {
        print_run(out, run, ranks);
        if (!fclose(out))
            fputs(run->start_block, stdout);
    } else {
        print_run(stdout, run, ranks);
    }
    fflush(stdout);
}

int start_block_print(struct run *run, struct error *why)
{
    struct introduction mine, *all = NULL;
    memset(&mine, 0, sizeof mine); /* compared and sent as bytes */
    introduce(run, &mine);
    if (run->world->rank == 0)
        all = memory_new((size_t)run->world->size, sizeof *all, "the introductions", why);
    if (world_agree(run->world, run->world->rank == 0 && !all ? -1 : 0, why))
        return -1;
    if (world_gather(run->world, &mine, sizeof mine, all, why))
        world_abort(run->world, why->text);
    if (run->world->rank == 0)
        print_and_keep(run, all);
    free(all);
    return 0;
}
