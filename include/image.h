/* Images: read from JPEG and PNG files, for the packer and predict, and written as PNG files (src/image). */
#ifndef IMAGE_H
#define IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct image {
    int height, width; /* pixels */
    uint8_t *pixels;   /* (height, width, 3) RGB, or NULL in a zeroed struct */
};

/* Limits on memory and time: a small file may claim many pixels, or many scans over all of them. */
enum { IMAGE_SIDE_MAX = 8192, IMAGE_PIXELS_MAX = 1 << 24, IMAGE_SCANS_MAX = 100, IMAGE_CHANNELS = 3 };
enum { IMAGE_FILE_MAX = 64 << 20 }; /* bytes; larger files are refused */

/* Decodes a JPEG or PNG file that is in memory; the first bytes decide which it is. The result equals Pillow's
 * ImageOps.exif_transpose(Image.open(file)).convert('RGB') to within 1 per channel: EXIF's orientation is applied (a damaged EXIF
 * block counts as absent), grey, palette, CMYK and YCCK become RGB, alpha is dropped, 16-bit values keep their high 8 bits (even
 * grey, which Pillow clips at 255), gamma and colour profiles are ignored, and the first of several pictures in a file is used.
 * Sizes are checked before memory is allocated. A damaged or truncated image is an error. `name` begins the error sentence (NULL:
 * the caller adds it). Returns IMAGE_NO_MEMORY instead of -1 if memory is short: the file may be good. */
enum { IMAGE_NO_MEMORY = -2 };
int image_decode(struct image *image, const void *bytes, size_t size, const char *name, struct error *why);

/* How an image gets another shape. */
enum resize {
    RESIZE_AUTO,   /* as the training images were resized (for predict's --resize); not for image_resize */
    RESIZE_CROP,   /* keeps the proportions and cuts off equal margins on two sides */
    RESIZE_SQUASH, /* changes the proportions */
};
const char *resize_name(enum resize how); /* as stored in files: "crop", "squash" */
int resize_find(enum resize *how, const char *name, struct error *why);

/* Resizes in place to height x width by a triangle filter as wide as the scale: linear interpolation to enlarge, a weighted mean of
 * all pixels to shrink. RESIZE_CROP first takes the largest central part with the new proportions, which may start inside a pixel,
 * as Pillow's ImageOps.fit does. Does nothing to an image that already has the size. */
int image_resize(struct image *image, int height, int width, enum resize how, struct error *why);

/* The image as a PNG file in memory: 8-bit RGB. The caller frees *bytes. */
int image_encode(const struct image *image, uint8_t **bytes, size_t *size, struct error *why);
/* Writes the image to a PNG file, which is whole or absent. An existing file is replaced. */
int image_save(const struct image *image, const char *file, struct error *why);

void image_free(struct image *image);

#endif
