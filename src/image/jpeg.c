#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "decoders.h"

enum { START_OF_IMAGE = 0xd8, START_OF_SCAN = 0xda, EXIF_MARKER = JPEG_APP0 + 1 /* XMP's too */, INKS = 4 };

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

/* Makes the library's warnings errors: if data is missing or damaged, it only warns and continues with grey pixels. Three warnings
 * are about oddities that change no pixel, and are ignored. */
static void jpeg_warn(j_common_ptr decoder, int level)
{
    int code = decoder->err->msg_code;
    if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_ADOBE_XFORM && code != JWRN_JFIF_MAJOR)
        jpeg_fail(decoder);
}

/* Called by the library between the rows of every scan. */
static void jpeg_watch(j_common_ptr decoder)
{
    struct jpeg *jpeg = decoder->client_data;
    if (jpeg->decoder.input_scan_number <= IMAGE_SCANS_MAX)
        return;
    snprintf(jpeg->text, sizeof jpeg->text, "it has more than %d scans", IMAGE_SCANS_MAX);
    longjmp(jpeg->escape, 1);
}

static bool has_length(uint8_t marker)
{
    return marker >= 0xc0 && marker != 0xff && (marker < JPEG_RST0 || marker > START_OF_IMAGE);
}

static void read_block(const uint8_t *block, size_t size, int *by_exif, int *by_xmp)
{
    static const char exif[] = "Exif\0", xmp[] = "http://ns.adobe.com/xap/1.0/";
    if (!*by_exif && size > sizeof exif && !memcmp(block, exif, sizeof exif))
        *by_exif = exif_orientation(block, size);
    if (!*by_xmp && size > sizeof xmp && !memcmp(block, xmp, sizeof xmp))
        *by_xmp = xmp_orientation((const char *)block, size);
}

/* The orientation in the first EXIF block that has one, otherwise the one in an XMP text. Reads the segments before the first scan:
 * 0xff, the marker, a length that includes its own two bytes, data. (The library could save them, but its time grows as the square
 * of their number.) */
static int jpeg_orientation(const uint8_t *bytes, size_t size)
{
    int by_exif = 0, by_xmp = 0;
    for (size_t at = 0; at + 4 <= size;) {
        const uint8_t *segment = bytes + at;
        if (segment[0] != 0xff || !has_length(segment[1])) {
            at++;
            continue;
        }
        size_t length = (size_t)segment[2] << 8 | segment[3];
        length = length < 2 ? 2 : length; /* as the library does */
        if (segment[1] == START_OF_SCAN || length > size - at - 2)
            break;
        if (segment[1] == EXIF_MARKER)
            read_block(segment + 4, length - 2, &by_exif, &by_xmp);
        at += 2 + length;
    }
    return by_exif ? by_exif : by_xmp;
}

/* A row of CMYK (4 values per pixel) -> RGB, as in Pillow: no colour profile, and every file is taken as Adobe's, where 255 means
 * no ink. */
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

/* Contains all calls that may jump out through jpeg_fail or jpeg_watch; after a jump, reads no local variable that may have
 * changed. */
static int jpeg_read(struct jpeg *jpeg, struct image *image, const uint8_t *bytes, size_t size, int *orientation,
                     struct error *why)
{
    struct jpeg_decompress_struct *decoder = &jpeg->decoder;
    if (setjmp(jpeg->escape)) {
        error_set(why, "is a JPEG image that cannot be decoded: %s", jpeg->text);
        return jpeg->errors.msg_code == JERR_OUT_OF_MEMORY ? IMAGE_NO_MEMORY : -1;
    }
    jpeg_mem_src(decoder, bytes, size);
    jpeg_read_header(decoder, TRUE);
    *orientation = jpeg_orientation(bytes, size);
    int status = image_reserve(image, decoder->image_height, decoder->image_width, why);
    if (status)
        return status;
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
    if (setjmp(jpeg.escape)) {
        error_set(why, "the JPEG library does not start: %s", jpeg.text);
        return IMAGE_NO_MEMORY;
    }
    jpeg_create_decompress(&jpeg.decoder);
    jpeg.progress.progress_monitor = jpeg_watch;
    jpeg.decoder.progress = &jpeg.progress;
    int status = jpeg_read(&jpeg, image, bytes, size, orientation, why);
    jpeg_destroy_decompress(&jpeg.decoder);
    return status;
}
