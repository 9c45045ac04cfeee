/* Picture: an image file as the net's input. */
#ifndef PICTURE_H
#define PICTURE_H

#include "augment.h"
#include "image.h"

/* Resized to the frame's height and width as the packer does it, then the crop of evaluation, standardised:
 * input (crop_height, crop_width, IMAGE_CHANNELS). */
int picture_read(float *input, const char *file, const struct frame *frame, enum resize resize, struct error *why);

#endif
