/* cifar10_mpi predict: images → the classes that a checkpoint finds most probable. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backend.h"
#include "commands.h"
#include "data.h"
#include "image.h"
#include "model.h"
#include "store.h"
#include "tower.h"

enum { SHOWN = 3, OLD_SIDE = 32 };

struct predictor {
    const struct options *options;
    char file[4096]; /* the checkpoint */
    struct checkpoint checkpoint;
    struct net net;
    struct tower tower; /* for one image at a time */
    float *input, *logits;
    int height, width; /* of an image after resizing, pixels */
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

/* A run that trains there may have removed it since, and so has a newer one. */
static int find_again(struct predictor *p, struct error *why)
{
    return p->options->checkpoint[0] || !checkpoint_is_gone(p->file) ? -1 : find_checkpoint(p, why);
}

/* The net that the checkpoint is of. */
static int lay_out(struct predictor *p, struct error *why)
{
    while (checkpoint_peek(&p->checkpoint, p->file, why))
        if (find_again(p, why))
            return -1;
    const struct model *model = model_find(p->checkpoint.model, why);
    if (!model)
        return error_in(why, "%s", p->file);
    if (p->checkpoint.channels != IMAGE_CHANNELS)
        return error_set(why, "%s was trained on images of %d channels; image files have %d", p->file,
                         p->checkpoint.channels, IMAGE_CHANNELS);
    return net_init(&p->net, model, IMAGE_CHANNELS, p->checkpoint.classes, why);
}

static int make_tower(struct predictor *p, struct error *why)
{
    struct device_place place;
    struct tower_request request = {.backend = backend_open(p->options->tower, p->net.model, (int)p->options->threads, 0,
                                                            &place, why),
                                    .net = &p->net, .batch = 1, .convolution = p->options->conv,
                                    .precision = p->options->precision};
    if (!request.backend || tower_init(&p->tower, &request, why))
        return -1;
    p->input = memory_new(shape_size(p->net.input), sizeof *p->input, "an image", why);
    p->logits = memory_new((size_t)p->net.classes, sizeof *p->logits, "the logits", why);
    return p->input && p->logits ? 0 : -1;
}

static int load(struct predictor *p, struct error *why)
{
    struct checkpoint *c = &p->checkpoint;
    free(c->class_names); /* the peek's */
    c->class_names = NULL;
    c->parameters = memory_new(p->net.parameters, sizeof(float), "the parameters", why);
    c->optimizer = &optimizer_sgd;
    if (!c->parameters || optimizer_allocate(c->optimizer, true, p->net.parameters, c->states, why))
        return -1;
    while (checkpoint_load(c, &p->net, p->file, why))
        if (find_again(p, why))
            return -1;
    return tower_set_parameters(&p->tower, p->options->no_ema ? c->parameters : c->states[OPTIMIZER_EMA], why);
}

/* As the images that the checkpoint was trained on, unless an option says otherwise. Older checkpoints do not say how that
 * was, and count as trained on 32 x 32. */
static int choose_size(struct predictor *p, struct error *why)
{
    const struct options *o = p->options;
    const struct checkpoint *c = &p->checkpoint;
    const struct model *model = p->net.model;
    int size = (int)o->predict_size;
    const char *trained = c->resize[0] ? c->resize : resize_name(RESIZE_SQUASH);
    p->height = size ? size : c->image_height ? c->image_height : OLD_SIDE;
    p->width = size ? size : c->image_width ? c->image_width : OLD_SIDE;
    if (p->height < model->height || p->width < model->width)
        return error_set(why, "images of %d x %d pixels (--image-size) are smaller than the %d x %d of model %s", p->height,
                         p->width, model->height, model->width, model->name);
    p->resize = o->predict_resize;
    return p->resize == RESIZE_AUTO ? resize_find(&p->resize, trained, why) : 0;
}

