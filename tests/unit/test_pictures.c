/* Pictures of many kinds are decoded as Pillow decodes them (scripts/make_pictures.py), and other kinds of files are named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

#define PICTURES "tests/data/pictures/"

enum { PICTURES_MADE = 101, FILE_MAX = 1 << 16 };

static struct image decoded(const char *name)
{
    static uint8_t bytes[FILE_MAX];
    char path[256];
    struct error why = {""};
    struct image image = {0};
    snprintf(path, sizeof path, PICTURES "%s", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    if (image_decode(&image, bytes, size, path, &why))
        print_error("%s\n", why.text);
    return image;
}

/* 0 if every channel of every pixel differs by at most 1; else 1, and it prints the difference. */
static int differs(const char *name, const struct image *image, const struct image *expected)
{
    int largest = 0;
    if (image->height != expected->height || image->width != expected->width)
        return print_error("%s: has %d x %d pixels\n", name, image->height, image->width), 1;
    for (int i = 0; i < image->height * image->width * IMAGE_CHANNELS; i++) {
        int difference = abs(image->pixels[i] - expected->pixels[i]);
        largest = difference > largest ? difference : largest;
    }
    if (largest > 1)
        print_error("%s: a channel differs by %d\n", name, largest);
    return largest > 1;
}

static void test_as_pillow(void **state)
{
    (void)state;
    int pictures = 0, wrong = 0;
    char name[100];
    struct image expected = {0};
    FILE *file = fopen(PICTURES "pillow.ppm", "rb");
    assert_non_null(file);
    for (; fscanf(file, "P6 # %99s %d %d 255", name, &expected.width, &expected.height) == 3; pictures++) {
        assert_int_equal(fgetc(file), '\n');
        size_t size = (size_t)(expected.height * expected.width * IMAGE_CHANNELS);
        expected.pixels = malloc(size);
        assert_int_equal(fread(expected.pixels, 1, size, file), size);
        struct image image = decoded(name);
        wrong += differs(name, &image, &expected);
        image_free(&image);
        image_free(&expected);
    }
    fclose(file);
    assert_int_equal(pictures, PICTURES_MADE);
    assert_int_equal(wrong, 0);
}

#define BEGINNING(bytes, kind) {bytes, sizeof bytes - 1, kind}

/* First bytes, from the descriptions of the formats. */
static void test_other_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *kind;
    } files[] = {
        BEGINNING("GIF89a\1\0\1\0", "a GIF image"),
        BEGINNING("RIFF\x24\0\0\0WEBPVP8 ", "a WebP image"),
        BEGINNING("BM\x46\0\0\0\0\0\0\0\x36\0\0\0", "a BMP image"),
        BEGINNING("\0\0\0\x18"
                  "ftypheic\0\0\0\0",
                  "a HEIC image"),
        BEGINNING("\0\0\0\x20"
                  "ftypavif\0\0\0\0",
                  "an AVIF image"),
        BEGINNING("\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
        BEGINNING("\xef\xbb\xbf\n <!DOCTYPE HTML><html>", "a web page (HTML)"),
        BEGINNING("<HTML><body>404</body>", "a web page (HTML)"),
        BEGINNING("version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer: the picture itself was not downloaded"),
    };
    struct image image = {0};
    struct error why;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char expected[200];
        snprintf(expected, sizeof expected, "cat.jpg: is neither a JPEG nor a PNG image, but %s", files[i].kind);
        assert_int_equal(image_decode(&image, files[i].bytes, files[i].size, "cat.jpg", &why), -1);
        assert_string_equal(why.text, expected);
    }
    for (size_t size = 1; size < 12; size++) { /* the sanitizer notices a read beyond the end */
        uint8_t *zeros = calloc(size, 1);
        assert_int_equal(image_decode(&image, zeros, size, "cat.jpg", &why), -1);
        assert_string_equal(why.text, "cat.jpg: is neither a JPEG nor a PNG image");
        free(zeros);
    }
    assert_int_equal(image_decode(&image, "", 0, "cat.jpg", &why), -1);
    assert_string_equal(why.text, "cat.jpg: is neither a JPEG nor a PNG image, but empty");
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_pillow),
        cmocka_unit_test(test_other_kinds),
    };
    return cmocka_run_group_tests_name("pictures", tests, NULL, NULL);
}
