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

/* Decodes a whole JPEG or PNG file that lies in memory; told apart by its first bytes. Grey,
 * palette and alpha become RGB. `name` is for the sentence. Sizes are bounded before memory is taken. */
int image_decode(struct image *image, const void *bytes, size_t size, const char *name, struct error *why);

/* Resizes in place to size x size (area average where it shrinks), if it is not so already. */
int image_resize(struct image *image, int size, struct error *why);

void image_free(struct image *image);

#endif
