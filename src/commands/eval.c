/* cifar10_mpi eval: every image of a split exactly once, integer counts summed over all ranks. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"
#include "clock.h"
#include "commands.h"
#include "data.h"
#include "model.h"
#include "report.h"
#include "store.h"
#include "tower.h"

struct evaluation {
    const struct options *options;
    const struct world *world;
    struct dataset dataset;
    int64_t examples; /* of the split: the first so many */
    const struct backend *backend;
    struct net net;
    struct tower tower;
    float *parameters, *shadows; /* what is evaluated, on all ranks; rank 0 loads both */
    float *images;               /* (batch, H, W, C) */
    int32_t *labels;
    struct report report; /* rank 0 */
    struct error passed;  /* rank 0: the damaged checkpoints that were last told of */
    bool ready;           /* net and tower are laid out */
};

/* What rank 0 found, and tells. */
struct found {
    bool any;
    uint64_t step;
    int classes, channels;
    char model[64];
};

static int choose(struct evaluation *e, struct error *why)
{
    struct device_place place;
    e->backend = backend_open(e->options->tower, (int)e->options->threads, e->world->node_rank, &place, why);
    if (!e->backend)
        return -1;
    e->examples = e->options->num_examples ? e->options->num_examples : e->dataset.count;
    if (e->examples > e->dataset.count)
        return error_set(why, "--num-examples %" PRId64 ": the %s split of %s holds %" PRId64, e->examples,
                         e->dataset.split, e->dataset.file, e->dataset.count);
    return 0;
}

/* Rank 0: the file to evaluate, "" where there is none yet. Of damaged ones that are passed by it tells once. */
static int find_file(struct evaluation *e, char *file, size_t size, struct error *why)
{
    struct error passed;
    snprintf(file, size, "%s", e->options->checkpoint);
    if (file[0])
        return 0;
    if (checkpoint_newest(e->options->checkpoint_dir, file, size, &passed, why))
        return -1;
    if (passed.text[0] && strcmp(passed.text, e->passed.text))
        report_line(&e->report, "passing by a checkpoint: %s", passed.text);
    e->passed = passed;
    return 0;
}

static int no_checkpoint(const struct evaluation *e, struct error *why)
{
    return error_set(why, "there is no checkpoint in %s", e->options->checkpoint_dir);
}

static bool same_classes(const struct dataset *dataset, const struct checkpoint *checkpoint)
{
    if (dataset->classes != checkpoint->classes)
        return false;
    for (int i = 0; i < dataset->classes; i++)
        if (strcmp(dataset->class_names[i], checkpoint->class_names[i]))
            return false;
    return true;
}

/* Rank 0, once. The net sees a larger or smaller part of such pictures than it was trained on. */
static void warn_of_size(struct evaluation *e, const struct checkpoint *trained)
{
    const struct dataset *d = &e->dataset;
    if (!e->ready && trained->image_height && (trained->image_height != d->height || trained->image_width != d->width))
        report_line(&e->report, "warning: the checkpoint was trained on images of %dx%d, those of %s are %dx%d",
                    trained->image_height, trained->image_width, d->file, d->height, d->width);
}

static int peek(struct evaluation *e, const char *file, struct found *found, struct error *why)
{
    struct checkpoint checkpoint = {0};
    if (checkpoint_peek(&checkpoint, file, why))
        return -1;
    bool same = same_classes(&e->dataset, &checkpoint);
    warn_of_size(e, &checkpoint);
    free(checkpoint.class_names);
    *found = (struct found){.any = true, .step = checkpoint.step, .classes = checkpoint.classes,
                            .channels = checkpoint.channels};
    memcpy(found->model, checkpoint.model, sizeof found->model);
    if (same && found->channels == e->dataset.channels)
        return 0;
    return error_set(why, "%s tells %d classes in images of %d channels apart; %s has %d classes%s and %d channels", file,
                     found->classes, found->channels, e->dataset.file, e->dataset.classes,
                     found->classes == e->dataset.classes && !same ? " of other names" : "", e->dataset.channels);
}

