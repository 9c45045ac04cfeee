#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "decoders.h"

enum { EXIF_MARKER = JPEG_APP0 + 1 /* XMP's too */, MARKER_MAX = 0xffff, INKS = 4 };

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

/* From the first EXIF block that has one, or else from an XMP text. */
static int jpeg_orientation(const struct jpeg_decompress_struct *decoder)
{
    static const char exif[] = "Exif\0", xmp[] = "http://ns.adobe.com/xap/1.0/";
    int by_exif = 0, by_xmp = 0;
    for (jpeg_saved_marker_ptr marker = decoder->marker_list; marker; marker = marker->next) {
        if (!by_exif && marker->data_length > sizeof exif && !memcmp(marker->data, exif, sizeof exif))
            by_exif = exif_orientation(marker->data, marker->data_length);
        if (!by_xmp && marker->data_length > sizeof xmp && !memcmp(marker->data, xmp, sizeof xmp))
            by_xmp = xmp_orientation((const char *)marker->data, marker->data_length);
    }
    return by_exif ? by_exif : by_xmp;
}

/* A row of CMYK (4 values a pixel) -> RGB, as in Pillow: without a colour profile, and every file counts as Adobe's, where 255
 * means no ink. */
static void jpeg_mix_inks(const uint8_t *row, int width, uint8_t *pixels)
{
    for (int x = 0; x < width; x++)
        for (int c = 0; c < IMAGE_CHANNELS; c++)
            pixels[x * IMAGE_CHANNELS + c] = (uint8_t)((row[x * INKS + c] * row[x * INKS + 3] + 127) / 255);
}

static void jpeg_read_rows(struct jpeg_decompress_struct *decoder, struct image *image)
{
    bool inks = decoder->out_color_space == JCS_CMYK;
    JSAMPARRAY row_of_inks = /* freed with the decoder */
        inks ? decoder->mem->alloc_sarray((j_common_ptr)decoder, JPOOL_IMAGE, decoder->output_width * INKS, 1) : NULL;
    while (decoder->output_scanline < decoder->output_height) {
        uint8_t *row = image->pixels + (size_t)decoder->output_scanline * decoder->output_width * IMAGE_CHANNELS;
        jpeg_read_scanlines(decoder, inks ? row_of_inks : &row, 1);
        if (inks)
            jpeg_mix_inks(*row_of_inks, image->width, row);
    }
}

/* All calls that may end in jpeg_fail or jpeg_watch; nothing of this frame is needed after that jump. */
static int jpeg_read(struct jpeg *jpeg, struct image *image, const uint8_t *bytes, size_t size, int *orientation,
                     struct error *why)
{
    struct jpeg_decompress_struct *decoder = &jpeg->decoder;
    if (setjmp(jpeg->escape))
        return error_set(why, "is a JPEG image that cannot be decoded: %s", jpeg->text);
    jpeg_mem_src(decoder, bytes, size);
    jpeg_save_markers(decoder, EXIF_MARKER, MARKER_MAX);
    jpeg_read_header(decoder, TRUE);
    *orientation = jpeg_orientation(decoder);
    if (image_reserve(image, decoder->image_height, decoder->image_width, why))
        return -1;
    decoder->out_color_space = decoder->num_components == INKS ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(decoder);
    jpeg_read_rows(decoder, image);
    jpeg_finish_decompress(decoder);
    return 0;
}

int jpeg_decode(struct image *image, const uint8_t *bytes, size_t size, int *orientation, struct error *why)
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
    int status = jpeg_read(&jpeg, image, bytes, size, orientation, why);
    jpeg_destroy_decompress(&jpeg.decoder);
    return status;
}
