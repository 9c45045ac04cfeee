/* Images from damaged or hostile files, and resizing. For good files: test_pictures.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <jpeglib.h>
#include <png.h>

#include "image.h"

enum { HEIGHT = 7, WIDTH = 5 };

struct file {
    unsigned char *bytes;
    unsigned long size;
};

/* A gradient with an edge, with `channels` values per pixel. */
static void paint(uint8_t *pixels, int channels)
{
    for (int i = 0; i < HEIGHT * WIDTH; i++)
        for (int c = 0; c < channels; c++)
            pixels[i * channels + c] = (uint8_t)(i * 7 + c * 40 + (i % WIDTH > 2 ? 50 : 0));
}

static struct file png_of(uint32_t format, const uint8_t *pixels)
{
    png_image png = {.version = PNG_IMAGE_VERSION, .width = WIDTH, .height = HEIGHT, .format = format};
    png_alloc_size_t size = 1 << 16;
    struct file file = {malloc(size), 0};
    assert_true(png_image_write_to_memory(&png, file.bytes, &size, 0, pixels, 0, NULL));
    file.size = size;
    return file;
}

/* scans: 0 for a baseline image; else the number of scans of a progressive grey one: the means, then each frequency, twice. */
static struct file jpeg_of_scans(int height, int width, J_COLOR_SPACE space, int components, const uint8_t *pixels,
                                 int scans)
{
    jpeg_scan_info script[127] = {{1, {0}, 0, 0, 0, 0}};
    for (int i = 0; i < 126; i++)
        script[1 + i] = (jpeg_scan_info){1, {0}, 1 + i % 63, 1 + i % 63, i < 63 ? 0 : 1, i < 63 ? 1 : 0};
    struct jpeg_compress_struct encoder;
    struct jpeg_error_mgr errors;
    struct file file = {NULL, 0};
    encoder.err = jpeg_std_error(&errors);
    jpeg_create_compress(&encoder);
    jpeg_mem_dest(&encoder, &file.bytes, &file.size);
    encoder.image_height = (JDIMENSION)height;
    encoder.image_width = (JDIMENSION)width;
    encoder.input_components = components;
    encoder.in_color_space = space;
    jpeg_set_defaults(&encoder);
    jpeg_set_quality(&encoder, 100, TRUE);
    encoder.scan_info = scans ? script : NULL;
    encoder.num_scans = scans;
    jpeg_start_compress(&encoder, TRUE);
    for (int y = 0; y < height; y++) {
        JSAMPROW row = (JSAMPROW)pixels + (size_t)y * (size_t)(width * components);
        jpeg_write_scanlines(&encoder, &row, 1);
    }
    jpeg_finish_compress(&encoder);
    jpeg_destroy_compress(&encoder);
    return file;
}

static struct file jpeg_of(int height, int width, J_COLOR_SPACE space, int components, const uint8_t *pixels)
{
    return jpeg_of_scans(height, width, space, components, pixels, 0);
}

static void test_sides(void **state)
{
    (void)state;
    struct error why;
    struct image image = {0};
    enum { LONG = IMAGE_SIDE_MAX + 1 };
    uint8_t *pixels = calloc(LONG, 3);
    struct file file = jpeg_of(1, LONG, JCS_RGB, 3, pixels);
    assert_int_equal(image_decode(&image, file.bytes, file.size, NULL, &why), -1);
    assert_string_equal(why.text, "is 8193 x 1 pixels, but sides of 1 to 8192 are expected");
    free(file.bytes);
    file = jpeg_of(IMAGE_SIDE_MAX, 1, JCS_RGB, 3, pixels);
    assert_int_equal(image_decode(&image, file.bytes, file.size, NULL, &why), 0);
    assert_int_equal(image.height, IMAGE_SIDE_MAX);
    image_free(&image);
    free(file.bytes);
    free(pixels);
}

