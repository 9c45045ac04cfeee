#include <stdio.h>
#include <string.h>

#include "models.h"

static const struct {
    const struct model *model;
    const struct recipe *recipe;
} models[] = {
    {&model_tutorial, &recipe_tutorial},
};

enum { MODELS = sizeof models / sizeof *models };

const struct model *model_find(const char *name, struct error *why)
{
    char known[512] = "";
    for (int i = 0; i < MODELS; i++) {
        if (!strcmp(models[i].model->name, name))
            return models[i].model;
        size_t length = strlen(known);
        snprintf(known + length, sizeof known - length, "%s%s", i ? ", " : "", models[i].model->name);
    }
    error_set(why, "--model %s: there is no such model (there is: %s)", name, known);
    return NULL;
}

const struct recipe *recipe_find(const char *model)
{
    for (int i = 0; i < MODELS; i++)
        if (!strcmp(models[i].model->name, model))
            return models[i].recipe;
    return &recipe_tutorial;
}
