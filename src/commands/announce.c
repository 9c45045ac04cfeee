/* The start block: what runs where, and every option that is not at its default. */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train.h"

/* What a rank says of itself. */
struct introduction {
    char host[64], tower[32], about[160];
    int node, shared;
    int cores, allowed; /* of the node; that this rank may use (mpirun binds ranks to cores) */
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
    snprintf(mine->tower, sizeof mine->tower, "%s", run->backend->name); /* auto may choose another one elsewhere */
    memcpy(mine->about, run->place.about, sizeof mine->about);
}

/* Threads that share a core wait for each other: the commonest way to a slow run. */
static void warn_of_threads(const struct run *run, const struct introduction *rank)
{
    int64_t threads = run->options->threads, loaders = run->options->loader_threads;
    int64_t wanted = threads > loaders ? threads : loaders;
    if (threads * rank->node_size > rank->cores)
        printf("  warning        %d ranks x %" PRId64 " threads share the %d cores of %s\n", rank->node_size, threads,
               rank->cores, rank->host);
    else if (wanted > rank->allowed && wanted * rank->node_size <= rank->cores)
        printf("  warning        a rank on %s may use %d core%s, not %" PRId64 ": start it with mpirun --map-by slot:PE=%"
               PRId64 "\n", rank->host, rank->allowed, rank->allowed > 1 ? "s" : "", wanted, wanted);
}

/* Beside the thread that gives a device its steps others save, and serve NCCL and the driver. Open MPI's mpirun binds each of two
 * ranks to one core. */
static void warn_of_binding(const struct introduction *rank)
{
    if (rank->allowed == 1 && rank->cores > rank->node_size)
        printf("  warning        a rank on %s may use 1 of %d cores, for saving and the GPU's own threads too: start it with "
               "mpirun --bind-to none, or srun --cpus-per-task 2\n", rank->host, rank->cores);
}

/* "ranks 0-3   host: tower": a line for each run of ranks that are alike. */
static void print_ranks(const struct run *run, const struct introduction *ranks)
{
    int size = run->world->size;
    for (int first = 0, next; first < size; first = next) {
        for (next = first + 1; next < size && !memcmp(&ranks[next], &ranks[first], sizeof *ranks);)
            next++;
        char range[32];
        snprintf(range, sizeof range, next - first > 1 ? "%d-%d" : "%d", first, next - 1);
        printf("  rank %-9s on %s: %s tower, %s\n", range, ranks[first].host, ranks[first].tower, ranks[first].about);
        if (run->backend->device)
            warn_of_binding(&ranks[first]);
        else
            warn_of_threads(run, &ranks[first]);
    }
}

static void print_options(const struct run *run)
{
    const char *name;
    char value[OPTION_TEXT];
    bool is_default, any = false;
    for (int i = 0; options_text(run->options, i, &name, value, sizeof value, &is_default); i++) {
        if (is_default)
            continue;
        text_printable(value);
        printf("%s --%s %s", any ? "" : "  options       ", name, value);
        any = true;
    }
    printf(any ? "\n" : "  options        all at their defaults\n");
}

static void print_layer(const struct net_layer *l)
{
    char output[48];
    if (l->layer.kind == LAYER_DENSE)
        snprintf(output, sizeof output, "%d", l->out.channels);
    else
        snprintf(output, sizeof output, "%dx%dx%d", l->out.height, l->out.width, l->out.channels);
    printf("%17s%-16s %10s", "", l->layer.name, output);
    if (l->weight_count + l->bias_count)
        printf(" %12zu %15.0f", l->weight_count + l->bias_count, l->multiply_adds);
    printf("\n");
}

static void print_model(const struct run *run)
{
    const struct net *net = &run->net;
    printf("  model          %s: %s\n", run->model->name, run->model->about);
    printf("%17s%-16s %10s %12s %15s\n", "", "layer", "output", "parameters", "multiply-adds");
    for (int i = 0; i < net->layer_count; i++)
        print_layer(&net->layers[i]);
    printf("%17s%-27s %12zu %15.0f an image forward, %.0f a training step\n", "", "all", net->parameters,
           net_forward_multiply_adds(net), net_step_multiply_adds(net));
}