/* Rank 0: whether a run that trains there has removed the file since it was found, and so has a newer one. */
static bool has_gone(const struct evaluation *e, const char *file)
{
    return !e->options->checkpoint[0] && file[0] && checkpoint_is_gone(file);
}

/* Rank 0: the file to evaluate, and what it is of. */
static int find(struct evaluation *e, char *file, size_t size, struct found *found, struct error *why)
{
    int status;
    do {
        memset(found, 0, sizeof *found);
        status = find_file(e, file, size, why);
        if (!status && file[0])
            status = peek(e, file, found, why);
    } while (status && has_gone(e, file));
    return status;
}

/* Once: the net that the checkpoint is of. */
static int lay_out(struct evaluation *e, const struct found *found, struct error *why)
{
    const struct options *o = e->options;
    const struct model *model = model_find(found->model, why);
    if (!model || net_init(&e->net, model, found->channels, found->classes, why))
        return -1;
    if (e->dataset.height < model->height || e->dataset.width < model->width)
        return error_set(why, "%s: images of %dx%d are smaller than the %dx%d of model %s", e->dataset.file,
                         e->dataset.height, e->dataset.width, model->height, model->width, model->name);
    size_t batch = (size_t)o->batch_size, parameters = e->net.parameters;
    struct tower_request request = {.backend = e->backend, .net = &e->net, .batch = (int)batch,
                                    .convolution = convolution_choice_find(o->conv),
                                    .precision = precision_find(o->precision)};
    if (tower_init(&e->tower, &request, why) ||
        !(e->parameters = memory_new(parameters, sizeof(float), "the parameters", why)) ||
        !(e->shadows = memory_new(parameters, sizeof(float), "the shadows", why)) ||
        !(e->images = memory_new(batch * shape_size(e->net.input), sizeof(float), "a batch", why)) ||
        !(e->labels = memory_new(batch, sizeof *e->labels, "a batch", why)))
        return -1;
    e->ready = true;
    return 0;
}

static int load_file(struct evaluation *e, const char *file, struct error *why)
{
    struct checkpoint checkpoint = {.parameters = e->parameters, .shadows = e->shadows};
    if (checkpoint_load(&checkpoint, &e->net, file, why))
        return -1;
    free(checkpoint.class_names);
    if (!e->options->no_ema)
        memcpy(e->parameters, e->shadows, e->net.parameters * sizeof(float));
    return 0;
}

/* Rank 0: its parameters, or those of the one that is the newest by now. */
static int load(struct evaluation *e, char *file, size_t size, struct found *found, struct error *why)
{
    int status = load_file(e, file, why);
    while (status && has_gone(e, file)) {
        status = find(e, file, size, found, why);
        if (!status)
            status = found->any ? load_file(e, file, why) : no_checkpoint(e, why);
    }
    return status;
}

/* Collective. The newest checkpoint's parameters into every tower, where it is newer than `last`. */
static int load_newest(struct evaluation *e, uint64_t last, struct found *found, struct error *why)
{
    char file[4096] = "";
    memset(found, 0, sizeof *found);
    int status = e->world->rank == 0 ? find(e, file, sizeof file, found, why) : 0;
    if (world_agree(e->world, status, why))
        return -1;
    if (world_broadcast(e->world, found, sizeof *found, why))
        world_abort(e->world, why->text);
    if (!found->any || (last == found->step && e->ready))
        return 0;
    if (world_agree(e->world, e->ready ? 0 : lay_out(e, found, why), why) ||
        world_agree(e->world, e->world->rank == 0 ? load(e, file, sizeof file, found, why) : 0, why))
        return -1;
    if (world_broadcast(e->world, found, sizeof *found, why) ||
        world_broadcast(e->world, e->parameters, e->net.parameters * sizeof(float), why))
        world_abort(e->world, why->text);
    return world_agree(e->world, tower_set_parameters(&e->tower, e->parameters, why), why);
}

