#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "decoders.h"

enum { CHUNKS_MAX = 16, TEXT_MAX = 8 << 20 }; /* chunks kept; bytes of an unpacked text */

struct png {
    png_structp reader;
    png_infop info;
    const uint8_t *bytes; /* the rest of the file */
    size_t size;
    size_t most; /* bytes that the library may allocate in one call */
    bool no_memory;
    char text[128];
};

static void png_fail(png_structp reader, png_const_charp text)
{
    struct png *png = png_get_error_ptr(reader);
    snprintf(png->text, sizeof png->text, "%s", text);
    png_longjmp(reader, 1);
}

/* Ignores a warning: it does not affect the pixels. */
static void png_ignore(png_structp reader, png_const_charp text)
{
    (void)reader, (void)text;
}

static void png_read_bytes(png_structp reader, png_bytep to, size_t size)
{
    struct png *png = png_get_io_ptr(reader);
    if (size > png->size)
        png_error(reader, "it ends too early");
    memcpy(to, png->bytes, size);
    png->bytes += size;
    png->size -= size;
}

/* Limits what the library allocates, because it trusts the size that a chunk claims. */
static png_voidp png_allocate(png_structp reader, png_alloc_size_t size)
{
    struct png *png = png_get_mem_ptr(reader);
    if (size > png->most)
        return NULL;
    void *memory = malloc(size);
    png->no_memory = png->no_memory || !memory;
    return memory;
}

/* Reads only those optional chunks that may hold the orientation: Pillow does not apply gamma or colour profiles. */
static void png_choose_chunks(png_structp reader)
{
    png_set_chunk_cache_max(reader, CHUNKS_MAX);
    png_set_chunk_malloc_max(reader, TEXT_MAX);
    png_set_keep_unknown_chunks(reader, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_keep_unknown_chunks(reader, PNG_HANDLE_CHUNK_AS_DEFAULT, (png_const_bytep) "eXIf\0tEXt\0zTXt\0iTXt", 4);
}

/* Converts every format to 8-bit RGB, as Pillow does: the high byte of 16 bits, no alpha, no background. Only 16-bit grey differs:
 * Pillow's convert('RGB') makes every value above 255 white. */
static void png_choose_rgb(png_structp reader)
{
    png_set_expand(reader);
    png_set_strip_16(reader);
    png_set_gray_to_rgb(reader);
    png_set_strip_alpha(reader);
}

/* Contains all calls that may jump out through png_fail; after a jump, reads no local variable that may have changed. */
static int png_read_pixels(struct png *png, struct image *image, struct error *why)
{
    png_structp reader = png->reader;
    if (setjmp(png_jmpbuf(reader)))
        return error_set(why, "is a PNG image that cannot be decoded: %s", png->text);
    png_set_read_fn(reader, png, png_read_bytes);
    png_set_benign_errors(reader, 1);
    png_choose_chunks(reader);
    png_read_info(reader, png->info);
    int status = image_reserve(image, png_get_image_height(reader, png->info), png_get_image_width(reader, png->info), why);
    if (status)
        return status;
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

/* The orientation from the chunk eXIf, or from the text that older programs wrote instead, otherwise from an XMP text. */
static int png_orientation_in(png_structp reader, png_infop info)
{
    png_uint_32 size;
    png_bytep exif;
    png_textp texts;
    int count = png_get_text(reader, info, &texts, NULL), by_exif = 0, by_xmp = 0;
    bool chunk = png_get_eXIf_1(reader, info, &size, &exif);
    if (chunk)
        by_exif = exif_orientation(exif, size);
    for (int i = 0; i < count; i++) {
        if (!chunk && !by_exif && !strcmp(texts[i].key, "Raw profile type exif"))
            by_exif = profile_orientation(texts[i].text);
        if (!by_xmp && !strcmp(texts[i].key, "XML:com.adobe.xmp"))
            by_xmp = xmp_orientation(texts[i].text, strlen(texts[i].text));
    }
    return by_exif ? by_exif : by_xmp;
}

/* Reads to the end first, since these chunks may follow the pixels. A file truncated there has all its pixels: not an error. */
static int png_orientation(struct png *png)
{
    if (!setjmp(png_jmpbuf(png->reader)))
        png_read_end(png->reader, png->info);
    return png_orientation_in(png->reader, png->info);
}

int png_decode(struct image *image, const uint8_t *bytes, size_t size, int *orientation, struct error *why)
{
    struct png png = {.bytes = bytes, .size = size, .most = size + 2 * TEXT_MAX};
    png.reader = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &png, png_fail, png_ignore, &png, png_allocate, NULL);
    png.info = png.reader ? png_create_info_struct(png.reader) : NULL;
    bool started = png.info;
    int status = started ? png_read_pixels(&png, image, why) : -1;
    if (!status)
        *orientation = png_orientation(&png);
    png_destroy_read_struct(&png.reader, &png.info, NULL);
    if (started && !png.no_memory)
        return status;
    error_set(why, "the PNG library %s", started ? "has no memory for it" : "does not start");
    return IMAGE_NO_MEMORY;
}
