/* Reads an image file as the net's input. */
#ifndef PICTURE_H
#define PICTURE_H

#include "augment.h"
#include "image.h"

/* Resizes the image to the frame's height and width as pack does, then crops and standardises it as evaluation does.
 * input: (crop_height, crop_width, IMAGE_CHANNELS). */
int picture_read(float *input, const char *file, const struct frame *frame, enum resize resize, struct error *why);

#endif
