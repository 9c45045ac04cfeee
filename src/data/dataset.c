#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data.h"
#include "digest.h"
#include "store.h"

enum { CHANNELS_MAX = 4, CLASSES_MAX = 256 };

static struct h5 *open_packed(const char *file, struct error *why)
{
    if (!access(file, F_OK))
        return h5_open(file, why);
    error_set(why, "%s: there is no such data file (%m); make one with: ./cifar10_mpi pack --download data/cifar10.h5 "
              "(or --from YOUR-FILES)", file);
    return NULL;
}

static int check_format(struct h5 *h5, const char *file, struct error *why)
{
    char format[64];
    int64_t version;
    if (h5_get_text(h5, "/", "format", format, sizeof format, why))
        return error_set(why, "%s: is an HDF5 file, but none that 'cifar10_mpi pack' made (no attribute format)", file);
    if (strcmp(format, DATASET_FORMAT))
        return error_set(why, "%s: is a '%s', not a '" DATASET_FORMAT "'", file, format);
    if (h5_get_integer(h5, "/", "format_version", &version, why))
        return -1;
    if (version != DATASET_VERSION)
        return error_set(why, "%s: has format version %lld, but this program reads %d: pack it anew", file,
                         (long long)version, DATASET_VERSION);
    return 0;
}

static int read_class_names(struct dataset *dataset, struct h5 *h5, struct error *why)
{
    if (h5_get_texts(h5, "/", "class_names", &dataset->class_names, &dataset->classes, why))
        return -1;
    if (dataset->classes < 1 || dataset->classes > CLASSES_MAX)
        return error_set(why, "%s: names %d classes, but there can be 1 to %d", dataset->file, dataset->classes,
                         CLASSES_MAX);
    return 0;
}

/* Older files have no such attribute: their images were all squashed. */
static int read_resize(struct dataset *dataset, struct h5 *h5, struct error *why)
{
    strcpy(dataset->resize, resize_name(RESIZE_SQUASH));
    return h5_has(h5, "/", "resize") ? h5_get_text(h5, "/", "resize", dataset->resize, sizeof dataset->resize, why) : 0;
}

static const char *name_type(const struct h5_shape *shape)
{
    return shape->type == H5_UINT8 ? "uint8" : "another type";
}

static int check_images_shape(struct dataset *dataset, const struct h5_shape *shape, struct error *why)
{
    if (shape->type != H5_UINT8 || shape->rank != 4)
        return error_set(why, "%s: /%s/images is not uint8 [count,height,width,channels], but %s of %d dimensions",
                         dataset->file, dataset->split, name_type(shape), shape->rank);
    if (shape->size[1] < 1 || shape->size[1] > IMAGE_SIDE_MAX || shape->size[2] < 1 || shape->size[2] > IMAGE_SIDE_MAX ||
        shape->size[3] < 1 || shape->size[3] > CHANNELS_MAX)
        return error_set(why, "%s: /%s/images are %lld x %lld of %lld channels, but sides of 1 to %d and 1 to %d "
                         "channels are expected", dataset->file, dataset->split, (long long)shape->size[1],
                         (long long)shape->size[2], (long long)shape->size[3], IMAGE_SIDE_MAX, CHANNELS_MAX);
    if (shape->size[0] < 1)
        return error_set(why, "%s: has no images in /%s", dataset->file, dataset->split);
    dataset->count = shape->size[0];
    dataset->height = (int)shape->size[1];
    dataset->width = (int)shape->size[2];
    dataset->channels = (int)shape->size[3];
    return 0;
}

static int check_labels(const struct dataset *dataset, const struct h5_shape *shape, struct error *why)
{
    if (shape->type != H5_UINT8 || shape->rank != 1)
        return error_set(why, "%s: /%s/labels is not uint8 [count], but %s of %d dimensions", dataset->file,
                         dataset->split, name_type(shape), shape->rank);
    if (shape->size[0] != dataset->count)
        return error_set(why, "%s: /%s has %lld images, but %lld labels", dataset->file, dataset->split,
                         (long long)dataset->count, (long long)shape->size[0]);
    return 0;
}

/* The identity includes labels and class names: the same images with other labels are another data set. */
static int identify(struct dataset *dataset, struct h5 *h5, const char *images, const char *labels, struct error *why)
{
    char of_images[DIGEST_TEXT], of_labels[DIGEST_TEXT];
    struct digest digest;
    struct error ignored;
    if (h5_get_text(h5, images, "sha256", of_images, sizeof of_images, why) ||
        h5_get_text(h5, labels, "sha256", of_labels, sizeof of_labels, why) || digest_open(&digest, "sha256", why))
        return -1;
    int status = digest_add(&digest, of_images, strlen(of_images) + 1, why) ||
                 digest_add(&digest, of_labels, strlen(of_labels) + 1, why);
    for (int i = 0; i < dataset->classes && !status; i++)
        status = digest_add(&digest, dataset->class_names[i], strlen(dataset->class_names[i]) + 1, why);
    return digest_close(&digest, status ? NULL : dataset->sha256, status ? &ignored : why) || status ? -1 : 0;
}

