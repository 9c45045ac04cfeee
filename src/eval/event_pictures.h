/* The pictures that an evaluation gives TensorBoard. The caller frees each image (image_free), even after an error. */
#ifndef EVENT_PICTURES_H
#define EVENT_PICTURES_H

#include "counter.h"
#include "image.h"

/* A row for each label, a column for each prediction: the darker, the larger the share of the label's images. Few classes also have
 * their names and the shares in percent. `confusion` (label, prediction) counts the images. */
int confusion_draw(struct image *picture, const struct dataset *dataset, const int64_t *confusion, struct error *why);

/* The images of these rows, each above its label, the prediction and its probability. */
int mistakes_draw(struct image *picture, const struct dataset *dataset, const struct classified *rows, int count,
                  struct error *why);

#endif
