/* Rank 0 finds the checkpoint and the names, all ranks classify, and rank 0 prints, a round of images at a time. */
#include "predict.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "backend.h"
#include "paths.h"
#include "picture.h"
#include "softmax.h"
#include "tower_checkpoint.h"

enum { OLD_SIDE = 32, BATCH_MAX = 64 };

struct predictor {
    const struct options *options;
    const struct world *world;
    char file[4096]; /* the checkpoint */
    struct checkpoint checkpoint; /* its attributes; no parameters. class_names: on rank 0 only */
    struct net net;
    struct tower tower;
    int batch; /* images per rank and round */
    float *input, *logits, *probabilities, *parameters; /* (batch, H, W, C); (batch, classes); (classes); flat */
    struct frame frame; /* of an image after resizing */
    enum resize resize;
    struct path_list list; /* rank 0 */
    struct paths paths;    /* of a round, on all ranks */
    struct answer *answers, *gathered; /* (batch); on rank 0 (ranks, batch) */
    bool failed;                       /* rank 0: an image failed */
};

/* --checkpoint, or the newest of --train-dir. */
static int find_checkpoint(struct predictor *p, struct error *why)
{
    const struct options *o = p->options;
    struct error skipped = {""};
    snprintf(p->file, sizeof p->file, "%s", o->checkpoint);
    if (!p->file[0] && checkpoint_newest(o->train_dir, p->file, sizeof p->file, &skipped, why))
        return -1;
    if (skipped.text[0])
        fprintf(stderr, "cifar10_mpi: %s\n", skipped.text);
    return p->file[0] ? 0 : error_set(why, "there is no checkpoint in %s: train first, or name one with --checkpoint",
                                      o->train_dir);
}

/* A run in the directory may have removed the checkpoint in the meantime; then there is a newer one. */
static int find_again(struct predictor *p, struct error *why)
{
    return p->options->checkpoint[0] || !checkpoint_is_gone(p->file) ? -1 : find_checkpoint(p, why);
}

/* Reads the checkpoint's attributes. */
static int look_inside(struct predictor *p, struct error *why)
{
    free(p->checkpoint.class_names);
    p->checkpoint = (struct checkpoint){0};
    while (checkpoint_peek(&p->checkpoint, p->file, why))
        if (find_again(p, why))
            return -1;
    if (p->checkpoint.channels != IMAGE_CHANNELS)
        return error_set(why, "%s was trained on images of %d channels; image files have %d", p->file,
                         p->checkpoint.channels, IMAGE_CHANNELS);
    return 0;
}

/* Collective. Sends rank 0's checkpoint to all. */
static int share_checkpoint(struct predictor *p, struct error *why)
{
    int status = p->world->rank == 0 && (find_checkpoint(p, why) || look_inside(p, why)) ? -1 : 0;
    if (world_agree(p->world, status, why))
        return -1;
    if (world_broadcast(p->world, p->file, sizeof p->file, why) ||
        world_broadcast(p->world, &p->checkpoint, sizeof p->checkpoint, why))
        world_abort(p->world, why->text);
    if (p->world->rank != 0)
        p->checkpoint.class_names = NULL;
    return 0;
}

/* Collective, because only rank 0 has the names. Chooses the batch: each rank's share of the images, or BATCH_MAX if that is less
 * or if a list on standard input may have any length. */
static int choose_batch(struct predictor *p, struct error *why)
{
    int names = p->options->file_count, ranks = p->world->size;
    int each = (names + ranks - 1) / ranks;
    for (int i = 0; p->world->rank == 0 && i < names; i++)
        if (!strcmp(p->options->files[i], "-"))
            each = BATCH_MAX;
    p->batch = each < BATCH_MAX ? each : BATCH_MAX;
    if (world_broadcast(p->world, &p->batch, sizeof p->batch, why))
        world_abort(p->world, why->text);
    return 0;
}

