#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "decoders.h"

struct tiff {
    const uint8_t *bytes;
    size_t size;
    bool big_endian;
};

/* A number of 2 or 4 bytes; 0 where it does not lie within the block. */
static uint32_t tiff_number(const struct tiff *tiff, size_t at, size_t size)
{
    uint32_t number = 0;
    if (at > tiff->size || size > tiff->size - at)
        return 0;
    for (size_t i = 0; i < size; i++)
        number |= (uint32_t)tiff->bytes[at + i] << 8 * (tiff->big_endian ? size - 1 - i : i);
    return number;
}

/* The value of an entry, which is whole: tag, type, count, value. Of several values the first counts. */
static uint32_t tiff_value(const struct tiff *tiff, size_t entry)
{
    enum { SHORT = 3, LONG = 4 };
    uint32_t type = tiff_number(tiff, entry + 2, 2), count = tiff_number(tiff, entry + 4, 4);
    if (type == SHORT && (count == 1 || count == 2))
        return tiff_number(tiff, entry + 8, 2);
    return type == LONG && count == 1 ? tiff_number(tiff, entry + 8, 4) : 0;
}

/* A TIFF header leads to the first directory: its number of entries, then the entries. */
int exif_orientation(const uint8_t *bytes, size_t size)
{
    enum { ORIENTATION = 0x112, ENTRY = 12 };
    if (size < 8 || (memcmp(bytes, "II*", 4) && memcmp(bytes, "MM\0*", 4)))
        return 1;
    const struct tiff tiff = {bytes, size, bytes[0] == 'M'};
    size_t directory = tiff_number(&tiff, 4, 4), entries = tiff_number(&tiff, directory, 2);
    for (size_t entry = directory + 2; entries > 0 && entry + ENTRY <= size; entries--, entry += ENTRY)
        if (tiff_number(&tiff, entry, 2) == ORIENTATION) {
            uint32_t value = tiff_value(&tiff, entry);
            return value >= 1 && value <= 8 ? (int)value : 1;
        }
    return 1;
}

/* EXIF's orientation says at which sides of the upright picture the first stored row and column lie: from 5 on, rows of the
 * one are columns of the other. */
int image_turn(struct image *image, int orientation, struct error *why)
{
    bool swapped = orientation >= 5;
    bool last_row_first = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    bool last_column_first = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    if (orientation == 1)
        return 0;
    struct image upright = {swapped ? image->width : image->height, swapped ? image->height : image->width, NULL};
    uint8_t *to = memory_new((size_t)upright.height * (size_t)upright.width, IMAGE_CHANNELS, "its pixels, turned", why);
    if (!to)
        return -1;
    upright.pixels = to;
    for (int y = 0; y < upright.height; y++)
        for (int x = 0; x < upright.width; x++, to += IMAGE_CHANNELS) {
            int row = swapped ? x : y, column = swapped ? y : x;
            row = last_row_first ? image->height - 1 - row : row;
            column = last_column_first ? image->width - 1 - column : column;
            memcpy(to, image->pixels + ((size_t)row * (size_t)image->width + (size_t)column) * IMAGE_CHANNELS, IMAGE_CHANNELS);
        }
    free(image->pixels);
    *image = upright;
    return 0;
}
