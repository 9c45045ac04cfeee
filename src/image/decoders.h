/* The parts of image_decode (include/image.h): one decoder a file format, and what turns a picture upright. Those with
 * a `why` return 0, -1 or IMAGE_NO_MEMORY, as it does. */
#ifndef DECODERS_H
#define DECODERS_H

#include "image.h"

/* Takes memory for the pixels, after a check of the sizes, which come from a file. */
int image_reserve(struct image *image, uint32_t height, uint32_t width, struct error *why);

/* The decoders: pixels as the file stores them, and the orientation that it asks for, 1 to 8 (0: none). After an error the
 * caller frees the image. */
int jpeg_decode(struct image *image, const uint8_t *bytes, size_t size, int *orientation, struct error *why);
int png_decode(struct image *image, const uint8_t *bytes, size_t size, int *orientation, struct error *why);

/* The orientation, 1 to 8, in an EXIF block (a TIFF header, with or without "Exif" in front of it); in an XMP text; and in an
 * EXIF block as hexadecimal text, as older programs wrote it into PNG files (the text is spoilt). 0 where there is none or the
 * block is damaged. */
int exif_orientation(const uint8_t *bytes, size_t size);
int xmp_orientation(const char *text, size_t size);
int profile_orientation(char *text);

/* Turns and mirrors a picture of that orientation, so that it is upright: 0 and 1 change nothing. */
int image_turn(struct image *image, int orientation, struct error *why);

/* What a file that is no JPEG and no PNG is, by its first bytes, for the sentence: "a GIF image"; NULL where that is unknown. */
const char *image_other_kind(const uint8_t *bytes, size_t size);

#endif
