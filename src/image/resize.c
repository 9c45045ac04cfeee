#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

static const char *const resize_names[] = {[RESIZE_CROP] = "crop", [RESIZE_SQUASH] = "squash"};
enum { METHODS = sizeof resize_names / sizeof *resize_names };

const char *resize_name(enum resize how)
{
    return resize_names[how];
}

int resize_find(enum resize *how, const char *name, struct error *why)
{
    for (int i = RESIZE_CROP; i < METHODS; i++)
        if (!strcmp(resize_names[i], name)) {
            *how = i;
            return 0;
        }
    return error_set(why, "there is no resize method '%s', only squash and crop", name);
}

/* The part of an image's rows or columns that is resized. */
struct axis {
    int sources;   /* pixels */
    double offset; /* where the part starts */
    double scale;  /* source pixels per target pixel */
};

/* All pixels if the scale uses them all, otherwise the central part. */
static struct axis axis_of(int sources, int targets, double scale)
{
    bool all = scale == (double)sources / targets;
    return (struct axis){sources, all ? 0 : (sources - scale * targets) / 2, scale};
}

/* The source pixels that contribute to one target pixel. */
struct span {
    int first, end;
    double centre, radius;
};

static struct span span_at(const struct axis *axis, int target)
{
    double centre = axis->offset + (target + 0.5) * axis->scale, radius = axis->scale > 1 ? axis->scale : 1;
    int first = (int)floor(centre - radius), end = (int)ceil(centre + radius);
    return (struct span){first < 0 ? 0 : first, end > axis->sources ? axis->sources : end, centre, radius};
}

static double span_weight(const struct span *span, int source)
{
    double weight = 1 - fabs(source + 0.5 - span->centre) / span->radius;
    return weight > 0 ? weight : 0;
}

/* The weighted mean of the span's rows -> line (width, 3). */
static void mean_rows(const struct image *image, const struct span *span, float *line)
{
    int values = image->width * IMAGE_CHANNELS;
    double sum = 0;
    for (int y = span->first; y < span->end; y++)
        sum += span_weight(span, y);
    memset(line, 0, (size_t)values * sizeof *line);
    for (int y = span->first; y < span->end; y++) {
        const uint8_t *row = image->pixels + (size_t)y * (size_t)values;
        float weight = (float)(span_weight(span, y) / sum);
        for (int i = 0; i < values; i++)
            line[i] += weight * row[i];
    }
}

/* The weighted mean of the span's pixels of a line -> one pixel. */
static void mean_pixels(const float *line, const struct span *span, uint8_t *pixel)
{
    double sum = 0, total[IMAGE_CHANNELS] = {0};
    for (int x = span->first; x < span->end; x++) {
        double weight = span_weight(span, x);
        sum += weight;
        for (int c = 0; c < IMAGE_CHANNELS; c++)
            total[c] += weight * line[x * IMAGE_CHANNELS + c];
    }
    for (int c = 0; c < IMAGE_CHANNELS; c++)
        pixel[c] = (uint8_t)fmin(255, total[c] / sum + 0.5);
}

int image_resize(struct image *image, int height, int width, enum resize how, struct error *why)
{
    if (image->height == height && image->width == width)
        return 0;
    double vertical = (double)image->height / height, horizontal = (double)image->width / width;
    double both = fmin(vertical, horizontal);
    struct axis rows = axis_of(image->height, height, how == RESIZE_CROP ? both : vertical);
    struct axis columns = axis_of(image->width, width, how == RESIZE_CROP ? both : horizontal);
    float *line = memory_new((size_t)image->width * IMAGE_CHANNELS, sizeof *line, "a line of pixels", why);
    uint8_t *pixels = line ? memory_new((size_t)height * (size_t)width, IMAGE_CHANNELS, "resized pixels", why) : NULL;
    for (int y = 0; pixels && y < height; y++) {
        struct span above = span_at(&rows, y);
        mean_rows(image, &above, line);
        for (int x = 0; x < width; x++) {
            struct span beside = span_at(&columns, x);
            mean_pixels(line, &beside, pixels + ((size_t)y * (size_t)width + (size_t)x) * IMAGE_CHANNELS);
        }
    }
    free(line);
    if (!pixels)
        return -1;
    free(image->pixels);
    *image = (struct image){height, width, pixels};
    return 0;
}
