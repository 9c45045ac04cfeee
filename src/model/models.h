/* The models of this program: a file each, listed in model.c. */
#ifndef MODELS_H
#define MODELS_H

#include "model.h"

extern const struct model model_tutorial;

#endif