/* A flat image of many pixels is a small file. */
static void test_pixels(void **state)
{
    (void)state;
    struct error why;
    struct image image = {0};
    enum { SIDE = 4096 }; /* squared: exactly the limit */
    uint8_t *pixels = calloc(SIDE, SIDE + 1);
    struct file file = jpeg_of(SIDE, SIDE + 1, JCS_GRAYSCALE, 1, pixels);
    assert_int_equal(image_decode(&image, file.bytes, file.size, "bomb.jpg", &why), -1);
    assert_string_equal(why.text, "bomb.jpg: is 4097 x 4096 pixels, but at most 16777216 in all are expected");
    free(file.bytes);
    file = jpeg_of(SIDE, SIDE, JCS_GRAYSCALE, 1, pixels);
    assert_int_equal(image_decode(&image, file.bytes, file.size, NULL, &why), 0);
    image_free(&image);
    free(file.bytes);
    free(pixels);
}

static void test_scans(void **state)
{
    (void)state;
    struct error why;
    struct image image = {0};
    uint8_t pixels[HEIGHT * WIDTH];
    paint(pixels, 1);
    struct file file = jpeg_of_scans(HEIGHT, WIDTH, JCS_GRAYSCALE, 1, pixels, IMAGE_SCANS_MAX);
    assert_int_equal(image_decode(&image, file.bytes, file.size, NULL, &why), 0);
    image_free(&image);
    free(file.bytes);
    file = jpeg_of_scans(HEIGHT, WIDTH, JCS_GRAYSCALE, 1, pixels, IMAGE_SCANS_MAX + 1);
    assert_int_equal(image_decode(&image, file.bytes, file.size, "slow.jpg", &why), -1);
    assert_string_equal(why.text, "slow.jpg: is a JPEG image that cannot be decoded: it has more than 100 scans");
    free(file.bytes);
}

/* Every truncated file is refused; a changed byte may go unnoticed, but does no harm. The bytes are at the end of their memory
 * block, so that the sanitizer notices any access beyond them. */
static void damage(const struct file *whole, unsigned long least)
{
    struct error why;
    struct image image = {0};
    for (unsigned long size = 0; size < whole->size; size++) {
        unsigned char *bytes = malloc(size ? size : 1);
        memcpy(bytes, whole->bytes, size);
        if (!image_decode(&image, bytes, size, "cut", &why) && size < least)
            fail_msg("the first %lu of %lu bytes were taken for an image", size, whole->size);
        free(bytes);
    }
    unsigned char *bytes = malloc(whole->size);
    for (unsigned long at = 0; at < whole->size; at++)
        for (int bit = 0; bit < 8; bit += 3) {
            memcpy(bytes, whole->bytes, whole->size);
            bytes[at] ^= (unsigned char)(1 << bit);
            (void)image_decode(&image, bytes, whole->size, "bit", &why);
        }
    free(bytes);
    image_free(&image);
}

static struct file file_of(const char *path)
{
    enum { MOST = 1 << 16 };
    struct file file = {malloc(MOST), 0};
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    file.size = fread(file.bytes, 1, MOST, stream);
    fclose(stream);
    return file;
}

static void test_damage(void **state)
{
    (void)state;
    static const char *const pictures[] = {"turned-6.png", "palette-2.png", "exif-after-empty.jpg", "ycck.jpg"};
    uint8_t pixels[HEIGHT * WIDTH * 3];
    paint(pixels, 3);
    struct file png = png_of(PNG_FORMAT_RGB, pixels), jpeg = jpeg_of(HEIGHT, WIDTH, JCS_RGB, 3, pixels);
    damage(&png, png.size - 16); /* the checksum of the last data and the end chunk may be missing */
    damage(&jpeg, jpeg.size - 2);
    free(png.bytes);
    free(jpeg.bytes);
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++) {
        char path[100];
        snprintf(path, sizeof path, "tests/data/pictures/%s", pictures[i]);
        struct file picture = file_of(path);
        damage(&picture, picture.size / 2);
        free(picture.bytes);
    }
}

