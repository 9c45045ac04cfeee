/* Images from JPEG and PNG files, for the packer and predict (src/image). */
#ifndef IMAGE_H
#define IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct image {
    int height, width; /* pixels */
    uint8_t *pixels;   /* (height, width, 3) RGB, or NULL in a zeroed struct */
};

/* Limits of memory and time: a small file may claim many pixels, or many scans over all of them. */
enum { IMAGE_SIDE_MAX = 8192, IMAGE_PIXELS_MAX = 1 << 24, IMAGE_SCANS_MAX = 100, IMAGE_CHANNELS = 3 };
enum { IMAGE_FILE_MAX = 64 << 20 }; /* bytes; larger files are refused */

/* Decodes a whole JPEG or PNG file in memory; its first bytes say which of the two it is. The result equals Pillow's
 * ImageOps.exif_transpose(Image.open(file)).convert('RGB') to within 1 per channel: EXIF's orientation is applied (a damaged EXIF
 * block counts as absent), grey, palette, CMYK and YCCK become RGB, alpha is dropped, 16-bit values keep their high 8 bits (grey
 * too, which Pillow clips at 255), gamma and colour profiles are ignored, and the first of several pictures in a file is used.
 * Sizes are checked before memory is allocated. A damaged or truncated image is an error. `name` begins the error sentence (NULL:
 * the caller adds it). IMAGE_NO_MEMORY instead of -1 means a lack of memory, which says nothing about the file. */
enum { IMAGE_NO_MEMORY = -2 };
int image_decode(struct image *image, const void *bytes, size_t size, const char *name, struct error *why);

/* How an image changes its shape. */
enum resize {
    RESIZE_AUTO,   /* as the training images (--resize of predict); not for image_resize */
    RESIZE_CROP,   /* keeps the proportions and cuts off equal margins on two sides */
    RESIZE_SQUASH, /* changes the proportions */
};
const char *resize_name(enum resize how); /* "crop", "squash": in files */
int resize_find(enum resize *how, const char *name, struct error *why);

/* Resizes in place to height x width by a triangle filter as wide as the scale: linear interpolation when it grows, a
 * weighted mean of all pixels when it shrinks. RESIZE_CROP first takes the largest central part with the new proportions,
 * which may start inside a pixel, as Pillow's ImageOps.fit does. An image that has the size already is left alone. */
int image_resize(struct image *image, int height, int width, enum resize how, struct error *why);

void image_free(struct image *image);

#endif
