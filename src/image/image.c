#include <stdlib.h>
#include <string.h>

#include "decoders.h"

int image_reserve(struct image *image, uint32_t height, uint32_t width, struct error *why)
{
    if (height < 1 || width < 1 || height > IMAGE_SIDE_MAX || width > IMAGE_SIDE_MAX)
        return error_set(why, "is %u x %u pixels, but sides of 1 to %d are expected", width, height, IMAGE_SIDE_MAX);
    if ((uint64_t)height * width > IMAGE_PIXELS_MAX)
        return error_set(why, "is %u x %u pixels, but at most %d in all are expected", width, height, IMAGE_PIXELS_MAX);
    image->height = (int)height;
    image->width = (int)width;
    image->pixels = memory_new((size_t)height * width, IMAGE_CHANNELS, "its pixels", why);
    return image->pixels ? 0 : IMAGE_NO_MEMORY;
}

int image_blank(struct image *image, int height, int width, uint8_t grey, struct error *why)
{
    if (image_reserve(image, (uint32_t)height, (uint32_t)width, why))
        return error_in(why, "the picture");
    memset(image->pixels, grey, (size_t)height * (size_t)width * IMAGE_CHANNELS);
    return 0;
}

void image_free(struct image *image)
{
    free(image->pixels);
    memset(image, 0, sizeof *image);
}
