/* Images from JPEG and PNG files, as packer and predict read them (src/data). */
#ifndef IMAGE_H
#define IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct image {
    int height, width; /* pixels */
    uint8_t *pixels;   /* (height, width, 3): RGB; NULL in a zeroed one */
};

/* A small file may claim many pixels, or a scan over all of them again and again: bounds of memory and time. */
enum { IMAGE_SIDE_MAX = 8192, IMAGE_PIXELS_MAX = 1 << 24, IMAGE_SCANS_MAX = 100, IMAGE_CHANNELS = 3 };
enum { IMAGE_FILE_MAX = 64 << 20 }; /* bytes of a file worth reading */

/* Decodes a whole JPEG or PNG file that lies in memory; told apart by its first bytes. Grey and
 * palette become RGB, alpha is dropped, 16 bits become 8. `name` is for the sentence (NULL: the caller
 * adds one). Sizes are bounded before memory is taken; a damaged or cut image is refused. */
int image_decode(struct image *image, const void *bytes, size_t size, const char *name, struct error *why);

/* Resizes in place to size x size, if it is not so already, by a triangle filter as wide as the scale:
 * linear interpolation where it grows, a weighted mean of all pixels where it shrinks. */
int image_resize(struct image *image, int size, struct error *why);

void image_free(struct image *image);

#endif