static int read_header(struct dataset *dataset, struct h5 *h5, struct error *why)
{
    char images[32], labels[32];
    struct h5_shape shape;
    snprintf(images, sizeof images, "/%s/images", dataset->split);
    snprintf(labels, sizeof labels, "/%s/labels", dataset->split);
    if (check_format(h5, dataset->file, why) || read_class_names(dataset, h5, why) ||
        read_resize(dataset, h5, why) || h5_get_text(h5, "/", "name", dataset->name, sizeof dataset->name, why) ||
        h5_shape(h5, images, &shape, why) || check_images_shape(dataset, &shape, why) ||
        h5_shape(h5, labels, &shape, why) || check_labels(dataset, &shape, why))
        return -1;
    return identify(dataset, h5, images, labels, why);
}

/* Each node may have its own file of this name; all must have the same contents. */
static int check_same_file(const struct dataset *dataset, const struct world *world, struct error *why)
{
    struct {
        int64_t count;
        int32_t height, width, channels, classes;
        char sha256[72];
    } mine = {dataset->count, dataset->height, dataset->width, dataset->channels, dataset->classes, ""}, first;
    snprintf(mine.sha256, sizeof mine.sha256, "%s", dataset->sha256);
    first = mine;
    if (world_broadcast(world, &first, sizeof first, why))
        return -1;
    if (memcmp(&mine, &first, sizeof mine))
        return error_set(why, "%s: is another file here (%lld images, SHA-256 %.12s...) than rank 0's (%lld, %.12s...)",
                         dataset->file, (long long)mine.count, mine.sha256, (long long)first.count, first.sha256);
    return 0;
}

static size_t dataset_image_bytes(const struct dataset *dataset)
{
    return (size_t)dataset->height * dataset->width * dataset->channels;
}

/* Reads rows [first, end) of images and labels into their places in memory, and checks the labels. */
static int read_rows(struct dataset *dataset, struct h5 *h5, int64_t first, int64_t end, struct error *why)
{
    char images[32], labels[32];
    snprintf(images, sizeof images, "/%s/images", dataset->split);
    snprintf(labels, sizeof labels, "/%s/labels", dataset->split);
    uint8_t *image = dataset->memory.data, *label = image + (size_t)dataset->count * dataset_image_bytes(dataset);
    if (h5_read(h5, images, first, end - first, image + (size_t)first * dataset_image_bytes(dataset), why) ||
        h5_read(h5, labels, first, end - first, label + first, why))
        return -1;
    for (int64_t i = first; i < end; i++)
        if (label[i] >= dataset->classes)
            return error_set(why, "%s: /%s/labels: image %lld has label %d, but there are %d classes", dataset->file,
                             dataset->split, (long long)i, label[i], dataset->classes);
    return 0;
}

/* Collective. Allocates memory for all rows and reads this rank's part of them, or all of them if the node's ranks cannot share
 * memory. */
static int read_part(struct dataset *dataset, const struct world *world, struct h5 *h5, struct error *why)
{
    size_t bytes = (size_t)dataset->count * (dataset_image_bytes(dataset) + 1); /* no overflow: the file contains that many */
    struct shared_memory *memory = &dataset->memory;
    world_share(world, bytes, memory);
    if (!memory->shared)
        memory->data = memory_new(bytes, 1, "a copy of the images", why);
    if (world_agree(world, memory->data ? 0 : -1, why))
        return -1;
    int64_t parts = dataset->memory.shared ? world->node_size : 1, part = dataset->memory.shared ? world->node_rank : 0;
    int64_t first = dataset->count * part / parts, end = dataset->count * (part + 1) / parts;
    if (world_agree(world, read_rows(dataset, h5, first, end, why), why)) /* returns when all ranks have read their part */
        return -1;
    dataset->images = dataset->memory.data;
    dataset->labels = dataset->images + (size_t)dataset->count * dataset_image_bytes(dataset);
    return 0;
}

int dataset_open(struct dataset *dataset, const struct world *world, const char *file, const char *split,
                 struct error *why)
{
    memset(dataset, 0, sizeof *dataset);
    snprintf(dataset->file, sizeof dataset->file, "%s", file);
    snprintf(dataset->split, sizeof dataset->split, "%s", split);
    struct h5 *h5 = open_packed(file, why);
    int status = world_agree(world, h5 ? read_header(dataset, h5, why) : -1, why);
    if (!status)
        status = world_agree(world, check_same_file(dataset, world, why), why);
    if (!status)
        status = read_part(dataset, world, h5, why);
    struct error closing; /* ignored: the file was only read */
    h5_close(h5, &closing);
    if (status)
        dataset_close(dataset);
    return status;
}

int dataset_identify(const char *file, const char *split, char sha256[65], struct error *why)
{
    struct dataset header = {.count = 0};
    struct error closing;
    snprintf(header.file, sizeof header.file, "%s", file);
    snprintf(header.split, sizeof header.split, "%s", split);
    struct h5 *h5 = open_packed(file, why);
    int status = h5 ? read_header(&header, h5, why) : -1;
    h5_close(h5, &closing);
    free(header.class_names);
    memcpy(sha256, header.sha256, sizeof header.sha256);
    return status;
}

struct frame dataset_frame(const struct dataset *dataset, int crop_height, int crop_width)
{
    return (struct frame){.height = dataset->height, .width = dataset->width, .channels = dataset->channels,
                          .crop_height = crop_height, .crop_width = crop_width};
}

void dataset_close(struct dataset *dataset)
{
    world_unshare(&dataset->memory);
    free(dataset->class_names);
    memset(dataset, 0, sizeof *dataset);
}
