/* A recipe: what a result needs beside the layers. Each model has one in its file in src/model, and options take their defaults
 * from it.
 *
 * To add a value: a member here, a member of the same name and type in struct options, and a row in src/options/flag.c whose
 * default is FROM_RECIPE. */
#ifndef RECIPE_H
#define RECIPE_H

#include <stdint.h>

struct recipe {
    int64_t batch_size;     /* images per rank and step */
    int64_t max_steps;      /* length of a run, steps */
    double epochs;          /* length of a run, epochs; used instead of max_steps where it is above 0 */
    double learning_rate;   /* at the start */
    double lr_decay_factor; /* multiplies the rate every lr_decay_epochs epochs */
    double lr_decay_epochs;
    double ema_decay;       /* of the parameters' moving averages */
};

/* The recipe of the model of that name; the tutorial's where there is no such model. */
const struct recipe *recipe_find(const char *model);

#endif
