#include <math.h>
#include <string.h>

#include "data.h"
#include "draws.h"

/* Rows are worked on in chunks of neighbouring values, whole pixels of 1 to 4 channels and whole
 * vectors of any CPU: so the channel of a value is known from its place in the chunk, and the inner
 * loops need not know how many channels there are. */
enum { CHANNELS_MAX = 4, CHUNK = 48 };

struct distortion distort_draw(uint64_t seed, uint64_t position, int height, int width, int crop_height,
                               int crop_width)
{
    uint32_t place[4], colour[4];
    draw_words(seed, DRAW_DISTORT, position, 0, place);
    draw_words(seed, DRAW_DISTORT, position, 1, colour);
    return (struct distortion){
        .top = (int)draw_below(place[0], (uint32_t)(height - crop_height + 1)),
        .left = (int)draw_below(place[1], (uint32_t)(width - crop_width + 1)),
        .flip = draw_below(place[2], 2),
        .brightness = -63.0f + 126.0f * draw_uniform(colour[0]),
        .contrast = 0.2f + 1.6f * draw_uniform(colour[1]),
    };
}

struct distortion distort_center(int height, int width, int crop_height, int crop_width)
{
    return (struct distortion){
        .top = (height - crop_height) / 2, .left = (width - crop_width) / 2, .brightness = 0, .contrast = 1};
}

/* What is cut out of an image: rows of `length` values, `stride` apart. */
struct crop {
    const uint8_t *first;
    int rows, length, channels;
    size_t stride;
};

/* Exact sums of each place in the chunk over all chunks (of up to 8192 rows of 8192 pixels). */
struct lane_sums {
    uint32_t sum[CHUNK];
    uint64_t square[CHUNK];
};

__attribute__((target_clones("avx512f", "avx2", "default")))
static void add_crop(const struct crop *crop, struct lane_sums *sums)
{
    for (int y = 0; y < crop->rows; y++) {
        const uint8_t *row = crop->first + y * crop->stride;
        for (int at = 0; at < crop->length; at += CHUNK) {
            int length = crop->length - at < CHUNK ? crop->length - at : CHUNK;
            for (int i = 0; i < length; i++) {
                uint32_t value = row[at + i];
                sums->sum[i] += value;
                sums->square[i] += value * value;
            }
        }
    }
}

/* out = (value - center) * scale + shift, a channel each. The center is a whole number near the mean:
 * the difference is exact, so nothing is lost where all values are nearly the same. */
struct affine {
    float center[CHUNK], shift[CHUNK];
    float scale;
};

/* Brightness moves all means alike and standardisation takes it out again: only contrast counts.
 * Per channel c, mean m[c] and variance v[c] of the crop; of all values, mean m = mean of m[c] and
 * variance mean of contrast^2 v[c] + (m[c] - m)^2. */
static struct affine find_affine(const struct crop *crop, double contrast)
{
    struct lane_sums lanes = {0};
    add_crop(crop, &lanes);
    uint64_t sum[CHANNELS_MAX] = {0}, square[CHANNELS_MAX] = {0};
    for (int i = 0; i < CHUNK; i++) {
        sum[i % crop->channels] += lanes.sum[i];
        square[i % crop->channels] += lanes.square[i];
    }
    double values = (double)crop->rows * crop->length, pixels = values / crop->channels;
    double means[CHANNELS_MAX], mean = 0, variance = 0;
    for (int c = 0; c < crop->channels; c++) {
        means[c] = (double)sum[c] / pixels;
        mean += means[c] / crop->channels;
    }
    for (int c = 0; c < crop->channels; c++) {
        double within = ((double)square[c] - means[c] * (double)sum[c]) / pixels;
        variance += (contrast * contrast * fmax(within, 0) + (means[c] - mean) * (means[c] - mean)) / crop->channels;
    }
    double deviation = fmax(sqrt(variance), 1 / sqrt(values));
    struct affine affine = {.scale = (float)(contrast / deviation)};
    for (int i = 0; i < CHUNK; i++) {
        double m = means[i % crop->channels], center = nearbyint(m);
        affine.center[i] = (float)center;
        affine.shift[i] = (float)((contrast * (center - m) + m - mean) / deviation);
    }
    return affine;
}

/* `length` values, whole pixels, backwards from `last`. Inlined with a constant number of channels it is
 * three times as fast. */
static inline void reverse_pixels(const uint8_t *last, int length, int channels, uint8_t *chunk)
{
    for (int i = 0; i < length; i += channels, last -= channels)
        for (int c = 0; c < channels; c++)
            chunk[i + c] = last[c];
}

/* `length` values of a row from place `at` on; where it is flipped, from as far before its end. */
static inline void take_chunk(const uint8_t *row, const struct crop *crop, int at, int length, bool flip,
                              uint8_t chunk[CHUNK])
{
    const uint8_t *last = row + crop->length - at - crop->channels;
    if (!flip)
        memcpy(chunk, row + at, (size_t)length);
    else if (crop->channels == 3)
        reverse_pixels(last, length, 3, chunk);
    else
        reverse_pixels(last, length, crop->channels, chunk);
}

__attribute__((target_clones("avx512f", "avx2", "default")))
static void write_crop(const struct crop *crop, const struct affine *affine, bool flip, float *out)
{
    for (int y = 0; y < crop->rows; y++, out += crop->length)
        for (int at = 0; at < crop->length; at += CHUNK) {
            uint8_t chunk[CHUNK] = {0};
            int length = crop->length - at < CHUNK ? crop->length - at : CHUNK;
            take_chunk(crop->first + y * crop->stride, crop, at, length, flip, chunk);
            for (int i = 0; i < length; i++)
                out[at + i] = ((float)chunk[i] - affine->center[i]) * affine->scale + affine->shift[i];
        }
}

void distort_apply(const uint8_t *image, int height, int width, int channels, const struct distortion *distortion,
                   int crop_height, int crop_width, float *out)
{
    (void)height;
    size_t stride = (size_t)width * channels;
    struct crop crop = {
        .first = image + distortion->top * stride + (size_t)distortion->left * channels,
        .rows = crop_height,
        .length = crop_width * channels,
        .channels = channels,
        .stride = stride,
    };
    struct affine affine = find_affine(&crop, distortion->contrast);
    write_crop(&crop, &affine, distortion->flip, out);
}
