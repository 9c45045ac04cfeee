/* The bench command's table. */
#include <inttypes.h>
#include <stdio.h>

#include "bench.h"

/* GFLOP/s, or a dash if there is nothing to count. */
static void print_rate(double operations, double seconds)
{
    if (operations > 0 && seconds > 0)
        printf(" %9.1f", 1e-9 * operations / seconds);
    else
        printf(" %9s", "-");
}

static void print_stage(const struct bench *b, int index, double step)
{
    const struct stage_time *time = &b->stages[index];
    double forward, backward;
    bench_operations(b, &b->tower.plan.stages[index], &forward, &backward);
    printf("%-24s %9.3f", b->tower.plan.stages[index].name, 1e3 * time->forward);
    print_rate(forward, time->forward);
    printf(" %9.3f", 1e3 * time->backward);
    print_rate(backward, time->backward);
    printf(" %8.1f %%\n", 100 * (time->forward + time->backward) / step);
}

static void print_row(const char *name, double seconds, double step)
{
    printf("%-24s %9.3f %9s %9s %9s %8.1f %%\n", name, 1e3 * seconds, "-", "-", "-", 100 * seconds / step);
}

static void print_tower(const struct bench *b, const struct bench_times *t)
{
    double step = t->rows[BENCH_STEP], rest = step;
    printf("%-24s %9s %9s %9s %9s %10s\n", "# stage", "forward", "forward", "backward", "backward", "share of");
    printf("%-24s %9s %9s %9s %9s %10s\n", "#", "ms", "GFLOP/s", "ms", "GFLOP/s", "the step");
    for (int i = 0; i < b->tower.plan.stage_count; i++) {
        print_stage(b, i, step);
        rest -= b->stages[i].forward + b->stages[i].backward;
    }
    for (int row = 0; row < BENCH_STEP; row++)
        rest -= t->rows[row];
    print_row("loss", t->rows[BENCH_LOSS], step);
    print_row("update", t->rows[BENCH_UPDATE], step);
    if (!b->backend->device) /* on a device it is part of the update */
        print_row("EMA (rank 0's)", t->rows[BENCH_EMA], step);
    print_row("rest (copies, slices)", rest > 0 ? rest : 0, step);
    print_row("whole step", step, step);
}

static double share_of_peak(const struct bench *b, const struct bench_times *t)
{
    double operations = 2 * net_step_multiply_adds(&b->net) * (double)b->options->batch_size;
    return operations / t->rows[BENCH_STEP] / (t->peak * (double)b->options->threads);
}

static void print_rank_rows(const struct bench *b, const struct bench_times *all)
{
    double images = (double)b->options->batch_size, threads = (double)b->options->threads, total = 0;
    printf("#\n%-6s %-13s %9s %9s %9s %9s %9s %9s %10s\n", "# rank", "host", "step", "examples", "tower", "core peak",
           "share of", "had its", "loader");
    printf("%-6s %-13s %9s %9s %9s %9s %9s %9s %10s\n", "#", "", "ms", "/sec", "GFLOP/s", "GFLOP/s", "the peak", "cores",
           "images/sec");
    for (int rank = 0; rank < b->world->size; rank++) {
        const struct bench_times *t = &all[rank];
        double share = share_of_peak(b, t), step = t->rows[BENCH_STEP];
        printf("%-6d %-13.13s %9.3f %9.1f %9.1f", rank, t->host, 1e3 * step, images / step, 1e-9 * share * t->peak * threads);
        if (b->backend->device) /* the speed of a CPU core does not matter for a device */
            printf(" %9s %9s", "-", "-");
        else
            printf(" %9.1f %7.1f %%", 1e-9 * t->peak, 100 * share);
        printf(" %7.1f %% %10.0f\n", 100 * t->rows[BENCH_CPU] / (step * threads), t->loader);
        total += images / step;
    }
    printf("# all ranks, towers alone: %.1f examples/sec\n", total);
}

static const char core_words[] =
    "a core's peak: fp32 fused multiply-adds, measured in the same run;\n"
    "# 'had its cores' below 100 %: other programs ran there, and all times are too long\n"
    "# GFLOP/s count a direct convolution's operations; minimal filtering (Winograd) needs fewer, and may pass the peak;\n"
    "# --conv auto takes it here wherever it applies, without measuring first\n#\n";
static const char device_words[] =
    "each stage is waited for, so that its time is its own, that of the launch and the wait included;\n"
    "# training replays a graph, waits for nothing, and is faster\n#\n";

void bench_print(const struct bench *b, const struct bench_times *all)
{
    const struct options *o = b->options;
    char precision[16];
    options_value(o, "precision", precision, sizeof precision);
    double parcel = 1e-6 * (double)(b->net.gradients + PARCEL_SLOTS) * sizeof(float);
    printf("# cifar10_mpi %s bench: model %s, %s tower (%s), %s\n", VERSION, b->model->name, b->backend->name,
           b->place.about, precision);
    printf("# %d rank%s on %d node%s, batch %" PRId64 " a rank in %d slice%s, %" PRId64 " thread%s a tower; medians of %"
           PRId64 " steps; stages of rank 0\n", b->world->size, b->world->size > 1 ? "s" : "", b->world->nodes,
           b->world->nodes > 1 ? "s" : "", o->batch_size, b->slices, b->slices > 1 ? "s" : "", o->threads,
           o->threads > 1 ? "s" : "", o->bench_steps);
    printf("# synthetic images; %s", b->backend->device ? device_words : core_words);
    print_tower(b, &all[0]);
    print_rank_rows(b, all);
    if (!b->backend->device)
        bench_print_roofline(b, &all[0]);
    bench_print_convolutions(b);
    printf("#\n# reduction of a parcel alone (%.2f MB over %d rank%s, %s): %.3f ms\n", parcel, b->world->size,
           b->world->size > 1 ? "s" : "", o->slices ? "fixed tree" : "fastest", 1e3 * all[0].reduce);
}
