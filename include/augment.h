/* Augmentations: random changes to training images. A run has one list of them. The CPU's loader and devices draw and apply them
 * with the same source (src/data/augment.inc), so that both give the same bits.
 *
 *   list        struct augmentations   what the model's recipe (recipe.h) asks for, the same for all images
 *   draw        struct distortion      the changes to one image: a function of (seed, position in the sample stream), drawn once
 *   application                        crop, flip, brightness, contrast, in this order; then each image is standardised
 *
 * To add one: a kind here, its draw in augment_place or augment_colour, its part of the application in augment.inc and, if it
 * moves pixels, in distort.c and kernels.images.inc. Every kind uses its own random words, so adding or removing one does not
 * change what the others draw.
 *
 * nvcc compiles this header, too: plain structs only. */
#ifndef AUGMENT_H
#define AUGMENT_H

#include <stdbool.h>
#include <stdint.h>

enum augmentation_kind {
    AUGMENT_CROP,       /* cut out at a random place; if off, in the middle */
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

/* The sizes of an image and its crop: (height, width, channels) -> (crop_height, crop_width, channels). */
enum { FRAME_CHANNELS = 4 }; /* at most */
struct frame {
    int height, width, channels;
    int crop_height, crop_width;
};

struct distortion {
    int top, left; /* of the crop */
    bool flip;
    float brightness; /* added */
    float contrast;   /* factor by which the distance to the channel's mean is multiplied */
};

#endif
