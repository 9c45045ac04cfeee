/* Pixels -> a PNG file, in memory or on disk. */
#include <png.h>
#include <stdlib.h>
#include <unistd.h>

#include "file.h"
#include "image.h"

int image_encode(const struct image *image, uint8_t **bytes, size_t *size, struct error *why)
{
    png_image png = {.version = PNG_IMAGE_VERSION, .width = (png_uint_32)image->width, .height = (png_uint_32)image->height,
                     .format = PNG_FORMAT_RGB};
    png_alloc_size_t needed = PNG_IMAGE_PNG_SIZE_MAX(png);
    uint8_t *room = memory_new(needed, 1, "a PNG image", why);
    *bytes = NULL;
    if (!room)
        return -1;
    if (!png_image_write_to_memory(&png, room, &needed, 0, image->pixels, 0, NULL)) {
        free(room);
        return error_set(why, "a PNG image of %d x %d pixels cannot be made: %s", image->width, image->height, png.message);
    }
    *bytes = room;
    *size = needed;
    return 0;
}

int image_save(const struct image *image, const char *file, struct error *why)
{
    char temporary[4096];
    uint8_t *bytes;
    size_t size;
    if (image_encode(image, &bytes, &size, why))
        return -1;
    int status = file_new_beside(file, temporary, sizeof temporary, why);
    if (!status && (file_write(temporary, bytes, size, why) || file_commit(temporary, file, why))) {
        unlink(temporary);
        status = -1;
    }
    free(bytes);
    return status;
}
