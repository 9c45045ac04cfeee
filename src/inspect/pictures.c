/* Pictures of what a file holds: a contact sheet of images, and a net's first filters. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "parts.h"

enum { GAP = 2, WHITE = 255, BLACK = 0 }; /* GAP: pixels between two images */

static int smaller_of(int a, int b)
{
    return a < b ? a : b;
}

static int larger_of(int a, int b)
{
    return a > b ? a : b;
}

static uint8_t *pixel_at(const struct image *image, int y, int x)
{
    return image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * IMAGE_CHANNELS;
}

/* Copies `from` into `to` with its upper left corner at that pixel, each pixel as a square of scale x scale. */
static void draw(struct image *to, int top, int left, const struct image *from, int scale)
{
    for (int y = 0; y < from->height * scale; y++)
        for (int x = 0; x < from->width * scale; x++)
            memcpy(pixel_at(to, top + y, left + x), pixel_at(from, y / scale, x / scale), IMAGE_CHANNELS);
}

/* ---- contact sheet ---- */

enum {
    SHEET_IMAGES = 12,                      /* of each class */
    SHEET_ROWS_MAX = 60,                    /* classes */
    THUMB_MIN = 64, THUMB_MAX = 96,         /* pixels: smaller images are enlarged by a whole number, larger ones shrunk */
    CAPTION = 20 * IMAGE_TEXT_WIDTH + 2 * GAP /* pixels: room for a class name */
};

struct contact_sheet {
    struct h5 *h5;
    struct h5_shape shape; /* of /train/images */
    char (*names)[64];
    int classes, rows;     /* rows: classes that are drawn */
    uint8_t *labels;       /* of the training split */
    int64_t *counts, images; /* images of each class; all */
    int height, width, scale; /* of an image on the sheet, before scaling */
    struct image picture;
};

/* Reads an image of the training split. Grey images become RGB; of more than three channels the first three are drawn. */
static int read_thumbnail(const struct contact_sheet *s, int64_t index, struct image *thumbnail, struct error *why)
{
    size_t height = (size_t)s->shape.size[1], width = (size_t)s->shape.size[2], channels = (size_t)s->shape.size[3];
    uint8_t *pixels = memory_new(height * width, channels, "an image", why);
    int status = !pixels || image_blank(thumbnail, (int)height, (int)width, BLACK, why) ||
                 h5_read(s->h5, "/train/images", index, 1, pixels, why) ? -1 : 0;
    for (size_t i = 0; !status && i < height * width * IMAGE_CHANNELS; i++) {
        size_t channel = i % IMAGE_CHANNELS;
        thumbnail->pixels[i] = pixels[i / IMAGE_CHANNELS * channels + (channels < IMAGE_CHANNELS ? 0 : channel)];
    }
    free(pixels);
    return status ? -1 : image_resize(thumbnail, s->height, s->width, RESIZE_SQUASH, why);
}

/* The place of image `index` of a class among the training images. */
static int64_t find_image(const struct contact_sheet *s, int class, int64_t index)
{
    for (int64_t i = 0; i < s->images; i++)
        if (s->labels[i] == class && index-- == 0)
            return i;
    return -1;
}

/* The images that are drawn are spread evenly over the class. */
static int draw_class(struct contact_sheet *s, int class, struct error *why)
{
    char count[32];
    int row = s->height * s->scale + GAP, column = s->width * s->scale + GAP, top = class * row;
    int64_t all = s->counts[class], drawn = all < SHEET_IMAGES ? all : SHEET_IMAGES;
    snprintf(count, sizeof count, "%" PRId64, all);
    image_text(&s->picture, top + GAP, GAP, s->names[class], BLACK);
    image_text(&s->picture, top + GAP + IMAGE_TEXT_HEIGHT, GAP, count, BLACK);
    for (int64_t i = 0; i < drawn; i++) {
        struct image thumbnail = {0};
        int status = read_thumbnail(s, find_image(s, class, all * i / drawn), &thumbnail, why);
        if (!status)
            draw(&s->picture, top, CAPTION + (int)i * column, &thumbnail, s->scale);
        image_free(&thumbnail);
        if (status)
            return -1;
    }
    return 0;
}

/* Reads what the file says, and decides how large everything is. */
static int sheet_plan(struct contact_sheet *s, struct error *why)
{
    if (h5_get_texts(s->h5, "/", "class_names", &s->names, &s->classes, why) ||
        labels_count(s->h5, "train", s->classes, &s->labels, &s->counts, &s->images, why) ||
        h5_shape(s->h5, "/train/images", &s->shape, why))
        return -1;
    if (s->shape.rank != 4 || s->shape.type != H5_UINT8 || s->shape.size[0] != s->images)
        return error_set(why, "%s: /train/images: are no images with a label each", h5_path(s->h5));
    int64_t side = s->shape.size[1] > s->shape.size[2] ? s->shape.size[1] : s->shape.size[2];
    if (side > IMAGE_SIDE_MAX)
        return error_set(why, "%s: its images are larger than %d pixels", h5_path(s->h5), IMAGE_SIDE_MAX);
    double shrink = side > THUMB_MAX ? (double)THUMB_MAX / (double)side : 1;
    s->height = larger_of(1, (int)((double)s->shape.size[1] * shrink));
    s->width = larger_of(1, (int)((double)s->shape.size[2] * shrink));
    s->scale = larger_of(1, THUMB_MIN / larger_of(s->height, s->width));
    s->rows = smaller_of(s->classes, SHEET_ROWS_MAX);
    return 0;
}

