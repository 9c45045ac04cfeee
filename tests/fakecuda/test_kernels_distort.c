/* The distortions, run by their twin on the CPU in many orders: to the bit as src/data has them. */
#include "kernels_fixture.h"

#include "data.h"

struct images {
    struct frame frame;
    int y_channels, half;
};

enum { RECORDS = 5, BATCH = 3 };

/* What is in the images: anything, or values that lie close together. */
static void fill_images(uint8_t *images, size_t count, int flat, uint64_t *random)
{
    for (size_t i = 0; i < count; i++)
        images[i] = flat ? (uint8_t)(200 + (i % 997 == 500)) : (uint8_t)random_below(random, 256);
}

/* y of one image from the CPU's, with its further channels. */
static void check_image(const struct images *s, const struct typed *y, int image, const float *expected)
{
    size_t pixels = (size_t)s->frame.crop_height * (size_t)s->frame.crop_width, channels = (size_t)s->y_channels;
    float *wide = floats_new(pixels * channels);
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < (size_t)s->frame.channels; c++)
            wide[i * channels + c] = expected[i * (size_t)s->frame.channels + c];
    size_t element = y->half ? 2 : 4;
    struct typed part = {(char *)y->data + (size_t)image * pixels * channels * element, pixels * channels, y->half};
    assert_typed("y", &part, wide, pixels * channels);
    free(wide);
}

static void check_distort(const struct images *s, const struct augmentations *list, uint64_t position, int flat, uint64_t *random)
{
    const struct frame *f = &s->frame;
    size_t record = (size_t)f->height * (size_t)f->width * (size_t)f->channels;
    size_t pixels = (size_t)f->crop_height * (size_t)f->crop_width;
    uint8_t *images = bytes_new(RECORDS * record), labels[RECORDS] = {3, 1, 4, 9, 5};
    const uint32_t samples[BATCH] = {4, 0, 2};
    const uint64_t seed = 1 + position * 0x300000001ull;
    int32_t found[BATCH];
    float *expected = floats_new(pixels * (size_t)f->channels);
    struct typed y = typed_new(BATCH * pixels * (size_t)s->y_channels, s->half);
    struct ring r;
    fill_images(images, RECORDS * record, flat, random);
    struct distort_arguments a = {
        .ring = ring_open(&r, random_below(random, 1000), position, seed, samples, BATCH), .images = images, .labels = labels,
        .augmentations = *list, .frame = *f, .batch = BATCH, .y_channels = s->y_channels, .half = s->half, .y = y.data,
        .labels_out = found};
    RUN(distort, some_blocks(random), a);
    ring_check(&r, position, seed);
    for (int i = 0; i < BATCH; i++) {
        struct distortion d = distort_draw(list, seed, position + (uint64_t)i, f);
        distort_apply(images + samples[i] * record, f, &d, expected);
        check_image(s, &y, i, expected);
        assert_int_equal(found[i], labels[samples[i]]);
    }
    free(images), free(expected), free(y.data);
}

/* The tutorial's list, a part of it with other numbers, and none. */
static const struct augmentations lists[] = {
    {{[AUGMENT_CROP] = {.on = true}, [AUGMENT_FLIP] = {.on = true, .chance = 0.5f},
      [AUGMENT_BRIGHTNESS] = {.on = true, .low = -63, .span = 126}, [AUGMENT_CONTRAST] = {.on = true, .low = 0.2f, .span = 1.6f}}},
    {{[AUGMENT_FLIP] = {.on = true, .chance = 0.8f}, [AUGMENT_CONTRAST] = {.on = true, .low = 0.87f, .span = 0.26f}}},
    {{[AUGMENT_CROP] = {.on = false}}},
};

static void test_distorts_as_the_loader(void **state)
{
    (void)state;
    static const struct images shapes[] = {
        {{32, 32, 3, 24, 24}, 3, 0}, {{32, 32, 3, 24, 24}, 8, 1}, {{32, 32, 3, 32, 32}, 3, 0}, {{28, 28, 1, 24, 24}, 1, 0},
        {{32, 32, 2, 24, 24}, 8, 1}, {{32, 32, 4, 24, 24}, 4, 0}, {{70, 65, 3, 61, 49}, 4, 0}, {{5, 5, 3, 1, 1}, 3, 1},
        {{9, 7, 4, 3, 5}, 8, 0},     {{40, 66, 1, 17, 49}, 8, 1},
    };
    static const uint64_t positions[] = {0, 77, 0xFFFFFFFEull, 0x123456789ABCDEFull};
    uint64_t random = 1;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t p = 0; p < sizeof positions / sizeof *positions; p++)
            for (int flat = 0; flat < 2; flat++)
                check_distort(&shapes[i], &lists[(i + p) % 3], positions[p], flat, &random);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_distorts_as_the_loader)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