static int make_tower(struct predictor *p, struct error *why)
{
    size_t batch = (size_t)p->batch;
    if (tower_from_checkpoint(&p->tower, &p->net, &p->checkpoint, p->file, p->world->node_rank, p->batch, p->options, why))
        return -1;
    size_t classes = (size_t)p->net.classes;
    p->input = memory_new(batch * shape_size(p->net.input), sizeof *p->input, "the images", why);
    p->logits = memory_new(batch * classes, sizeof *p->logits, "the logits", why);
    p->probabilities = memory_new(classes, sizeof *p->probabilities, "the probabilities", why);
    p->parameters = memory_new(p->net.parameters, sizeof *p->parameters, "the parameters", why);
    p->answers = memory_new(batch, sizeof *p->answers, "the answers", why);
    size_t all = p->world->rank == 0 ? batch * (size_t)p->world->size : 1;
    p->gathered = memory_new(all, sizeof *p->answers, "all ranks' answers", why);
    return p->input && p->logits && p->probabilities && p->parameters && p->answers && p->gathered ? 0 : -1;
}

/* Rank 0. */
static int load_parameters(struct predictor *p, struct error *why)
{
    while (parameters_from_checkpoint(p->parameters, &p->net, p->file, p->options, why))
        if (find_again(p, why) || look_inside(p, why))
            return -1;
    return 0;
}

/* Collective. */
static int share_parameters(struct predictor *p, struct error *why)
{
    if (world_agree(p->world, p->world->rank == 0 ? load_parameters(p, why) : 0, why))
        return -1;
    if (world_broadcast(p->world, p->parameters, p->net.parameters * sizeof *p->parameters, why))
        world_abort(p->world, why->text);
    return world_agree(p->world, tower_set_parameters(&p->tower, p->parameters, why), why);
}

/* Images are resized to the size of the training images, unless an option sets another. Older checkpoints do not contain the size,
 * which was always 32 x 32. */
static int choose_size(struct predictor *p, struct error *why)
{
    const struct options *o = p->options;
    const struct checkpoint *c = &p->checkpoint;
    const struct model *model = p->net.model;
    int size = (int)o->predict_size;
    const char *trained = c->resize[0] ? c->resize : resize_name(RESIZE_SQUASH);
    p->frame = (struct frame){.height = size ? size : c->image_height ? c->image_height : OLD_SIDE,
                              .width = size ? size : c->image_width ? c->image_width : OLD_SIDE,
                              .channels = IMAGE_CHANNELS, .crop_height = model->height, .crop_width = model->width};
    if (p->frame.height < model->height || p->frame.width < model->width)
        return error_set(why, "images of %d x %d pixels (--image-size) are smaller than the %d x %d of model %s", p->frame.height,
                         p->frame.width, model->height, model->width, model->name);
    p->resize = o->predict_resize;
    return p->resize == RESIZE_AUTO ? resize_find(&p->resize, trained, why) : 0;
}

/* ---- a round ---- */

/* The place in a round at which a rank's share begins. */
static int share_begin(const struct predictor *p, int rank)
{
    return (int)((int64_t)p->paths.count * rank / p->world->size);
}

/* Reads this rank's images into consecutive places of the batch. Returns how many could be read. */
static int read_share(struct predictor *p, int count)
{
    const char *name = p->paths.text;
    int read = 0;
    for (int i = share_begin(p, p->world->rank); i > 0; i--)
        name = path_next(name);
    for (int i = 0; i < count; i++, name = path_next(name)) {
        struct answer *answer = &p->answers[i];
        float *input = p->input + (size_t)read * shape_size(p->net.input);
        answer->failed = picture_read(input, name, &p->frame, p->resize, &answer->why) != 0;
        read += !answer->failed;
    }
    return read;
}

static int answer_image(struct predictor *p, const float *logits, struct answer *answer)
{
    int classes = p->net.classes;
    for (int i = 0; i < classes; i++)
        if (!isfinite(logits[i]))
            return error_set(&answer->why, "the net answers with a number that is not finite: has %s diverged?", p->file);
    softmax(logits, classes, p->probabilities);
    answer_set(answer, p->probabilities, classes);
    return 0;
}

/* Classifies this rank's share of the round. */
static int answer_share(struct predictor *p, struct error *why)
{
    int count = share_begin(p, p->world->rank + 1) - share_begin(p, p->world->rank), read = read_share(p, count);
    if (read && tower_forward(&p->tower, p->input, read, p->logits, why))
        return -1;
    const float *logits = p->logits;
    for (int i = 0; i < count; i++) {
        if (p->answers[i].failed)
            continue;
        p->answers[i].failed = answer_image(p, logits, &p->answers[i]) != 0;
        logits += p->net.classes;
    }
    return 0;
}