static int sheet_draw(struct contact_sheet *s, const char *file, struct error *why)
{
    if (sheet_plan(s, why) || image_blank(&s->picture, s->rows * (s->height * s->scale + GAP),
                                          CAPTION + SHEET_IMAGES * (s->width * s->scale + GAP), WHITE, why))
        return -1;
    for (int class = 0; class < s->rows; class++)
        if (draw_class(s, class, why))
            return -1;
    if (image_save(&s->picture, file, why))
        return -1;
    line_print(stdout, "%s: up to %d training images of %d of %d classes, %d x %d pixels", file, SHEET_IMAGES, s->rows, s->classes,
               s->picture.height, s->picture.width);
    return 0;
}

int save_contact_sheet(struct h5 *h5, const char *file, struct error *why)
{
    struct contact_sheet sheet = {.h5 = h5};
    int status = sheet_draw(&sheet, file, why);
    image_free(&sheet.picture);
    free(sheet.names);
    free(sheet.labels);
    free(sheet.counts);
    return status;
}

/* ---- filters ---- */

enum { FILTER_SIDE = 40 }; /* pixels, at least */

struct filters {
    char name[H5_NAME];     /* "/ema/conv1/weights" */
    int height, width, channels, count;
    float *weights;         /* (height, width, channels, count) */
    float largest;          /* absolute value */
};

/* Finds the weights of the first layer that has weights. */
static int find_filters(struct filters *f, struct h5 *h5, bool averaged, struct error *why)
{
    struct checkpoint checkpoint = {0};
    struct net net;
    const struct model *model;
    if (checkpoint_peek(&checkpoint, h5_path(h5), why))
        return -1;
    free(checkpoint.class_names);
    if (!(model = model_find(checkpoint.model, why)) || net_init(&net, model, checkpoint.channels, checkpoint.classes, why))
        return error_in(why, "%s", h5_path(h5));
    const struct tensor *t = net.tensors;
    int status = t->rank == 4 ? 0 : error_set(why, "%s: has no filters: the first layer with weights (%s) is no convolution",
                                              h5_path(h5), t->name);
    f->height = t->size[0];
    f->width = t->size[1];
    f->channels = t->size[2];
    f->count = t->size[3];
    snprintf(f->name, sizeof f->name, "/ema/%s", t->name);
    if (!averaged || !h5_has(h5, f->name, NULL))
        snprintf(f->name, sizeof f->name, "/params/%s", t->name);
    net_free(&net);
    return status;
}

static int read_filters(struct filters *f, struct h5 *h5, struct error *why)
{
    struct h5_shape shape;
    size_t count = (size_t)f->height * (size_t)f->width * (size_t)f->channels * (size_t)f->count;
    if (h5_shape(h5, f->name, &shape, why))
        return -1;
    if (shape.type != H5_FLOAT || shape.rank != 4 || shape.size[0] != f->height || shape.size[1] != f->width ||
        shape.size[2] != f->channels || shape.size[3] != f->count)
        return error_set(why, "%s: %s: has another shape than its model's", h5_path(h5), f->name);
    if (!(f->weights = memory_new(count, sizeof *f->weights, f->name, why)) || h5_read(h5, f->name, 0, f->height, f->weights, why))
        return -1;
    for (size_t i = 0; i < count; i++)
        f->largest = fabsf(f->weights[i]) > f->largest ? fabsf(f->weights[i]) : f->largest;
    return 0;
}

/* Grey is 0; white and black are the largest weight of all filters and its negative. Filters of three channels have colours; of
 * other ones the mean over the channels is drawn. */
static uint8_t filter_colour(const struct filters *f, size_t pixel, size_t channel, size_t filter)
{
    size_t channels = (size_t)f->channels, count = (size_t)f->count;
    const float *weights = f->weights + pixel * channels * count + filter;
    double sum = 0;
    for (size_t c = 0; c < channels; c++)
        if (channels != IMAGE_CHANNELS || c == channel)
            sum += (double)weights[c * count];
    if (channels != IMAGE_CHANNELS)
        sum /= (double)channels;
    double value = f->largest > 0 ? sum / (double)f->largest : 0;
    return (uint8_t)lrint(127.5 + 127.5 * (value >= -1 && value <= 1 ? value : 0));
}

static int draw_filters(const struct filters *f, struct image *picture, struct error *why)
{
    int scale = larger_of(1, FILTER_SIDE / larger_of(f->height, f->width)), columns = (int)ceil(sqrt(f->count));
    int rows = (f->count + columns - 1) / columns, row = f->height * scale + GAP, column = f->width * scale + GAP;
    struct image filter = {0};
    if (image_blank(picture, rows * row + GAP, columns * column + GAP, WHITE, why) ||
        image_blank(&filter, f->height, f->width, BLACK, why))
        return -1;
    for (int i = 0; i < f->count; i++) {
        for (size_t p = 0; p < (size_t)f->height * (size_t)f->width * IMAGE_CHANNELS; p++)
            filter.pixels[p] = filter_colour(f, p / IMAGE_CHANNELS, p % IMAGE_CHANNELS, (size_t)i);
        draw(picture, GAP + i / columns * row, GAP + i % columns * column, &filter, scale);
    }
    image_free(&filter);
    return 0;
}

int save_filters(struct h5 *h5, bool averaged, const char *file, struct error *why)
{
    struct filters f = {.weights = NULL};
    struct image picture = {0};
    int status = find_filters(&f, h5, averaged, why) || read_filters(&f, h5, why) || draw_filters(&f, &picture, why) ||
                 image_save(&picture, file, why) ? -1 : 0;
    if (!status)
        line_print(stdout, "%s: %s, %d filters of %d x %d x %d; grey is 0, white %.3g, black %.3g", file, f.name, f.count, f.height,
                   f.width, f.channels, (double)f.largest, -(double)f.largest);
    image_free(&picture);
    free(f.weights);
    return status;
}
