/* Distortions compared with TensorFlow's for the same draws, and tests of the distributions of the draws. */
#include "reference.h"

#include "data.h"
#include "recipe.h"

static const struct augmentations *tutorial(void)
{
    return &recipe_find("tutorial")->augmentations;
}

enum { DRAWS = 200000, PLACES = 9 };

/* ---- the distortions for given draws ---- */

static void check_image(const char *what, int image, const float *found, const float *expected, size_t count)
{
    struct difference apart = difference_between(found, expected, count);
    printf("# %s, image %d: norm %.1e, most %.1e\n", what, image, apart.norm, apart.most);
    if (!(apart.norm <= 1e-5 && apart.most <= 1e-5))
        fail_msg("%s, image %d: norm of the difference %.2e, largest %.2e", what, image, apart.norm, apart.most);
}

/* A group of distort.h5: its images and, if it has any, their draws. */
struct group {
    struct h5_shape shape; /* N, H, W, C */
    uint8_t *images, *flip;
    int64_t *top, *left, crop;
    float *brightness, *contrast, *expected;
};

static void read_group(struct group *group, const char *name, bool drawn, const char *output)
{
    struct h5 *h5 = reference_open("distort.h5");
    struct error why;
    char path[64];
    size_t count;
    *group = (struct group){.crop = 0};
    snprintf(path, sizeof path, "/%s", name);
    assert_int_equal(h5_get_integer(h5, path, "crop", &group->crop, &why), 0);
    group->images = reference_read(h5, H5_UINT8, &group->shape, &count, "/%s/images", name);
    group->expected = reference_read(h5, H5_FLOAT, NULL, &count, "/%s/%s", name, output);
    assert_int_equal(count, group->shape.size[0] * group->crop * group->crop * group->shape.size[3]);
    if (drawn) {
        group->top = reference_read(h5, H5_INT64, NULL, &count, "/%s/top", name);
        group->left = reference_read(h5, H5_INT64, NULL, &count, "/%s/left", name);
        group->flip = reference_read(h5, H5_UINT8, NULL, &count, "/%s/flip", name);
        group->brightness = reference_read(h5, H5_FLOAT, NULL, &count, "/%s/brightness", name);
        group->contrast = reference_read(h5, H5_FLOAT, NULL, &count, "/%s/contrast", name);
    }
    reference_close(h5);
}

static void free_group(struct group *group)
{
    free(group->images);
    free(group->expected);
    free(group->top);
    free(group->left);
    free(group->flip);
    free(group->brightness);
    free(group->contrast);
}

static void check_group(const char *name, bool drawn, const char *output)
{
    struct group g;
    read_group(&g, name, drawn, output);
    int height = (int)g.shape.size[1], width = (int)g.shape.size[2], channels = (int)g.shape.size[3];
    int crop = (int)g.crop;
    struct frame frame = {height, width, channels, crop, crop};
    size_t length = (size_t)crop * crop * channels;
    float *out = malloc(length * sizeof *out);
    assert_non_null(out);
    for (int i = 0; i < g.shape.size[0]; i++) {
        struct distortion distortion = distort_center(&frame);
        if (drawn)
            distortion = (struct distortion){.top = (int)g.top[i], .left = (int)g.left[i], .flip = g.flip[i],
                                             .brightness = g.brightness[i], .contrast = g.contrast[i]};
        distort_apply(g.images + (size_t)i * height * width * channels, &frame, &distortion, out);
        check_image(name, i, out, g.expected + i * length, length);
    }
    free(out);
    free_group(&g);
}

static void test_training(void **state)
{
    (void)state;
    check_group("random", true, "output");
    check_group("random", true, "output_exact");
    check_group("limits", true, "output");
    check_group("limits", true, "output_exact");
}

static void test_other_sizes(void **state)
{
    (void)state;
    check_group("channels1", true, "output");
    check_group("channels4", true, "output");
}

/* For an image of a single value TensorFlow's float32 gives rounding noise, so the exact result is expected. */
static void test_flat_images(void **state)
{
    (void)state;
    check_group("flat", true, "output_exact");
}

