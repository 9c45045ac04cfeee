#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

/* The source pixels that one target pixel is made of. */
struct window {
    int first, end;
    double centre, radius;
};

/* scale: source pixels a target pixel. */
static struct window window_at(int target, double scale, int sources)
{
    double centre = (target + 0.5) * scale, radius = scale > 1 ? scale : 1;
    int first = (int)floor(centre - radius), end = (int)ceil(centre + radius);
    return (struct window){first < 0 ? 0 : first, end > sources ? sources : end, centre, radius};
}

static double window_weight(const struct window *window, int source)
{
    double weight = 1 - fabs(source + 0.5 - window->centre) / window->radius;
    return weight > 0 ? weight : 0;
}

/* The weighted mean of the window's rows -> line (width, 3). */
static void mean_rows(const struct image *image, const struct window *window, float *line)
{
    int values = image->width * IMAGE_CHANNELS;
    double sum = 0;
    for (int y = window->first; y < window->end; y++)
        sum += window_weight(window, y);
    memset(line, 0, (size_t)values * sizeof *line);
    for (int y = window->first; y < window->end; y++) {
        const uint8_t *row = image->pixels + (size_t)y * (size_t)values;
        float weight = (float)(window_weight(window, y) / sum);
        for (int i = 0; i < values; i++)
            line[i] += weight * row[i];
    }
}

/* The weighted mean of the window's pixels of a line -> one pixel. */
static void mean_pixels(const float *line, const struct window *window, uint8_t *pixel)
{
    double sum = 0, total[IMAGE_CHANNELS] = {0};
    for (int x = window->first; x < window->end; x++) {
        double weight = window_weight(window, x);
        sum += weight;
        for (int c = 0; c < IMAGE_CHANNELS; c++)
            total[c] += weight * line[x * IMAGE_CHANNELS + c];
    }
    for (int c = 0; c < IMAGE_CHANNELS; c++)
        pixel[c] = (uint8_t)fmin(255, total[c] / sum + 0.5);
}

int image_resize(struct image *image, int size, struct error *why)
{
    if (image->height == size && image->width == size)
        return 0;
    float *line = memory_new((size_t)image->width * IMAGE_CHANNELS, sizeof *line, "a line of pixels", why);
    uint8_t *pixels = line ? memory_new((size_t)size * (size_t)size, IMAGE_CHANNELS, "resized pixels", why) : NULL;
    for (int y = 0; pixels && y < size; y++) {
        struct window rows = window_at(y, (double)image->height / size, image->height);
        mean_rows(image, &rows, line);
        for (int x = 0; x < size; x++) {
            struct window columns = window_at(x, (double)image->width / size, image->width);
            mean_pixels(line, &columns, pixels + ((size_t)y * (size_t)size + (size_t)x) * IMAGE_CHANNELS);
        }
    }
    free(line);
    if (!pixels)
        return -1;
    free(image->pixels);
    *image = (struct image){size, size, pixels};
    return 0;
}
