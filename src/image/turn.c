#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "decoders.h"

/* EXIF's orientation says on which sides of the upright picture the first stored row and column belong. From 5 on, stored rows are
 * columns of the upright picture. */
int image_turn(struct image *image, int orientation, struct error *why)
{
    bool swapped = orientation >= 5;
    bool last_row_first = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    bool last_column_first = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    if (orientation < 2)
        return 0;
    struct image upright = {swapped ? image->width : image->height, swapped ? image->height : image->width, NULL};
    uint8_t *to = memory_new((size_t)upright.height * (size_t)upright.width, IMAGE_CHANNELS, "its pixels, turned", why);
    if (!to)
        return IMAGE_NO_MEMORY;
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
