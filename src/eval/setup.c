/* What a checkpoint is evaluated with: data set, net and tower. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "eval.h"

int eval_open_data(struct evaluation *e, const char *file, struct error *why)
{
    const struct dataset *d = &e->dataset;
    if (dataset_open(&e->dataset, e->world, file, e->options->split, why))
        return -1;
    e->examples = e->options->num_examples ? e->options->num_examples : d->count;
    if (e->examples > d->count)
        return error_set(why, "--num-examples %" PRId64 ": the %s split of %s holds %" PRId64, e->examples, d->split, d->file,
                         d->count);
    return 0;
}

/* Rank 0, without --data: chooses the file that the run was trained on. Older checkpoints do not name it; then the default of
 * --data. */
static int choose_data(const struct evaluation *e, struct found *found, struct error *why)
{
    if (!found->data[0])
        strcpy(found->data, e->options->data);
    else if (access(found->data, F_OK))
        return error_set(why, "%s, the data that the run was trained on, is not there: name a packed data set with --data",
                         found->data);
    return 0;
}

/* Rank 0. Prints which data is used, unless --data named the data of the run. */
static void say_data(struct evaluation *e)
{
    const struct checkpoint *c = &e->peeked;
    char sha256[sizeof e->dataset.sha256];
    struct error ignored;
    if (dataset_identify(e->dataset.file, "train", sha256, &ignored) || strcmp(sha256, c->dataset_sha256))
        report_line(&e->report, "data: %s, other than the run was trained on (%s, SHA-256 %.12s...)", e->dataset.file, c->dataset,
                    c->dataset_sha256);
    else if (!e->options->eval_data[0])
        report_line(&e->report, "data: %s, as in training", e->dataset.file);
}

/* Rank 0. Warns of images of another size, of which the net sees a larger or smaller part than in training. */
static void warn_of_size(struct evaluation *e)
{
    const struct checkpoint *trained = &e->peeked;
    const struct dataset *d = &e->dataset;
    if (trained->image_height && (trained->image_height != d->height || trained->image_width != d->width))
        report_line(&e->report, "warning: the checkpoint was trained on images of %dx%d, those of %s are %dx%d",
                    trained->image_height, trained->image_width, d->file, d->height, d->width);
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

static bool has_class(const struct dataset *dataset, const char *name)
{
    for (int i = 0; i < dataset->classes; i++)
        if (!strcmp(dataset->class_names[i], name))
            return true;
    return false;
}

/* How the classes differ, when their number is the same. */
static const char *difference(const struct dataset *dataset, const struct checkpoint *checkpoint)
{
    for (int i = 0; i < checkpoint->classes; i++)
        if (!has_class(dataset, checkpoint->class_names[i]))
            return " of other names";
    return " in another order";
}

int eval_match(const struct evaluation *e, struct error *why)
{
    const struct checkpoint *c = &e->peeked;
    const struct dataset *d = &e->dataset;
    bool same = same_classes(d, c);
    if (same && c->channels == d->channels)
        return 0;
    return error_set(why, "%s: is for %d classes and images of %d channels; %s has %d classes%s and %d channels", e->file,
                     c->classes, c->channels, d->file, d->classes, c->classes == d->classes && !same ? difference(d, c) : "",
                     d->channels);
}

static int make_counter(struct evaluation *e, struct error *why)
{
    bool first = e->world->rank == 0;
    struct counter_request request = {.world = e->world, .dataset = &e->dataset, .examples = e->examples, .tower = &e->tower,
                                      .batch = (int)e->options->batch_size, .progress = first ? &e->report.progress : NULL,
                                      .listen = e->options->verbose ? eval_listen : NULL, .listener = e};
    size_t classes = (size_t)e->net.classes;
    if (!(e->parameters = memory_new(e->net.parameters, sizeof(float), "the parameters", why)) ||
        (first && e->options->verbose && !(e->by_class = memory_new(2 * classes, sizeof *e->by_class, "counts of classes", why))))
        return -1;
    return counter_init(&e->counter, &request, why);
}

/* Makes net, tower and counter for the checkpoint that was found. */
static int lay_out_found(struct evaluation *e, const struct found *found, struct error *why)
{
    const struct dataset *d = &e->dataset;
    struct checkpoint checkpoint = {.channels = found->channels, .classes = found->classes};
    memcpy(checkpoint.model, found->model, sizeof checkpoint.model);
    if (tower_from_checkpoint(&e->tower, &e->net, &checkpoint, "the checkpoint's model", e->world->node_rank,
                              (int)e->options->batch_size, e->options, why))
        return -1;
    const struct model *model = e->net.model;
    if (d->height < model->height || d->width < model->width)
        return error_set(why, "%s: images of %dx%d are smaller than the %dx%d of model %s", d->file, d->height, d->width,
                         model->height, model->width, model->name);
    return make_counter(e, why);
}

/* Collective. */
static int open_run_data(struct evaluation *e, struct found *found, struct error *why)
{
    if (world_agree(e->world, e->world->rank == 0 ? choose_data(e, found, why) : 0, why))
        return -1;
    if (world_broadcast(e->world, found, sizeof *found, why))
        world_abort(e->world, why->text);
    return eval_open_data(e, found->data, why);
}

int eval_prepare(struct evaluation *e, struct found *found, struct error *why)
{
    if (!e->dataset.count && open_run_data(e, found, why))
        return -1;
    if (!e->ready && e->world->rank == 0) {
        say_data(e);
        warn_of_size(e);
    }
    if (world_agree(e->world, e->world->rank == 0 ? eval_match(e, why) : 0, why) ||
        (!e->ready && world_agree(e->world, lay_out_found(e, found, why), why)))
        return -1;
    e->ready = true;
    return 0;
}
