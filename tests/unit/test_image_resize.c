/* Resizing by cropping, compared with Pillow 9.4's result for the same picture: numpy.mgrid's y, x, c of (h, w, 3) and
 *     ImageOps.fit(Image.fromarray(((y * 37 + x * 91 + c * 53 + y * x * 11) % 256).astype("uint8")), (W, H), Image.BILINEAR)
 * Pillow rounds between its two passes, so a value may differ by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

static struct image picture(int height, int width)
{
    struct image image = {height, width, malloc((size_t)(height * width * 3))};
    assert_non_null(image.pixels);
    for (int i = 0; i < height * width * 3; i++) {
        int y = i / 3 / width, x = i / 3 % width, c = i % 3;
        image.pixels[i] = (uint8_t)(y * 37 + x * 91 + c * 53 + y * x * 11);
    }
    return image;
}

static const struct {
    int from_height, from_width, height, width;
    uint8_t fitted[75];
} cases[] = {
    /* higher than wide, and by an odd number of rows: half of one goes above, half below */
    {12, 7, 5, 5,
     {135, 139, 160, 139, 126, 129, 149, 109, 97, 117, 104, 149, 158, 99, 143, 124, 165, 177, 123, 126, 91, 107, 125, 120, 113,
      149, 114, 126, 167, 114, 169, 136, 104, 112, 94, 147, 123, 152, 124, 109, 105, 158, 124, 134, 187, 96, 96, 96, 117, 154,
      136, 174, 120, 106, 143, 149, 97, 174, 100, 141, 81, 84, 133, 151, 138, 133, 125, 143, 176, 143, 114, 93, 125, 169, 109}},
    /* wider than high, and enlarged */
    {3, 8, 4, 4, {120, 173, 66, 28, 81, 134, 97, 150, 203, 165, 218, 111, 159, 112, 105, 73,
                  126, 159, 146, 199, 112, 120, 173, 106, 147, 100, 117, 115, 168, 117, 122, 175,
                  76, 90, 143, 136, 86, 139, 96, 139, 192, 21, 32, 85, 106, 85, 138, 191}},
    /* of the right height: every pixel changes, since the crop begins at half a pixel */
    {4, 5, 4, 4, {46, 99, 152, 137, 190, 115, 100, 153, 78, 63, 116, 169, 88, 141, 194, 190,
                  115, 168, 164, 89, 142, 138, 191, 116, 131, 184, 109, 116, 169, 94, 101, 154,
                  79, 86, 139, 64, 173, 98, 151, 169, 94, 147, 165, 90, 143, 161, 86, 139}},
    /* to a shape that is not square */
    {9, 4, 6, 3, {52, 105, 158, 169, 145, 147, 106, 113, 136, 108, 148, 150, 137, 148, 115, 136, 146, 80,
                  134, 140, 193, 139, 116, 117, 145, 90, 113, 136, 189, 135, 127, 103, 105, 117, 124, 147,
                  162, 96, 106, 95, 127, 159, 147, 157, 91, 69, 92, 99, 149, 150, 127, 156, 101, 154}},
};

static void test_crop(void **state)
{
    (void)state;
    struct error why;
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        int height = cases[n].height, width = cases[n].width;
        struct image image = picture(cases[n].from_height, cases[n].from_width);
        assert_int_equal(image_resize(&image, height, width, RESIZE_CROP, &why), 0);
        assert_int_equal(image.height, height);
        assert_int_equal(image.width, width);
        for (int i = 0; i < height * width * 3; i++)
            assert_in_range(image.pixels[i] + 1 - cases[n].fitted[i], 0, 2);
        image_free(&image);
    }
}

/* For an image of the right shape all methods give the same bits. */
static void test_same_shape(void **state)
{
    (void)state;
    struct error why;
    for (int side = 1; side < 60; side += 7) {
        struct image crop = picture(side, side), squash = picture(side, side);
        assert_int_equal(image_resize(&crop, 13, 13, RESIZE_CROP, &why), 0);
        assert_int_equal(image_resize(&squash, 13, 13, RESIZE_SQUASH, &why), 0);
        assert_memory_equal(crop.pixels, squash.pixels, 13 * 13 * 3);
        image_free(&crop);
        image_free(&squash);
    }
}

static void test_names(void **state)
{
    (void)state;
    struct error why;
    enum resize how = RESIZE_SQUASH;
    assert_int_equal(resize_find(&how, "crop", &why), 0);
    assert_int_equal(how, RESIZE_CROP);
    assert_string_equal(resize_name(how), "crop");
    assert_int_equal(resize_find(&how, "pad", &why), -1);
    assert_non_null(strstr(why.text, "'pad'"));
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crop),
        cmocka_unit_test(test_same_shape),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests_name("resizing", tests, NULL, NULL);
}