static void test_evaluation(void **state)
{
    (void)state;
    check_group("evaluation", false, "output");
    check_group("evaluation_odd", false, "output");
}

/* ---- the draws ---- */

static struct distortion draw_at(uint64_t seed, uint64_t position)
{
    static const struct frame frame = {32, 32, 3, 24, 24};
    return distort_draw(tutorial(), seed, position, &frame);
}

/* Chi-square of `cells` counts that should be equal, as a normal deviate (Wilson and Hilferty), which exceeds 4 by chance once in
 * 30,000. The draws are fixed, so the result is the same in every run. */
static void check_even(const char *what, const int *counts, int cells, double samples)
{
    double expected = samples / cells, chi = 0, free_cells = cells - 1;
    for (int i = 0; i < cells; i++)
        chi += (counts[i] - expected) * (counts[i] - expected) / expected;
    double deviate = (cbrt(chi / free_cells) - 1 + 2 / (9 * free_cells)) / sqrt(2 / (9 * free_cells));
    printf("# %s: %d cells, chi-square %.1f, deviate %.2f\n", what, cells, chi, deviate);
    if (fabs(deviate) > 4)
        fail_msg("%s: not even: chi-square %.1f over %d cells", what, chi, cells);
}

/* The index of the cell that holds the value; [low, high) is divided into `cells` equal cells. */
static int cell_of(double value, double low, double high, int cells)
{
    if (!(value >= low && value < high))
        fail_msg("%g is not in [%g, %g)", value, low, high);
    int cell = (int)((value - low) / (high - low) * cells);
    return cell < cells ? cell : cells - 1;
}

static int brightness_cell(struct distortion d, int cells)
{
    return cell_of(d.brightness, -63, 63, cells);
}

static int contrast_cell(struct distortion d, int cells)
{
    return cell_of(d.contrast, 0.2, 1.8, cells);
}

static int place_cell(struct distortion d)
{
    assert_in_range(d.top, 0, PLACES - 1);
    assert_in_range(d.left, 0, PLACES - 1);
    return d.top * PLACES + d.left;
}

