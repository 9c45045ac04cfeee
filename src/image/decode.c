/* Decodes an image file of either kind, and turns the picture upright. */
#include <string.h>

#include "decoders.h"

static int refuse(const uint8_t *bytes, size_t size, struct error *why)
{
    const char *kind = image_other_kind(bytes, size);
    error_set(why, "is neither a JPEG nor a PNG image");
    return kind ? error_add(why, ", but %s", kind) : -1;
}

static int decode(struct image *image, const uint8_t *bytes, size_t size, struct error *why)
{
    int orientation = 0, status;
    if (size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0)
        status = jpeg_decode(image, bytes, size, &orientation, why);
    else if (size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0)
        status = png_decode(image, bytes, size, &orientation, why);
    else
        status = refuse(bytes, size, why);
    return status ? status : image_turn(image, orientation, why);
}

int image_decode(struct image *image, const void *bytes, size_t size, const char *name, struct error *why)
{
    image_free(image);
    int status = decode(image, bytes, size, why);
    if (status)
        image_free(image);
    if (status && name)
        error_in(why, "%s", name);
    return status;
}
