/* Distortions compared with the tutorial's chain of operations in double precision, for every number of channels and many
 * lengths of rows (test_distort_reference compares with TensorFlow's results). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "data.h"
#include "recipe.h"

static const struct augmentations *tutorial(void)
{
    return &recipe_find("tutorial")->augmentations;
}

enum { SIDE_MAX = 70, VALUES_MAX = SIDE_MAX * SIDE_MAX * 4 };

static void cut(const uint8_t *image, const struct frame *s, const struct distortion *d, double *x)
{
    for (int i = 0; i < s->crop_height; i++)
        for (int j = 0; j < s->crop_width; j++)
            for (int c = 0; c < s->channels; c++) {
                int column = d->flip ? s->crop_width - 1 - j : j;
                x[(i * s->crop_width + j) * s->channels + c] =
                    image[((d->top + i) * s->width + d->left + column) * s->channels + c];
            }
}

static void change_contrast(double *x, const struct frame *s, double factor)
{
    int pixels = s->crop_height * s->crop_width;
    for (int c = 0; c < s->channels; c++) {
        double mean = 0;
        for (int i = 0; i < pixels; i++)
            mean += x[i * s->channels + c] / pixels;
        for (int i = 0; i < pixels; i++)
            x[i * s->channels + c] = (x[i * s->channels + c] - mean) * factor + mean;
    }
}

static void standardise(double *x, int values)
{
    double mean = 0, variance = 0;
    for (int i = 0; i < values; i++)
        mean += x[i] / values;
    for (int i = 0; i < values; i++)
        variance += (x[i] - mean) * (x[i] - mean) / values;
    double deviation = fmax(sqrt(variance), 1 / sqrt(values));
    for (int i = 0; i < values; i++)
        x[i] = (x[i] - mean) / deviation;
}

static void check_image(const uint8_t *image, const struct frame *s, const struct distortion *d)
{
    static double expected[VALUES_MAX];
    static float found[VALUES_MAX + 1];
    int values = s->crop_height * s->crop_width * s->channels;
    cut(image, s, d, expected);
    for (int i = 0; i < values; i++)
        expected[i] += (double)d->brightness;
    change_contrast(expected, s, (double)d->contrast);
    standardise(expected, values);
    found[values] = 12345;
    distort_apply(image, s, d, found);
    for (int i = 0; i < values; i++)
        if (!(fabs((double)found[i] - expected[i]) <= 1e-5 * fmax(1, fabs(expected[i]))))
            fail_msg("%dx%dx%d value %d: %.9g, expected %.9g", s->crop_height, s->crop_width, s->channels, i,
                     (double)found[i], expected[i]);
    assert_true(found[values] == 12345); /* nothing is written beyond the end */
}

/* Every number of channels; rows shorter than, longer than and exactly as long as a vector. */
static const struct frame shapes[] = {
    {32, 32, 3, 24, 24}, {32, 32, 3, 32, 32}, {28, 28, 1, 24, 24}, {32, 32, 2, 24, 24}, {32, 32, 4, 24, 24},
    {70, 65, 3, 70, 65}, {70, 65, 3, 61, 49}, {5, 5, 3, 1, 1},     {9, 7, 4, 3, 5},     {40, 66, 1, 17, 49},
};

static void test_equal_to_the_chain(void **state)
{
    (void)state;
    static uint8_t image[VALUES_MAX];
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        const struct frame *s = &shapes[k];
        for (uint64_t position = 0; position < 20; position++) {
            for (int i = 0; i < VALUES_MAX; i++)
                image[i] = (uint8_t)rand();
            struct distortion d = distort_draw(tutorial(), 1, position, s);
            check_image(image, s, &d);
        }
    }
}

/* Images with all values equal, one different value, two adjacent values, black and white, or constant channels. Their
 * deviations are small and their means large, so the lower bound of the deviation matters. */
static void test_equal_to_the_chain_on_flat_images(void **state)
{
    (void)state;
    static uint8_t image[VALUES_MAX];
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        const struct frame *s = &shapes[k];
        for (uint64_t position = 0; position < 20; position++) {
            for (int i = 0; i < VALUES_MAX; i++)
                image[i] = position % 5 == 0   ? 253
                           : position % 5 == 1 ? (i % 997 == 500 ? 201 : 200)
                           : position % 5 == 2 ? (uint8_t)(254 + i % 2)
                           : position % 5 == 3 ? (rand() % 2 ? 255 : 0)
                                               : (uint8_t)(i % s->channels);
            struct distortion d = distort_draw(tutorial(), 2, position, s);
            check_image(image, s, &d);
        }
    }
}

