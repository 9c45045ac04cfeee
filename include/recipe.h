/* A recipe: the training settings that belong to a model. It stands in the model's file in src/model, and options take their
 * defaults from it.
 *
 * To add a value that an option can change: a member here, a member of the same name and type in struct options, and a row in
 * src/options/flag.c whose default is FROM_RECIPE. */
#ifndef RECIPE_H
#define RECIPE_H

#include <stdint.h>

#include "augment.h"

struct recipe {
    int64_t batch_size;     /* images per rank and step */
    int64_t max_steps;      /* length of a run, steps */
    double epochs;          /* length of a run, epochs; replaces max_steps if above 0 */
    double learning_rate;   /* at the start */
    double lr_decay_factor; /* multiplies the rate every lr_decay_epochs epochs */
    double lr_decay_epochs;
    double ema_decay;       /* of the parameters' moving averages */
    struct augmentations augmentations; /* of the training images; no option changes them */
};

/* The recipe of the model of that name; the tutorial's if there is no such model. */
const struct recipe *recipe_find(const char *model);

#endif
