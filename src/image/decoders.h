/* The parts of image_decode (include/image.h): a decoder for each file format, and the functions that turn a picture upright.
 * Functions with a `why` return 0, -1 or IMAGE_NO_MEMORY, as image_decode does. */
#ifndef DECODERS_H
#define DECODERS_H

#include "image.h"

/* Checks the sizes, which come from a file, and allocates the pixels. */
int image_reserve(struct image *image, uint32_t height, uint32_t width, struct error *why);

/* The decoders. They give the pixels as stored in the file, and its EXIF orientation, 1 to 8 (0: none). The caller frees the image,
 * even after an error. */
int jpeg_decode(struct image *image, const uint8_t *bytes, size_t size, int *orientation, struct error *why);
int png_decode(struct image *image, const uint8_t *bytes, size_t size, int *orientation, struct error *why);

/* The orientation, 1 to 8, from an EXIF block (a TIFF header, with or without "Exif" in front), from an XMP text, or from an EXIF
 * block as hexadecimal text, which older programs wrote into PNG files (the text is overwritten). 0 if it is absent or the block is
 * damaged. */
int exif_orientation(const uint8_t *bytes, size_t size);
int xmp_orientation(const char *text, size_t size);
int profile_orientation(char *text);

/* Rotates and mirrors a picture with this orientation so that it is upright; 0 and 1 change nothing. */
int image_turn(struct image *image, int orientation, struct error *why);

/* What a file of another kind is, by its first bytes, for an error sentence: "a GIF image"; NULL if unknown. */
const char *image_other_kind(const uint8_t *bytes, size_t size);

#endif