/* Each draw alone, and the place together with the flip. */
static void test_distributions(void **state)
{
    (void)state;
    static int places[PLACES * PLACES * 2], tops[PLACES], lefts[PLACES], flips[2], brightness[100], contrast[100];
    for (uint64_t p = 0; p < DRAWS; p++) {
        struct distortion d = draw_at(1, p);
        places[place_cell(d) * 2 + d.flip]++;
        tops[d.top]++;
        lefts[d.left]++;
        flips[d.flip]++;
        brightness[brightness_cell(d, 100)]++;
        contrast[contrast_cell(d, 100)]++;
    }
    check_even("top", tops, PLACES, DRAWS);
    check_even("left", lefts, PLACES, DRAWS);
    check_even("flip", flips, 2, DRAWS);
    check_even("places and flip", places, PLACES * PLACES * 2, DRAWS);
    check_even("brightness", brightness, 100, DRAWS);
    check_even("contrast", contrast, 100, DRAWS);
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The Kolmogorov-Smirnov distance to the uniform distribution, a finer test than counts in cells. */
static void check_uniform(const char *what, float *values, double low, double high)
{
    double most = 0;
    qsort(values, DRAWS, sizeof *values, compare);
    for (int i = 0; i < DRAWS; i++) {
        double share = (values[i] - low) / (high - low);
        most = fmax(most, fmax((i + 1.0) / DRAWS - share, share - (double)i / DRAWS));
    }
    printf("# %s: from %g to %g, Kolmogorov-Smirnov %.2f\n", what, values[0], values[DRAWS - 1], most * sqrt(DRAWS));
    if (most * sqrt(DRAWS) > 2.2) /* happens by chance once in 8,000 */
        fail_msg("%s: not uniform: distance %g", what, most);
}

static void test_uniform(void **state)
{
    (void)state;
    float *brightness = malloc(DRAWS * sizeof *brightness), *contrast = malloc(DRAWS * sizeof *contrast);
    assert_non_null(brightness);
    assert_non_null(contrast);
    for (uint64_t p = 0; p < DRAWS; p++) {
        struct distortion d = draw_at(2, p);
        brightness[p] = d.brightness;
        contrast[p] = d.contrast;
    }
    check_uniform("brightness", brightness, -63, 63);
    check_uniform("contrast", contrast, 0.2, 1.8);
    free(brightness);
    free(contrast);
}

/* Cells of one draw: a third of the places each way, and halves of everything else. */
enum { COARSE = 3 * 3 * 2 * 2 * 2 };

static int coarse_cell(struct distortion d)
{
    int cell = d.top / 3 * 3 + d.left / 3;
    cell = cell * 2 + d.flip;
    cell = cell * 2 + brightness_cell(d, 2);
    return cell * 2 + contrast_cell(d, 2);
}

/* Draws of one position are independent of each other, of the next position's, and of those of the same position in the next epoch
 * and with the next seed. */
static void test_independence(void **state)
{
    (void)state;
    static int alone[COARSE], neighbours[COARSE * COARSE], epochs[COARSE * COARSE], seeds[COARSE * COARSE];
    for (uint64_t p = 0; p < DRAWS; p++) {
        int cell = coarse_cell(draw_at(3, p));
        alone[cell]++;
        neighbours[cell * COARSE + coarse_cell(draw_at(3, p + 1))]++;
        epochs[cell * COARSE + coarse_cell(draw_at(3, p + 50000))]++;
        seeds[cell * COARSE + coarse_cell(draw_at(4, p))]++;
    }
    check_even("all draws together", alone, COARSE, DRAWS);
    check_even("with the next position", neighbours, COARSE * COARSE, DRAWS);
    check_even("with the next epoch", epochs, COARSE * COARSE, DRAWS);
    check_even("with the next seed", seeds, COARSE * COARSE, DRAWS);
}

static bool equal(struct distortion a, struct distortion b)
{
    return a.top == b.top && a.left == b.left && a.flip == b.flip && a.brightness == b.brightness &&
           a.contrast == b.contrast;
}

/* A draw depends only on seed and position, not on the order of calls, up to the largest position. */
static void test_order(void **state)
{
    (void)state;
    enum { ASKED = 1000 };
    static struct distortion forward[ASKED];
    for (uint64_t p = 0; p < ASKED; p++)
        forward[p] = draw_at(5, p);
    for (uint64_t p = ASKED; p-- > 0;) {
        draw_at(6, p);
        draw_at(5, UINT64_MAX - p);
        assert_true(equal(draw_at(5, p), forward[p]));
    }
    assert_false(equal(draw_at(5, 1), draw_at(5, 1 + (UINT64_C(1) << 32))));
    assert_false(equal(draw_at(5, 1), draw_at(5 + (UINT64_C(1) << 32), 1)));
}

/* A crop as large as the image has only one place; in larger images both ends of the range occur. */
static void test_ranges(void **state)
{
    (void)state;
    static const struct frame whole = {24, 24, 3, 24, 24}, part = {23, 37, 3, 20, 20};
    int tops[4] = {0}, lefts[18] = {0};
    for (uint64_t p = 0; p < 10000; p++) {
        struct distortion d = distort_draw(tutorial(), 7, p, &whole);
        assert_int_equal(d.top, 0);
        assert_int_equal(d.left, 0);
        d = distort_draw(tutorial(), 7, p, &part);
        assert_in_range(d.top, 0, 3);
        assert_in_range(d.left, 0, 17);
        tops[d.top]++;
        lefts[d.left]++;
    }
    check_even("4 rows", tops, 4, 10000);
    check_even("18 columns", lefts, 18, 10000);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_training),
        cmocka_unit_test(test_other_sizes),
        cmocka_unit_test(test_flat_images),
        cmocka_unit_test(test_evaluation),
        cmocka_unit_test(test_distributions),
        cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_independence),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
