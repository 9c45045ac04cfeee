#include "predict.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend.h"
#include "picture.h"
#include "tower_checkpoint.h"

enum { SHOWN = 3, OLD_SIDE = 32 };

struct predictor {
    const struct options *options;
    char file[4096]; /* the checkpoint */
    struct checkpoint checkpoint; /* its attributes; no parameters */
    struct net net;
    struct tower tower; /* for batches of one image */
    float *input, *logits, *parameters;
    struct frame frame; /* of an image after resizing */
    enum resize resize;
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

static int make_tower(struct predictor *p, struct error *why)
{
    if (tower_from_checkpoint(&p->tower, &p->net, &p->checkpoint, p->file, 0, 1, p->options, why))
        return -1;
    p->input = memory_new(shape_size(p->net.input), sizeof *p->input, "an image", why);
    p->logits = memory_new((size_t)p->net.classes, sizeof *p->logits, "the logits", why);
    p->parameters = memory_new(p->net.parameters, sizeof *p->parameters, "the parameters", why);
    return p->input && p->logits && p->parameters ? 0 : -1;
}

static int load_parameters(struct predictor *p, struct error *why)
{
    while (parameters_from_checkpoint(p->parameters, &p->net, p->file, p->options, why))
        if (find_again(p, why) || look_inside(p, why))
            return -1;
    return tower_set_parameters(&p->tower, p->parameters, why);
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

/* Prints the most probable classes, by the softmax of the logits. */
static void print_classes(const struct predictor *p, const char *file)
{
    int classes = p->net.classes;
    double total = 0, largest = p->logits[index_of_largest(p->logits, classes)];
    char shown[4096];
    for (int i = 0; i < classes; i++)
        total += exp(p->logits[i] - largest);
    snprintf(shown, sizeof shown, "%s", file);
    text_printable(shown);
    printf("%s:", shown);
    for (int rank = 0; rank < SHOWN && rank < classes; rank++) {
        int best = index_of_largest(p->logits, classes);
        printf("%s %s %.5f", rank ? "," : "", p->checkpoint.class_names[best], exp(p->logits[best] - largest) / total);
        p->logits[best] = -INFINITY;
    }
    printf("\n");
}

static int predict_image(struct predictor *p, const char *file, struct error *why)
{
    if (picture_read(p->input, file, &p->frame, p->resize, why) || tower_forward(&p->tower, p->input, 1, p->logits, why))
        return -1;
    for (int i = 0; i < p->net.classes; i++)
        if (!isfinite(p->logits[i]))
            return error_set(why, "%s: the net answers with a number that is not finite: has %s diverged?", file,
                             p->file);
    print_classes(p, file);
    return 0;
}

/* An image that cannot be read does not stop the others. Every failure is printed; the last one by the caller. */
static int predict_images(struct predictor *p, struct error *why)
{
    bool failed = false;
    line_print(stdout, "checkpoint %s: model %s, step %" PRIu64 ", %s parameters, images %d x %d, resize %s", p->file,
               p->net.model->name, p->checkpoint.step, p->options->no_ema ? "raw" : "EMA", p->frame.height, p->frame.width,
               resize_name(p->resize));
    for (int i = 0; i < p->options->file_count; i++) {
        struct error reason;
        if (predict_image(p, p->options->files[i], &reason) == 0)
            continue;
        if (failed)
            fprintf(stderr, "cifar10_mpi: %s\n", why->text);
        failed = true;
        *why = reason;
    }
    return failed ? -1 : 0;
}

static void predict_release(struct predictor *p)
{
    tower_free(&p->tower);
    net_free(&p->net);
    free(p->checkpoint.class_names);
    free(p->parameters);
    free(p->input);
    free(p->logits);
}

int predict_run(const struct options *options, struct error *why)
{
    struct predictor p = {.options = options};
    int status = find_checkpoint(&p, why) || look_inside(&p, why) || make_tower(&p, why) || load_parameters(&p, why) ||
                 choose_size(&p, why) || predict_images(&p, why);
    predict_release(&p);
    return status ? -1 : 0;
}