/* If memory is short, a file is not reported as damaged. Tries with more and more kilobytes, from none, until it is decoded. */
static void starve(const struct file *file)
{
    enum { BLOCK = 1024, BLOCKS = 1 << 16 };
    static void *blocks[BLOCKS];
    struct error why;
    struct image image = {0};
    struct rlimit before, none = {0, RLIM_INFINITY};
    int held = 0, lacking = 0, status;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    none.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
    while (held < BLOCKS && (blocks[held] = malloc(BLOCK)))
        held++;
    while ((status = image_decode(&image, file->bytes, file->size, NULL, &why)) == IMAGE_NO_MEMORY && held > 0) {
        lacking++;
        free(blocks[--held]);
    }
    while (held > 0)
        free(blocks[--held]);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    if (status || !lacking)
        fail_msg("after %d times without memory: status %d: %s", lacking, status, status ? why.text : "decoded");
    image_free(&image);
}

static void test_no_memory(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    print_message("the address sanitizer keeps memory of its own\n");
    skip();
#endif
    static const char *const pictures[] = {"turned-6.png", "exif-squeezed.png", "turned-6.jpg", "progressive.jpg"};
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++) {
        char path[100];
        snprintf(path, sizeof path, "tests/data/pictures/%s", pictures[i]);
        struct file picture = file_of(path);
        starve(&picture);
        free(picture.bytes);
    }
}

static struct image image_of(int height, int width)
{
    struct image image = {height, width, calloc((size_t)(height * width), 3)};
    return image;
}

/* Worked out by hand: doubling a row of 0 and 100 gives weights of 3/4 and 1/4 inside, and repeats the border. */
static void test_growing(void **state)
{
    (void)state;
    struct error why;
    struct image image = image_of(2, 2);
    static const uint8_t expected[4] = {0, 25, 75, 100};
    memset(image.pixels + 3, 100, 3);
    memset(image.pixels + 9, 100, 3);
    assert_int_equal(image_resize(&image, 4, 4, RESIZE_SQUASH, &why), 0);
    assert_int_equal(image.width, 4);
    for (int i = 0; i < 4 * 4 * 3; i++)
        assert_int_equal(image.pixels[i], expected[i / 3 % 4]);
    image_free(&image);
}

/* Worked out by hand: to halve columns 0, 0, 160, 160, a triangle of centre 1 and radius 2 gives the first three the weights 0.75,
 * 0.75 and 0.25, so the left pixel is 160 * 0.25 / 1.75. */
static void test_shrinking(void **state)
{
    (void)state;
    struct error why;
    struct image image = image_of(4, 4);
    for (int i = 0; i < 4 * 4 * 3; i++)
        image.pixels[i] = i / 3 % 4 < 2 ? 0 : 160;
    assert_int_equal(image_resize(&image, 2, 2, RESIZE_SQUASH, &why), 0);
    for (int i = 0; i < 2 * 2 * 3; i++)
        assert_int_equal(image.pixels[i], i / 3 % 2 ? 137 : 23);
    image_free(&image);
}

/* An image of one colour keeps its colour at any size; the same size changes nothing. */
static void test_flat(void **state)
{
    (void)state;
    struct error why;
    for (int height = 1; height < 40; height += 6)
        for (int width = 1; width < 70; width += 11) {
            struct image image = image_of(height, width);
            memset(image.pixels, 255, (size_t)(height * width * 3));
            assert_int_equal(image_resize(&image, 13, 13, RESIZE_SQUASH, &why), 0);
            for (int i = 0; i < 13 * 13 * 3; i++)
                assert_int_equal(image.pixels[i], 255);
            const uint8_t *before = image.pixels;
            assert_int_equal(image_resize(&image, 13, 13, RESIZE_SQUASH, &why), 0);
            assert_ptr_equal(image.pixels, before);
            image_free(&image);
        }
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pixels),    cmocka_unit_test(test_scans),   cmocka_unit_test(test_sides),
        cmocka_unit_test(test_damage),    cmocka_unit_test(test_growing), cmocka_unit_test(test_shrinking),
        cmocka_unit_test(test_flat),      cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("images", tests, NULL, NULL);
}
