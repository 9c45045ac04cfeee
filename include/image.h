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

/* Decodes a whole JPEG or PNG file that lies in memory, told apart by its first bytes, to what Pillow makes of it, within 1 a
 * channel: ImageOps.exif_transpose(Image.open(file)).convert('RGB'). That is: EXIF's orientation is followed (a damaged EXIF
 * block counts as none), grey, palette, CMYK and YCCK become RGB, alpha is dropped, of 16 bits the high 8 are taken (of grey too,
 * which Pillow cuts off at 255), gamma and colour profiles change nothing, and of several pictures in a file the first counts.
 * Sizes are checked before memory is allocated; a damaged or cut image is an error. `name` begins the sentence (NULL: the caller
 * adds one). IMAGE_NO_MEMORY is returned instead of -1 where memory was lacking, which says nothing about the file. */
enum { IMAGE_NO_MEMORY = -2 };
int image_decode(struct image *image, const void *bytes, size_t size, const char *name, struct error *why);

/* How an image gets another shape. */
enum resize {
    RESIZE_AUTO,   /* as the images of training (--resize of predict); image_resize takes no such value */
    RESIZE_CROP,   /* keeps its proportions and cuts off what is too much, the same on two sides */
    RESIZE_SQUASH, /* changes its proportions */
};
const char *resize_name(enum resize how); /* "crop", "squash": in files */
int resize_find(enum resize *how, const char *name, struct error *why);

/* Resizes in place to height x width, if it is not so already, by a triangle filter as wide as the scale:
 * linear interpolation where it grows, a weighted mean of all pixels where it shrinks. RESIZE_CROP does so with the
 * largest central part of the new shape, which may begin inside a pixel, as Pillow's ImageOps.fit does. */
int image_resize(struct image *image, int height, int width, enum resize how, struct error *why);

void image_free(struct image *image);

#endif
