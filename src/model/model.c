#include <stdio.h>
#include <string.h>

#include "models.h"

static const struct model *const models[] = {
    &model_tutorial,
};

enum { MODELS = sizeof models / sizeof *models };

const struct model *model_find(const char *name, struct error *why)
{
    char known[512] = "";
    for (int i = 0; i < MODELS; i++) {
        if (!strcmp(models[i]->name, name))
            return models[i];
        size_t length = strlen(known);
        snprintf(known + length, sizeof known - length, "%s%s", i ? ", " : "", models[i]->name);
    }
    error_set(why, "--model %s: there is no such model (there is: %s)", name, known);
    return NULL;
}
