/* A recipe: what a result needs beside the layers. It belongs to a model (struct model) and gives options their defaults.
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

#endif
