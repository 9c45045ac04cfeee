#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

#include "decoders.h"

struct png {
    png_structp reader;
    png_infop info;
    const uint8_t *bytes; /* the rest of the file */
    size_t size;
    char text[128];
};

static void png_fail(png_structp reader, png_const_charp text)
{
    struct png *png = png_get_error_ptr(reader);
    snprintf(png->text, sizeof png->text, "%s", text);
    png_longjmp(reader, 1);
}

/* Warnings are of chunks that say nothing about pixels. */
static void png_pass_over(png_structp reader, png_const_charp text)
{
    (void)reader, (void)text;
}

static void png_take(png_structp reader, png_bytep to, size_t size)
{
    struct png *png = png_get_io_ptr(reader);
    if (size > png->size)
        png_error(reader, "it ends too early");
    memcpy(to, png->bytes, size);
    png->bytes += size;
    png->size -= size;
}

/* Whatever the file has becomes 8 bits of RGB, as Pillow converts: the high byte of 16 bits, no alpha and no background. */
static void png_choose_rgb(png_structp reader)
{
    png_set_expand(reader);
    png_set_strip_16(reader);
    png_set_gray_to_rgb(reader);
    png_set_strip_alpha(reader);
}

/* All calls that may end in png_fail; nothing of this frame is needed after that jump. Of the chunks that a file need not
 * have, only eXIf is read: gamma and colour profiles change no pixel, texts would cost memory. */
static int png_read_pixels(struct png *png, struct image *image, struct error *why)
{
    png_structp reader = png->reader;
    if (setjmp(png_jmpbuf(reader)))
        return error_set(why, "is a PNG image that cannot be decoded: %s", png->text);
    png_set_read_fn(reader, png, png_take);
    png_set_benign_errors(reader, 1);
    png_set_keep_unknown_chunks(reader, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_keep_unknown_chunks(reader, PNG_HANDLE_CHUNK_AS_DEFAULT, (png_const_bytep) "eXIf", 1);
    png_read_info(reader, png->info);
    if (image_reserve(image, png_get_image_height(reader, png->info), png_get_image_width(reader, png->info), why))
        return -1;
    png_choose_rgb(reader);
    int passes = png_set_interlace_handling(reader);
    png_read_update_info(reader, png->info);
    size_t row = (size_t)image->width * IMAGE_CHANNELS;
    if (png_get_rowbytes(reader, png->info) != row)
        png_error(reader, "its pixels do not become RGB");
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < image->height; y++)
            png_read_row(reader, image->pixels + (size_t)y * row, NULL);
    return 0;
}

/* EXIF may also stand behind the pixels. A file that ends there too early has all of them. */
static int png_orientation(struct png *png)
{
    png_uint_32 size;
    png_bytep exif;
    if (!setjmp(png_jmpbuf(png->reader)))
        png_read_end(png->reader, png->info);
    return png_get_eXIf_1(png->reader, png->info, &size, &exif) ? exif_orientation(exif, size) : 1;
}

int png_decode(struct image *image, const uint8_t *bytes, size_t size, int *orientation, struct error *why)
{
    struct png png = {.bytes = bytes, .size = size};
    png.reader = png_create_read_struct(PNG_LIBPNG_VER_STRING, &png, png_fail, png_pass_over);
    png.info = png.reader ? png_create_info_struct(png.reader) : NULL;
    int status = png.info ? png_read_pixels(&png, image, why) : error_set(why, "the PNG library does not start");
    if (!status)
        *orientation = png_orientation(&png);
    png_destroy_read_struct(&png.reader, &png.info, NULL);
    return status;
}