static void test_center_only_standardises(void **state)
{
    (void)state;
    struct distortion d = distort_center(&(struct frame){32, 40, 3, 24, 23});
    assert_int_equal(d.top, 4);
    assert_int_equal(d.left, 8);
    assert_false(d.flip);
    assert_true(d.brightness == 0 && d.contrast == 1);
}

static const struct frame usual = {32, 32, 3, 24, 24};

static struct distortion draw_usual(uint64_t seed, uint64_t position)
{
    return distort_draw(tutorial(), seed, position, &usual);
}

static void test_draws_depend_on_seed_and_position_only(void **state)
{
    (void)state;
    struct distortion a = draw_usual(5, 77), again = draw_usual(5, 77);
    assert_true(a.top == again.top && a.left == again.left && a.flip == again.flip &&
                a.brightness == again.brightness && a.contrast == again.contrast);
    assert_true(a.brightness != draw_usual(6, 77).brightness);
    assert_true(a.brightness != draw_usual(5, 78).brightness);
    assert_true(a.brightness != draw_usual(5, 77 + (1ull << 32)).brightness);
}

/* If one kind of distortion is off, the draws for the others do not change. */
static void test_each_kind_draws_alone(void **state)
{
    (void)state;
    for (uint64_t position = 0; position < 100; position++)
        for (int kind = 0; kind < AUGMENTATIONS; kind++) {
            struct augmentations list = *tutorial();
            list.of[kind].on = false;
            struct distortion all = draw_usual(3, position), d = distort_draw(&list, 3, position, &usual);
            assert_int_equal(d.top, kind == AUGMENT_CROP ? 4 : all.top);
            assert_int_equal(d.left, kind == AUGMENT_CROP ? 4 : all.left);
            assert_int_equal(d.flip, kind == AUGMENT_FLIP ? false : all.flip);
            assert_true(d.brightness == (kind == AUGMENT_BRIGHTNESS ? 0 : all.brightness));
            assert_true(d.contrast == (kind == AUGMENT_CONTRAST ? 1 : all.contrast));
        }
}

static int count_flips(float chance, int draws)
{
    struct augmentations list = {{[AUGMENT_FLIP] = {.on = true, .chance = chance}}};
    int flips = 0;
    for (int position = 0; position < draws; position++)
        flips += distort_draw(&list, 9, (uint64_t)position, &usual).flip;
    return flips;
}

static void test_parameters_count(void **state)
{
    (void)state;
    struct augmentations list = {{[AUGMENT_BRIGHTNESS] = {.on = true, .low = 5, .span = 2},
                                  [AUGMENT_CONTRAST] = {.on = true, .low = 0.75f, .span = 0.5f}}};
    float darkest = 9, brightest = 0, weakest = 9, strongest = 0;
    for (uint64_t position = 0; position < 1000; position++) {
        struct distortion d = distort_draw(&list, 9, position, &usual);
        darkest = fminf(darkest, d.brightness), brightest = fmaxf(brightest, d.brightness);
        weakest = fminf(weakest, d.contrast), strongest = fmaxf(strongest, d.contrast);
    }
    assert_true(darkest >= 5 && darkest < 5.1f && brightest > 6.9f && brightest < 7);
    assert_true(weakest >= 0.75f && weakest < 0.76f && strongest > 1.24f && strongest < 1.25f);
    assert_int_equal(count_flips(0, 1000), 0);
    assert_int_equal(count_flips(1, 1000), 1000);
    assert_in_range(count_flips(0.25f, 1000), 200, 300); /* 250, within 3.7 deviations */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_to_the_chain),
        cmocka_unit_test(test_equal_to_the_chain_on_flat_images),
        cmocka_unit_test(test_center_only_standardises),
        cmocka_unit_test(test_draws_depend_on_seed_and_position_only),
        cmocka_unit_test(test_each_kind_draws_alone),
        cmocka_unit_test(test_parameters_count),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
