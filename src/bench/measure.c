/* The bench command's measurements of a tower, the reduction and the loader. */
#include <stdlib.h>
#include <time.h>

#include "bench.h"
#include "clock.h"
#include "recipe.h"

enum { WARM_UP = 3 };

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return 0.5 * (values[(count - 1) / 2] + values[count / 2]);
}

/* CPU time of this process: falls behind the clock if other processes use its cores. */
static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); /* cannot fail for this clock */
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Times a step of this tower in a world of one rank, without messages. */
static int measure_step(struct bench *b, double rows[BENCH_ROWS], struct error *why)
{
    uint64_t number = ++b->steps, images = (uint64_t)b->slices * (uint64_t)b->slice;
    struct step step = {.number = number, .position = number * images, .rate = 1e-3f, .ema_decay = 0.999f};
    struct step_result result;
    double before = clock_seconds(), cpu = cpu_seconds();
    tower_zero_times(&b->tower);
    b->tower.loss_seconds = b->tower.update_seconds = b->tower.ema_seconds = 0;
    if (tower_give(&b->tower, &step, 1, why) || tower_results(&b->tower, &result, 1, why))
        return -1;
    rows[BENCH_STEP] = clock_seconds() - before;
    rows[BENCH_CPU] = cpu_seconds() - cpu;
    rows[BENCH_LOSS] = b->tower.loss_seconds;
    rows[BENCH_UPDATE] = b->tower.update_seconds;
    rows[BENCH_EMA] = b->tower.ema_seconds;
    return 0;
}

/* samples: (columns, steps). Columns: each stage's forward and backward pass, then the rows. */
static int sample_steps(struct bench *b, double *samples, struct error *why)
{
    int steps = (int)b->options->bench_steps, stages = b->tower.plan.stage_count;
    for (int step = -WARM_UP; step < steps; step++) {
        double rows[BENCH_ROWS];
        if (measure_step(b, rows, why))
            return -1;
        if (step < 0)
            continue;
        for (int i = 0; i < stages; i++) {
            samples[(2 * i) * steps + step] = b->tower.times[i].forward;
            samples[(2 * i + 1) * steps + step] = b->tower.times[i].backward;
        }
        for (int row = 0; row < BENCH_ROWS; row++)
            samples[(2 * stages + row) * steps + step] = rows[row];
    }
    for (int i = 0; i < stages; i++) {
        b->stages[i].forward = bench_median(samples + (2 * i) * steps, steps);
        b->stages[i].backward = bench_median(samples + (2 * i + 1) * steps, steps);
    }
    for (int row = 0; row < BENCH_ROWS; row++)
        b->times.rows[row] = bench_median(samples + (2 * stages + row) * steps, steps);
    return 0;
}

/* Synthetic images for the loader, or for a device, which distorts its own. */
int bench_images(struct bench *b, struct error *why)
{
    enum { IMAGES = 10000, MARGIN = 8 }; /* CIFAR-10's images are 8 pixels larger than the crop */
    const uint32_t golden = 2654435761u; /* 2^32 over the golden ratio: multiples have well mixed high bits (Knuth) */
    struct dataset *d = &b->dataset;
    *d = (struct dataset){.file = "synthetic images", .split = "train", .count = IMAGES, .height = b->model->height + MARGIN,
                          .width = b->model->width + MARGIN, .channels = b->net.input.channels, .classes = b->net.classes};
    size_t bytes = (size_t)IMAGES * (size_t)d->height * (size_t)d->width * (size_t)d->channels;
    if (!(b->pixels = memory_new(bytes, 1, d->file, why)) || !(b->pixel_labels = memory_new(IMAGES, 1, "synthetic labels", why)))
        return -1;
    for (size_t i = 0; i < bytes; i++)
        b->pixels[i] = (uint8_t)((uint32_t)i * golden >> 24);
    d->images = b->pixels;
    d->labels = b->pixel_labels;
    return 0;
}

int bench_start(struct bench *b, struct error *why)
{
    enum exchange exchange = b->slices > 1 ? EXCHANGE_SHARED : EXCHANGE_NONE;
    b->alone = (struct world){.size = 1, .nodes = 1, .node_size = 1};
    b->batch = (struct batch){.count = b->slice, .images = b->images, .labels = b->labels};
    struct training_request request = {.reducer = &b->reducer, .slices = b->slices, .batch = &b->batch, .world = &b->alone,
                                       .exchange = exchange, .dataset = &b->dataset,
                                       .augmentations = &recipe_find(b->model->name)->augmentations, .seed = 1};
    if (reducer_init(&b->reducer, &b->alone, exchange, b->net.gradients, b->slices, 1 << 20, why))
        return -1;
    return tower_start(&b->tower, &request, why);
}

int bench_tower(struct bench *b, struct error *why)
{
    size_t columns = 2 * (size_t)b->tower.plan.stage_count + BENCH_ROWS;
    double *samples = memory_new(columns * (size_t)b->options->bench_steps, sizeof *samples, "the times", why);
    int status = samples ? sample_steps(b, samples, why) : -1;
    free(samples);
    return status;
}

/* Times the reduction of one parcel over all ranks, without other work. */
static int reduce_once(struct bench *b, struct reducer *reducer, double *seconds, struct error *why)
{
    const float *sums;
    if (world_barrier(b->world, false, why))
        return -1;
    double before = clock_seconds();
    for (int slice = 0; slice < b->slices; slice++) {
        reducer_begin(reducer, slice);
        if (reducer_ready(reducer, 0, why) || reducer_end(reducer, why))
            return -1;
    }
    if (reducer_finish(reducer, &sums, why))
        return -1;
    *seconds = clock_seconds() - before;
    return 0;
}

int bench_reduce(struct bench *b, struct error *why)
{
    struct reducer reducer = {0};
    int steps = (int)b->options->bench_steps, status = 0;
    double *samples = memory_new((size_t)steps, sizeof *samples, "the times", why), warm_up;
    if (!samples || reducer_init(&reducer, b->world, exchange_fastest(b->world, b->options->slices > 0),
                                 b->net.gradients, b->slices, 1 << 20, why))
        status = -1;
    for (int step = -WARM_UP; !status && step < steps; step++)
        status = reduce_once(b, &reducer, step < 0 ? &warm_up : &samples[step], why);
    if (!status)
        b->times.reduce = bench_median(samples, steps);
    reducer_free(&reducer);
    free(samples);
    return status;
}

/* Takes batches for a while. The caller only waits, so the loader's thread has the core to itself. */
static int drain_loader(struct loader *loader, double *rate, struct error *why)
{
    const double duration = 0.3; /* seconds */
    struct batch batch;
    int64_t images = 0;
    for (int i = 0; i < 8; i++) /* batches prepared before the clock starts */
        if (loader_next(loader, &batch, why))
            return -1;
    double before = clock_seconds(), now = before;
    for (; now - before < duration; now = clock_seconds()) {
        if (loader_next(loader, &batch, why))
            return -1;
        images += batch.count;
    }
    *rate = (double)images / (now - before);
    return 0;
}

int bench_loader(struct bench *b, struct error *why)
{
    struct loader_request request = {.dataset = &b->dataset, .augmentations = &recipe_find(b->model->name)->augmentations,
                                     .seed = 1, .crop_height = b->model->height,
                                     .crop_width = b->model->width, .global_batch = b->slice, .batch = b->slice,
                                     .slices = 1, .threads = 1, .depth = 3};
    struct loader loader = {0};
    int status = loader_init(&loader, &request, why);
    if (!status)
        status = drain_loader(&loader, &b->times.loader, why);
    loader_free(&loader);
    return status;
}
