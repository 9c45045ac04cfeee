/* Distortions against the tutorial's chain, written out operation by operation in double precision, for
 * every number of channels and rows of all kinds (test_distort_reference has TensorFlow's own results). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "data.h"

enum { SIDE_MAX = 70, VALUES_MAX = SIDE_MAX * SIDE_MAX * 4 };

struct shape {
    int height, width, channels, crop_height, crop_width;
};

static void cut(const uint8_t *image, const struct shape *s, const struct distortion *d, double *x)
{
    for (int i = 0; i < s->crop_height; i++)
        for (int j = 0; j < s->crop_width; j++)
            for (int c = 0; c < s->channels; c++) {
                int column = d->flip ? s->crop_width - 1 - j : j;
                x[(i * s->crop_width + j) * s->channels + c] =
                    image[((d->top + i) * s->width + d->left + column) * s->channels + c];
            }
}

static void change_contrast(double *x, const struct shape *s, double factor)
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

static void check_image(const uint8_t *image, const struct shape *s, const struct distortion *d)
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
    distort_apply(image, s->height, s->width, s->channels, d, s->crop_height, s->crop_width, found);
    for (int i = 0; i < values; i++)
        if (!(fabs((double)found[i] - expected[i]) <= 1e-5 * fmax(1, fabs(expected[i]))))
            fail_msg("%dx%dx%d value %d: %.9g, expected %.9g", s->crop_height, s->crop_width, s->channels, i,
                     (double)found[i], expected[i]);
    assert_true(found[values] == 12345); /* nothing is written behind the end */
}

/* Shapes of every number of channels, with rows shorter, longer and just as long as a vector. */
static const struct shape shapes[] = {
    {32, 32, 3, 24, 24}, {32, 32, 3, 32, 32}, {28, 28, 1, 24, 24}, {32, 32, 2, 24, 24}, {32, 32, 4, 24, 24},
    {70, 65, 3, 70, 65}, {70, 65, 3, 61, 49}, {5, 5, 3, 1, 1},     {9, 7, 4, 3, 5},     {40, 66, 1, 17, 49},
};

static void test_equal_to_the_chain(void **state)
{
    (void)state;
    static uint8_t image[VALUES_MAX];
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        const struct shape *s = &shapes[k];
        for (uint64_t position = 0; position < 20; position++) {
            for (int i = 0; i < VALUES_MAX; i++)
                image[i] = (uint8_t)rand();
            struct distortion d = distort_draw(1, position, s->height, s->width, s->crop_height, s->crop_width);
            check_image(image, s, &d);
        }
    }
}

/* All values equal, one that differs, two neighbouring values, black and white, channels apart: small deviations
 * beside large means, where the lower bound of the deviation counts. */
static void test_equal_to_the_chain_on_flat_images(void **state)
{
    (void)state;
    static uint8_t image[VALUES_MAX];
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        const struct shape *s = &shapes[k];
        for (uint64_t position = 0; position < 20; position++) {
            for (int i = 0; i < VALUES_MAX; i++)
                image[i] = position % 5 == 0   ? 253
                           : position % 5 == 1 ? (i % 997 == 500 ? 201 : 200)
                           : position % 5 == 2 ? (uint8_t)(254 + i % 2)
                           : position % 5 == 3 ? (rand() % 2 ? 255 : 0)
                                               : (uint8_t)(i % s->channels);
            struct distortion d = distort_draw(2, position, s->height, s->width, s->crop_height, s->crop_width);
            check_image(image, s, &d);
        }
    }
}

static void test_center_only_standardises(void **state)
{
    (void)state;
    struct distortion d = distort_center(32, 40, 24, 23);
    assert_int_equal(d.top, 4);
    assert_int_equal(d.left, 8);
    assert_false(d.flip);
    assert_true(d.brightness == 0 && d.contrast == 1);
}

static void test_draws_depend_on_seed_and_position_only(void **state)
{
    (void)state;
    struct distortion a = distort_draw(5, 77, 32, 32, 24, 24), again = distort_draw(5, 77, 32, 32, 24, 24);
    assert_true(a.top == again.top && a.left == again.left && a.flip == again.flip &&
                a.brightness == again.brightness && a.contrast == again.contrast);
    assert_true(a.brightness != distort_draw(6, 77, 32, 32, 24, 24).brightness);
    assert_true(a.brightness != distort_draw(5, 78, 32, 32, 24, 24).brightness);
    assert_true(a.brightness != distort_draw(5, 77 + (1ull << 32), 32, 32, 24, 24).brightness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_to_the_chain),
        cmocka_unit_test(test_equal_to_the_chain_on_flat_images),
        cmocka_unit_test(test_center_only_standardises),
        cmocka_unit_test(test_draws_depend_on_seed_and_position_only),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
