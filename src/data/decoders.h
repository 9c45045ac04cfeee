/* The parts of image_decode (include/image.h): one decoder a file format, and what turns a picture upright. */
#ifndef DECODERS_H
#define DECODERS_H

#include "image.h"

/* Takes memory for the pixels, after a check of the sizes, which come from a file. */
int image_reserve(struct image *image, uint32_t height, uint32_t width, struct error *why);

/* The decoders: pixels as the file stores them, and the EXIF orientation that the file asks for (1 where it asks for none).
 * After an error the caller frees the image. */
int jpeg_decode(struct image *image, const uint8_t *bytes, size_t size, int *orientation, struct error *why);
int png_decode(struct image *image, const uint8_t *bytes, size_t size, int *orientation, struct error *why);

/* The orientation, 1 to 8, in an EXIF block, which begins with its TIFF header; 1 where it has none or is damaged. */
int exif_orientation(const uint8_t *bytes, size_t size);

/* Turns and mirrors a picture whose EXIF orientation is 1 to 8, so that it is upright: 1 changes nothing. */
int image_turn(struct image *image, int orientation, struct error *why);

/* What a file that is no JPEG and no PNG is, by its first bytes, for the sentence: "a GIF image"; NULL where that is unknown. */
const char *image_other_kind(const uint8_t *bytes, size_t size);

#endif
