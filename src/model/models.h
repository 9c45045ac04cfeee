/* The models of this program and their recipes: one file per model, listed in model.c. */
#ifndef MODELS_H
#define MODELS_H

#include "model.h"
#include "recipe.h"

extern const struct model model_tutorial;
extern const struct recipe recipe_tutorial;

#endif
