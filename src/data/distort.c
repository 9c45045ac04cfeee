#include <string.h>

#include "data.h"
#include "draws.h"

#define DEVICE_INLINE static inline
#include "augment.inc"

/* Rows are processed in chunks of 48 values: whole pixels of 1, 2, 3 or 4 channels, and whole vectors of any CPU. So a value's
 * place in the chunk determines its channel, and the inner loops do not depend on the number of channels. */
enum { CHUNK = 48 };

struct distortion distort_draw(const struct augmentations *list, uint64_t seed, uint64_t position, const struct frame *frame)
{
    struct words place, colour;
    struct distortion distortion;
    draw_words(seed, DRAW_DISTORT, position, 0, place.at);
    draw_words(seed, DRAW_DISTORT, position, 1, colour.at);
    augment_place(&distortion, list, frame, place);
    augment_colour(&distortion, list, colour);
    return distortion;
}

struct distortion distort_center(const struct frame *frame)
{
    static const struct augmentations none;
    return distort_draw(&none, 0, 0, frame);
}

/* The part of an image to cut out: rows of `length` values, `stride` apart. */
struct crop {
    const uint8_t *first;
    int rows, length, channels;
    size_t stride;
};

/* Sums over all chunks, for each place in the chunk; exact for up to 8192 rows of 8192 pixels. */
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

/* An affine map for each place in a chunk. */
struct lane_affine {
    float center[CHUNK], shift[CHUNK];
    float scale;
};

static struct affine find_affine(const struct crop *crop, const struct frame *frame, double contrast)
{
    struct lane_sums lanes = {0};
    struct moments moments;
    struct affine affine;
    uint64_t sum[FRAME_CHANNELS] = {0}, square[FRAME_CHANNELS] = {0};
    add_crop(crop, &lanes);
    for (int i = 0; i < CHUNK; i++) {
        sum[i % crop->channels] += lanes.sum[i];
        square[i % crop->channels] += lanes.square[i];
    }
    for (int c = 0; c < crop->channels; c++)
        augment_moments(&moments, c, frame, (double)sum[c], (double)square[c]);
    for (int c = 0; c < crop->channels; c++)
        augment_variance(&moments, c, crop->channels, contrast);
    for (int c = 0; c < crop->channels; c++)
        augment_affine(&affine, &moments, c, frame, contrast);
    return affine;
}

static struct lane_affine spread(const struct affine *affine, int channels)
{
    struct lane_affine lanes = {.scale = affine->scale};
    for (int i = 0; i < CHUNK; i++) {
        lanes.center[i] = affine->center[i % channels];
        lanes.shift[i] = affine->shift[i % channels];
    }
    return lanes;
}

/* Copies `length` values: whole pixels in reverse order, beginning with the pixel at `last`. Inlined with a constant number of
 * channels, the loop is three times as fast. */
static inline void reverse_pixels(const uint8_t *last, int length, int channels, uint8_t *chunk)
{
    for (int i = 0; i < length; i += channels, last -= channels)
        for (int c = 0; c < channels; c++)
            chunk[i + c] = last[c];
}

/* Copies `length` values, from place `at` on, of a row, or of the mirrored row if `flip`. */
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
static void write_crop(const struct crop *crop, const struct lane_affine *affine, bool flip, float *out)
{
    for (int y = 0; y < crop->rows; y++, out += crop->length)
        for (int at = 0; at < crop->length; at += CHUNK) {
            uint8_t chunk[CHUNK] = {0};
            int length = crop->length - at < CHUNK ? crop->length - at : CHUNK;
            take_chunk(crop->first + y * crop->stride, crop, at, length, flip, chunk);
            for (int i = 0; i < length; i++)
                out[at + i] = augment_value(chunk[i], affine->center[i], affine->scale, affine->shift[i]);
        }
}

void distort_apply(const uint8_t *image, const struct frame *frame, const struct distortion *distortion, float *out)
{
    size_t channels = (size_t)frame->channels, stride = (size_t)frame->width * channels;
    struct crop crop = {
        .first = image + (size_t)distortion->top * stride + (size_t)distortion->left * channels,
        .rows = frame->crop_height,
        .length = frame->crop_width * frame->channels,
        .channels = frame->channels,
        .stride = stride,
    };
    struct affine affine = find_affine(&crop, frame, (double)distortion->contrast);
    struct lane_affine lanes = spread(&affine, frame->channels);
    write_crop(&crop, &lanes, distortion->flip, out);
}
