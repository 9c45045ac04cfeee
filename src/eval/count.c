/* Counting: each rank evaluates its part of the images; the counts are integers, summed over all ranks. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "eval.h"

enum { RIGHT, IMAGES }; /* columns of by_class */

static void fill_batch(struct evaluation *e, int64_t first, int count)
{
    const struct dataset *d = &e->dataset;
    const struct shape in = e->net.input;
    struct frame frame = dataset_frame(d, in.height, in.width);
    struct distortion center = distort_center(&frame);
    size_t image = (size_t)d->height * d->width * d->channels;
    for (int i = 0; i < count; i++) {
        distort_apply(d->images + (size_t)(first + i) * image, &frame, &center, e->images + (size_t)i * shape_size(in));
        e->labels[i] = d->labels[first + i];
    }
}

/* Adds the batch that the tower has just evaluated to by_class. Images count as correct by the rule of struct loss_sums. */
static int count_classes(struct evaluation *e, int count, struct error *why)
{
    size_t classes = (size_t)e->net.classes;
    if (e->tower.backend->memory_download(e->logits, e->tower.plan.output, (size_t)count * classes, why))
        return -1;
    for (int i = 0; i < count; i++) {
        int64_t *of_class = e->by_class + 2 * e->labels[i];
        of_class[RIGHT] += index_of_largest(e->logits + (size_t)i * classes, e->net.classes) == e->labels[i];
        of_class[IMAGES]++;
    }
    return 0;
}

/* Shows progress on rank 0; assumes that the other ranks have done as many images. */
static void show_count(struct evaluation *e, int64_t done)
{
    int64_t all = done * e->world->size;
    if (e->world->rank == 0)
        progress_count(&e->report.progress, "evaluating", "images", 1, all < e->examples ? all : e->examples, e->examples);
}

/* Evaluates this rank's part [N r / R, N (r + 1) / R): an exact partition for any N and R. */
static int count_part(struct evaluation *e, struct loss_sums *sums, struct error *why)
{
    int64_t n = e->examples, r = e->world->rank, size = e->world->size;
    int64_t end = n * (r + 1) / size;
    for (int64_t first = n * r / size; first < end;) {
        int count = (int)(end - first < e->options->batch_size ? end - first : e->options->batch_size);
        fill_batch(e, first, count);
        struct batch batch = {.count = count, .images = e->images, .labels = e->labels};
        if (tower_evaluate(&e->tower, &batch, sums, why) || (e->by_class && count_classes(e, count, why)))
            return -1;
        first += count;
        show_count(e, first - n * r / size);
    }
    return 0;
}

/* Collective. */
static int sum_classes(struct evaluation *e, struct error *why)
{
    return e->by_class ? world_sum(e->world, e->by_class, 2 * e->net.classes, why) : 0;
}

int eval_count(struct evaluation *e, uint64_t step, struct evaluated *evaluated, struct error *why)
{
    struct loss_sums sums = {0};
    if (e->by_class)
        memset(e->by_class, 0, 2 * (size_t)e->net.classes * sizeof *e->by_class);
    progress_begin(&e->report.progress);
    int status = count_part(e, &sums, why);
    progress_clear(&e->report.progress);
    if (status)
        world_abort(e->world, why->text);
    /* the loss is summed as a fixed-point number, so that the order of the ranks does not matter */
    bool fits = sums.loss >= 0 && sums.loss < 0x1p62 / e->world->size * 0x1p-20; /* false for NaN */
    int64_t totals[4] = {sums.correct, sums.count, fits ? (int64_t)(sums.loss * 0x1p20) : 0, !fits};
    if (world_sum(e->world, totals, 4, why) || sum_classes(e, why))
        world_abort(e->world, why->text);
    if (totals[3])
        return error_set(why, "checkpoint of step %" PRIu64 ": the loss is no finite number, or far too large: the model "
                         "has diverged", step);
    if (totals[1] != e->examples)
        return error_set(why, "%" PRId64 " of %" PRId64 " images were counted", totals[1], e->examples);
    *evaluated = (struct evaluated){.step = step, .split = e->dataset.split, .images = totals[1], .right = totals[0],
                                    .cross_entropy = (double)totals[2] * 0x1p-20 / (double)totals[1],
                                    .parameters = e->options->no_ema ? "raw" : "EMA", .data_sha256 = e->dataset.sha256};
    return 0;
}

void eval_print_classes(const struct evaluation *e)
{
    char most[24], share[16], line[64];
    int width = snprintf(most, sizeof most, "%" PRId64, e->examples);
    for (int i = 0; i < e->net.classes; i++) {
        const int64_t *of_class = e->by_class + 2 * i;
        const char *name = e->dataset.class_names[i];
        snprintf(share, sizeof share, "%.3f", (double)of_class[RIGHT] / (double)of_class[IMAGES]);
        int used = snprintf(line, sizeof line, "  %5s  %*" PRId64 " of %*" PRId64, of_class[IMAGES] ? share : "-", width,
                            of_class[RIGHT], width, of_class[IMAGES]);
        line_print(stdout, "%s  %.*s", line, text_fit(name, 78 - used), name);
    }
    fflush(stdout); /* eval may now wait a long time; main() checks for errors */
}