/* What the stages' library chose. */
static bool print_choices(const struct plan *plan)
{
    bool any = false;
    for (int i = 0; i < plan->stage_count; i++) {
        const struct stage *stage = &plan->stages[i];
        if (!*stage->about)
            continue;
        printf("%-17s%s: %s\n", any ? "" : "  convolutions", stage->name, stage->about);
        any = true;
    }
    return any;
}

/* How each convolution of which there are two ways is computed, and why where that was measured. */
static void print_ways(const struct run *run)
{
    const struct convolution_ways *ways = &run->ways;
    bool measured = false;
    if (print_choices(&run->tower.plan))
        return;
    printf("  convolutions  ");
    for (int i = 0; i < run->net.layer_count; i++)
        if (ways->direct[i] > 0) {
            bool direct = ways->choices[i] == CONVOLUTION_DIRECT;
            printf(" %s=%s (winograd %.2f ms, direct %.2f ms)", run->net.layers[i].layer.name,
                   direct ? "direct" : "winograd", 1e3 * ways->winograd[i], 1e3 * ways->direct[i]);
            measured = true;
        }
    if (measured)
        printf(", %d images forward and backward\n", ways->batch);
    else
        printf(" %s\n", *run->state.convolutions ? run->state.convolutions : "one way each");
}

static const char *exchange_name(const struct run *run)
{
    static const char *const names[] = {[EXCHANGE_NONE] = "no other ranks", [EXCHANGE_HOST] = "in host memory",
                                        [EXCHANGE_MPI] = "by MPI, in the GPUs' memory", [EXCHANGE_NCCL] = "by NCCL"};
    return names[run->exchange];
}

/* What only a device has. */
static void print_device(const struct run *run)
{
    const struct options *o = run->options;
    if (!run->backend->device)
        return;
    printf("  device         %s, %s; gradients meet %s (%s)\n", o->precision, o->no_graph ? "launched piece by piece" :
           "a step is a graph", exchange_name(run), run->exchange_why);
    printf("  images         %s\n", run->ahead.data);
    if (run->sharing == SHARING_DEVICE)
        printf("  warning        ranks share a GPU: without NVIDIA's MPS (nvidia-cuda-mps-control -d) they take turns\n");
}

static void print_run(const struct run *run, const struct introduction *ranks)
{
    const struct options *o = run->options;
    const struct world *world = run->world;
    printf("cifar10_mpi %s: %d rank%s on %d node%s, %s\n", VERSION, world->size, world->size > 1 ? "s" : "",
           world->nodes, world->nodes > 1 ? "s" : "", world->library);
    print_ranks(run, ranks);
    if (run->place.passed_by[0])
        printf("  tower          %s\n", run->place.passed_by);
    printf("  threads        %" PRId64 " of the tower and %" PRId64 " of the loader a rank\n", o->threads, o->loader_threads);
    printf("  batch          %d = %d x %" PRId64 ", %d slice%s a rank, %s%s\n", run->global_batch, world->size, o->batch_size,
           run->slices, run->slices > 1 ? "s" : "",
           run->tree ? "summed in the fixed tree: the same bits on any ranks" : "summed as is fastest",
           world->size == 1 ? "" : run->reducer.leaves.shared ? "; in shared memory" : "; by MPI");
    printf("  learning rate  %g, times %g every %g epochs (%.0f steps); EMA %g\n", o->learning_rate, o->lr_decay_factor,
           o->lr_decay_epochs, o->lr_decay_epochs * (double)run->dataset.count / run->global_batch, o->ema_decay);
    line_print(stdout, "  data           %s: %s, %" PRId64 " training images of %dx%dx%d, %d classes, a copy %s", run->dataset.file,
               run->dataset.name, run->dataset.count, run->dataset.height, run->dataset.width, run->dataset.channels,
               run->dataset.classes, run->dataset.memory.shared ? "a node" : "a rank");
    print_model(run);
    print_ways(run);
    print_device(run);
    line_print(stdout, "  train-dir      %s: %s%s, step %" PRIu64 " of %" PRIu64, o->train_dir,
               run->resumed_from[0] ? "continues " : "a new run", run->resumed_from, run->state.step, run->last_step);
    print_options(run);
    fflush(stdout);
}

int run_announce(struct run *run, struct error *why)
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
        print_run(run, all);
    free(all);
    return 0;
}