static void fill(struct evaluation *e, int64_t first, int count)
{
    const struct dataset *d = &e->dataset;
    const struct shape in = e->net.input;
    struct distortion center = distort_center(d->height, d->width, in.height, in.width);
    size_t image = (size_t)d->height * d->width * d->channels;
    for (int i = 0; i < count; i++) {
        distort_apply(d->images + (size_t)(first + i) * image, d->height, d->width, d->channels, &center, in.height,
                      in.width, e->images + (size_t)i * shape_size(in));
        e->labels[i] = d->labels[first + i];
    }
}

/* This rank's part [N r / R, N (r + 1) / R): an exact partition for any N and R. */
static int count_part(struct evaluation *e, struct loss_sums *sums, struct error *why)
{
    int64_t n = e->examples, r = e->world->rank, size = e->world->size;
    int64_t end = n * (r + 1) / size;
    for (int64_t first = n * r / size; first < end;) {
        int count = (int)(end - first < e->options->batch_size ? end - first : e->options->batch_size);
        fill(e, first, count);
        struct batch batch = {.count = count, .images = e->images, .labels = e->labels};
        if (tower_evaluate(&e->tower, &batch, sums, why))
            return -1;
        first += count;
    }
    return 0;
}

static int evaluate(struct evaluation *e, uint64_t step, struct error *why)
{
    struct loss_sums sums = {0};
    if (count_part(e, &sums, why))
        world_abort(e->world, why->text);
    /* the loss travels as fixed point, so that its sum does not depend on the ranks' order */
    bool fits = sums.loss >= 0 && sums.loss < 0x1p62 / e->world->size * 0x1p-20; /* and is not NaN */
    int64_t totals[4] = {sums.correct, sums.count, fits ? (int64_t)(sums.loss * 0x1p20) : 0, !fits};
    if (world_sum(e->world, totals, 4, why))
        world_abort(e->world, why->text);
    if (totals[3])
        return error_set(why, "checkpoint of step %" PRIu64 ": the loss is no finite number, or far too large: the model "
                         "has diverged", step);
    if (totals[1] != e->examples)
        return error_set(why, "%" PRId64 " of %" PRId64 " images were counted", totals[1], e->examples);
    if (e->world->rank == 0)
        report_line(&e->report,
                    "precision @ 1 = %.3f (step %" PRIu64 ": %" PRId64 " of %" PRId64 " %s images right, cross-entropy "
                    "%.4f, %s parameters)", (double)totals[0] / (double)totals[1], step, totals[0], totals[1],
                    e->dataset.split, (double)totals[2] * 0x1p-20 / (double)totals[1],
                    e->options->no_ema ? "raw" : "EMA");
    return 0;
}

/* Once on the newest checkpoint, or for ever on each new one. In periodic mode a missing or
 * half-written one is waited for; what is wrong with it is said once. */
static int evaluate_newest(struct evaluation *e, struct error *why)
{
    char said[sizeof why->text] = "";
    for (uint64_t last = UINT64_MAX;;) {
        struct found found;
        int status = load_newest(e, last, &found, why);
        if (!status && !found.any)
            status = no_checkpoint(e, why);
        if (status && (e->options->run_once || e->options->checkpoint[0]))
            return -1;
        if (status && e->world->rank == 0 && strcmp(said, why->text))
            report_line(&e->report, "waiting: %s", why->text);
        if (status)
            memcpy(said, why->text, sizeof said);
        if (!status && found.step != last && evaluate(e, found.step, why))
            return -1;
        if (e->options->run_once || e->options->checkpoint[0])
            return 0;
        last = status ? last : found.step;
        sleep((unsigned)e->options->eval_interval_secs);
    }
}

int command_eval(const struct options *options, const struct world *world)
{
    struct evaluation e = {.options = options, .world = world};
    struct error why;
    int status = dataset_open(&e.dataset, world, options->data, options->split, &why);
    if (!status)
        status = world_agree(world, choose(&e, &why), &why);
    if (!status)
        status = evaluate_newest(&e, &why);
    if (status && world->rank == 0)
        fprintf(stderr, "cifar10_mpi: %s\n", why.text);
    tower_free(&e.tower);
    free(e.parameters);
    free(e.shadows);
    free(e.images);
    free(e.labels);
    dataset_close(&e.dataset);
    return status ? 1 : 0;
}