/* A whole file: *bytes is freed by the caller. */
static int read_bytes(const char *file, void **bytes, size_t *size, struct error *why)
{
    struct stat found;
    *bytes = NULL;
    int descriptor = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe that nobody writes to is not waited for */
    FILE *stream = descriptor < 0 ? NULL : fdopen(descriptor, "r");
    if (!stream)
        return error_set(why, "%s: cannot be opened: %s", file, strerror(errno));
    int status = 0;
    if (fstat(fileno(stream), &found) || !S_ISREG(found.st_mode))
        status = error_set(why, "%s is not a file", file);
    else if (found.st_size < 1 || found.st_size > IMAGE_FILE_MAX)
        status = error_set(why, "%s: %lld bytes; an image file has 1 to %d", file, (long long)found.st_size,
                           IMAGE_FILE_MAX);
    else if (!(*bytes = memory_new((size_t)found.st_size, 1, file, why)))
        status = -1;
    else if (fread(*bytes, 1, (size_t)found.st_size, stream) != (size_t)found.st_size)
        status = error_set(why, "%s: cannot be read to its end", file);
    *size = (size_t)found.st_size;
    fclose(stream);
    return status;
}

/* File → the net's input: resized as the packer does it, then the evaluation's crop. */
static int read_image(struct predictor *p, const char *file, struct error *why)
{
    struct image image = {0};
    void *bytes;
    size_t size = 0;
    struct shape in = p->net.input;
    int status = read_bytes(file, &bytes, &size, why);
    if (!status)
        status = image_decode(&image, bytes, size, file, why);
    free(bytes);
    if (!status)
        status = image_resize(&image, p->height, p->width, p->resize, why);
    if (!status) {
        struct distortion center = distort_center(p->height, p->width, in.height, in.width);
        distort_apply(image.pixels, p->height, p->width, IMAGE_CHANNELS, &center, in.height, in.width, p->input);
    }
    image_free(&image);
    return status;
}

/* The most probable classes, by softmax of the logits. */
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
    int32_t label = 0; /* unknown: the loss is not used */
    struct batch batch = {.count = 1, .images = p->input, .labels = &label};
    struct loss_sums unused = {0};
    if (read_image(p, file, why) || tower_evaluate(&p->tower, &batch, &unused, why) ||
        p->tower.backend->memory_download(p->logits, p->tower.plan.output, (size_t)p->net.classes, why))
        return -1;
    for (int i = 0; i < p->net.classes; i++)
        if (!isfinite(p->logits[i]))
            return error_set(why, "%s: the net answers with a number that is not finite: has %s diverged?", file,
                             p->file);
    print_classes(p, file);
    return 0;
}

/* An image that cannot be read does not keep the others from being told: each failure is printed once, the last one
 * by the caller. */
static int predict_images(struct predictor *p, struct error *why)
{
    bool failed = false;
    line_print(stdout, "checkpoint %s: model %s, step %" PRIu64 ", %s parameters, images %d x %d, resize %s", p->file,
               p->net.model->name, p->checkpoint.step, p->options->no_ema ? "raw" : "EMA", p->height, p->width,
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

static void release(struct predictor *p)
{
    tower_free(&p->tower);
    net_free(&p->net);
    free(p->checkpoint.parameters);
    optimizer_free(p->checkpoint.states);
    free(p->checkpoint.class_names);
    free(p->input);
    free(p->logits);
}

int command_predict(const struct options *options, const struct world *world)
{
    struct predictor p = {.options = options};
    struct error why;
    int status = 0;
    if (world->rank == 0)
        status = find_checkpoint(&p, &why) || lay_out(&p, &why) || make_tower(&p, &why) || load(&p, &why) ||
                 choose_size(&p, &why) || predict_images(&p, &why);
    status = world_agree(world, status, &why);
    if (status && world->rank == 0)
        fprintf(stderr, "cifar10_mpi: %s\n", why.text);
    release(&p);
    return status ? 1 : 0;
}