/* Collective. Sends the next names of rank 0's list to all. */
static int share_names(struct predictor *p, struct error *why)
{
    struct paths *paths = &p->paths, got;
    int most = p->batch * p->world->size;
    if (world_agree(p->world, p->world->rank == 0 ? paths_take(paths, &p->list, most, why) : 0, why))
        return -1;
    got = *paths;
    if (world_broadcast(p->world, &got, sizeof got, why))
        world_abort(p->world, why->text);
    paths->bytes = got.bytes;
    paths->count = got.count;
    if (world_agree(p->world, paths_reserve(paths, paths->bytes, why), why))
        return -1;
    if (world_broadcast(p->world, paths->text, paths->bytes, why))
        world_abort(p->world, why->text);
    return 0;
}

/* Rank 0. Prints every failure, except that the caller prints the last one of all rounds. */
static void print_answer(struct predictor *p, const struct answer *answer, const char *name, struct error *why)
{
    if (p->options->json)
        answer_print_json(answer, name, &p->checkpoint, p->options->no_ema ? "raw" : "EMA");
    else if (!answer->failed)
        answer_print(answer, name, &p->checkpoint);
    if (!answer->failed)
        return;
    if (p->failed)
        fprintf(stderr, "cifar10_mpi: %s\n", why->text);
    p->failed = true;
    *why = answer->why;
}

static void print_round(struct predictor *p, struct error *why)
{
    const char *name = p->paths.text;
    for (int rank = 0; rank < p->world->size; rank++) {
        const struct answer *answer = p->gathered + (size_t)rank * (size_t)p->batch;
        for (int i = share_begin(p, rank); i < share_begin(p, rank + 1); i++, name = path_next(name))
            print_answer(p, answer++, name, why);
    }
    fflush(stdout); /* the program that writes the list may wait for the answers before it goes on */
}

/* Rank 0. */
static void print_start(const struct predictor *p)
{
    if (!p->options->json)
        line_print(stdout, "checkpoint %s: model %s, step %" PRIu64 ", %s parameters, images %d x %d, resize %s", p->file,
                   p->net.model->name, p->checkpoint.step, p->options->no_ema ? "raw" : "EMA", p->frame.height, p->frame.width,
                   resize_name(p->resize));
}

/* The list cannot be read to its end. */
static int end_early(const struct predictor *p, struct error *why, const struct error *trouble)
{
    if (p->failed)
        fprintf(stderr, "cifar10_mpi: %s\n", why->text);
    *why = *trouble;
    return -1;
}

/* Collective. */
static int predict_images(struct predictor *p, struct error *why)
{
    struct error trouble;
    p->list = (struct path_list){.words = p->options->files, .count = p->options->file_count};
    if (p->world->rank == 0)
        print_start(p);
    for (;;) {
        if (share_names(p, &trouble))
            return end_early(p, why, &trouble);
        if (!p->paths.count)
            return world_agree(p->world, p->failed ? -1 : 0, why);
        if (answer_share(p, &trouble) ||
            world_gather(p->world, p->answers, (size_t)p->batch * sizeof *p->answers, p->gathered, &trouble))
            world_abort(p->world, trouble.text);
        if (p->world->rank == 0)
            print_round(p, why);
    }
}

static void predict_release(struct predictor *p)
{
    tower_free(&p->tower);
    net_free(&p->net);
    free(p->checkpoint.class_names);
    free(p->parameters);
    free(p->input);
    free(p->logits);
    free(p->probabilities);
    free(p->answers);
    free(p->gathered);
    free(p->paths.text);
    free(p->list.line);
}

int predict_run(const struct options *options, const struct world *world, struct error *why)
{
    struct predictor p = {.options = options, .world = world};
    int status = share_checkpoint(&p, why) || choose_batch(&p, why) || world_agree(world, make_tower(&p, why), why) ||
                 share_parameters(&p, why) || world_agree(world, choose_size(&p, why), why) || predict_images(&p, why);
    predict_release(&p);
    return status ? -1 : 0;
}
