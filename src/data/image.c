#include "image.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>
#include <png.h>

/* Sizes are checked before memory is taken for them. channels: of the buffer, at most 4. */
static int image_reserve(struct image *image, uint32_t height, uint32_t width, uint32_t channels, struct error *why)
{
    if (height < 1 || width < 1 || height > IMAGE_SIDE_MAX || width > IMAGE_SIDE_MAX)
        return error_set(why, "is %u x %u pixels, but sides of 1 to %d are expected", width, height, IMAGE_SIDE_MAX);
    if ((uint64_t)height * width > IMAGE_PIXELS_MAX)
        return error_set(why, "is %u x %u pixels, but at most %d in all are expected", width, height, IMAGE_PIXELS_MAX);
    image->height = (int)height;
    image->width = (int)width;
    image->pixels = memory_new((size_t)height * width, channels, "its pixels", why);
    return image->pixels ? 0 : -1;
}

/* ---- JPEG ---- */

struct jpeg {
    struct jpeg_decompress_struct decoder;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    char text[JMSG_LENGTH_MAX];
};

static void jpeg_fail(j_common_ptr decoder)
{
    struct jpeg *jpeg = decoder->client_data;
    decoder->err->format_message(decoder, jpeg->text);
    longjmp(jpeg->escape, 1);
}

/* The library goes on, with grey pixels, where data is missing or damaged: here that is an error.
 * Three warnings tell of oddities that change no pixel. */
static void jpeg_warn(j_common_ptr decoder, int level)
{
    int code = decoder->err->msg_code;
    if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_ADOBE_XFORM && code != JWRN_JFIF_MAJOR)
        jpeg_fail(decoder);
}

/* The library asks for this between the rows of every scan. */
static void jpeg_watch(j_common_ptr decoder)
{
    struct jpeg *jpeg = decoder->client_data;
    if (jpeg->decoder.input_scan_number <= IMAGE_SCANS_MAX)
        return;
    snprintf(jpeg->text, sizeof jpeg->text, "it has more than %d scans", IMAGE_SCANS_MAX);
    longjmp(jpeg->escape, 1);
}

/* All calls that may end in jpeg_fail or jpeg_watch; nothing of this frame is needed after that jump. */
static int jpeg_read(struct jpeg *jpeg, struct image *image, const uint8_t *bytes, size_t size, struct error *why)
{
    struct jpeg_decompress_struct *decoder = &jpeg->decoder;
    if (setjmp(jpeg->escape))
        return error_set(why, "is a JPEG image that cannot be decoded: %s", jpeg->text);
    jpeg_mem_src(decoder, bytes, size);
    jpeg_read_header(decoder, TRUE);
    if (image_reserve(image, decoder->image_height, decoder->image_width, IMAGE_CHANNELS, why))
        return -1;
    decoder->out_color_space = JCS_RGB;
    jpeg_start_decompress(decoder);
    while (decoder->output_scanline < decoder->output_height) {
        uint8_t *row = image->pixels + (size_t)decoder->output_scanline * decoder->output_width * IMAGE_CHANNELS;
        jpeg_read_scanlines(decoder, &row, 1);
    }
    jpeg_finish_decompress(decoder);
    return 0;
}

static int jpeg_decode(struct image *image, const uint8_t *bytes, size_t size, struct error *why)
{
    struct jpeg jpeg;
    jpeg.decoder.err = jpeg_std_error(&jpeg.errors);
    jpeg.errors.error_exit = jpeg_fail;
    jpeg.errors.emit_message = jpeg_warn;
    jpeg.decoder.client_data = &jpeg;
    if (setjmp(jpeg.escape))
        return error_set(why, "the JPEG library does not start: %s", jpeg.text);
    jpeg_create_decompress(&jpeg.decoder);
    jpeg.progress.progress_monitor = jpeg_watch;
    jpeg.decoder.progress = &jpeg.progress;
    int status = jpeg_read(&jpeg, image, bytes, size, why);
    jpeg_destroy_decompress(&jpeg.decoder);
    return status;
}

/* ---- PNG ---- */

/* Read with alpha, since the library would otherwise blend it with a background. */
static int png_decode(struct image *image, const uint8_t *bytes, size_t size, struct error *why)
{
    png_image png = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_memory(&png, bytes, size))
        return error_set(why, "is a PNG image that cannot be decoded: %s", png.message);
    png.format = PNG_FORMAT_RGBA;
    if (image_reserve(image, png.height, png.width, 4, why)) {
        png_image_free(&png);
        return -1;
    }
    if (!png_image_finish_read(&png, NULL, image->pixels, 0, NULL))
        return error_set(why, "is a PNG image that cannot be decoded: %s", png.message);
    size_t pixels = (size_t)image->height * (size_t)image->width;
    for (size_t i = 1; i < pixels; i++)
        memmove(image->pixels + 3 * i, image->pixels + 4 * i, 3);
    return 0;
}

static int decode(struct image *image, const void *bytes, size_t size, struct error *why)
{
    if (size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0)
        return jpeg_decode(image, bytes, size, why);
    if (size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0)
        return png_decode(image, bytes, size, why);
    return error_set(why, "is neither a JPEG nor a PNG image");
}

int image_decode(struct image *image, const void *bytes, size_t size, const char *name, struct error *why)
{
    image_free(image);
    if (!decode(image, bytes, size, why))
        return 0;
    image_free(image);
    return name ? error_in(why, "%s", name) : -1;
}

void image_free(struct image *image)
{
    free(image->pixels);
    memset(image, 0, sizeof *image);
}
