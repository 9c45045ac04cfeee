/* Augmentations: how a training image is changed at random. A run has one list of them; the CPU's loader and a device draw from
 * it and apply it by the same text (src/data/augment.inc), so that both give the same bits.
 *
 *   list        struct augmentations   what the model's recipe (recipe.h) asks for, the same for all images
 *   draw        struct distortion      what becomes of one image: a function of (seed, position in the sample stream), drawn once
 *   application                        crop, flip, brightness, contrast, in this order; then each image is standardised
 *
 * To add one: a kind here, its draw in augment_place or augment_colour, its part of the application in augment.inc and, where it
 * moves pixels, in distort.c and kernels.images.inc. Every kind has words of its own in the draw, so a list's other kinds
 * draw the same numbers with and without it.
 *
 * This header is read by nvcc too: plain structs only. */
#ifndef AUGMENT_H
#define AUGMENT_H

#include <stdbool.h>
#include <stdint.h>

enum augmentation_kind {
    AUGMENT_CROP,       /* cut out at a random place; otherwise in the middle */
    AUGMENT_FLIP,       /* mirrored left to right, with probability `chance` */
    AUGMENT_BRIGHTNESS, /* a number from [low, low + span) is added, for values of 0 to 255 */
    AUGMENT_CONTRAST,   /* the distance to the channel's mean times a number from [low, low + span) */
    AUGMENTATIONS
};

struct augmentation {
    bool on;
    float chance;
    float low, span;
};

/* At most one of each kind. All zero: the middle of the image, as evaluation sees it. */
struct augmentations {
    struct augmentation of[AUGMENTATIONS]; /* by kind */
};

/* What is cut out of what: (height, width, channels) -> (crop_height, crop_width, channels). */
enum { FRAME_CHANNELS = 4 }; /* at most */
struct frame {
    int height, width, channels;
    int crop_height, crop_width;
};

struct distortion {
    int top, left; /* of the crop */
    bool flip;
    float brightness; /* added */
    float contrast;   /* factor about each channel's mean */
};

#endif
