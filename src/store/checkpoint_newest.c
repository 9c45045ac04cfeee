/* Finds the newest whole checkpoint of a directory; damaged ones are skipped. */
#include <stdlib.h>
#include <string.h>

#include "store.h"

static int newest_listed(const char *directory, char *file, size_t size, struct error *skipped, struct error *why)
{
    uint64_t *steps;
    int count, status = 0;
    file[0] = skipped->text[0] = 0;
    if (checkpoint_list(directory, &steps, &count, why))
        return -1;
    for (int i = 0; i < count; i++) {
        checkpoint_name(directory, steps[i], file, size);
        status = checkpoint_check(file, why);
        if (status != CHECKPOINT_DAMAGED)
            break;
        bool said = skipped->text[0] != '\0';
        size_t known = strlen(directory);
        known = said && !strncmp(why->text, directory, known) && why->text[known] ? known + 1 : 0; /* name the directory once */
        error_add(skipped, "%s%s", said ? "; " : "", why->text + known);
    }
    free(steps);
    if (status == CHECKPOINT_DAMAGED)
        error_set(why, "%s: no checkpoint there is whole: %s", directory, skipped->text);
    return status;
}

int checkpoint_newest(const char *directory, char *file, size_t size, struct error *skipped, struct error *why)
{
    int status;
    do
        status = newest_listed(directory, file, size, skipped, why);
    while (status == -1 && file[0] && checkpoint_is_gone(file));
    if (skipped->text[0])
        error_in(skipped, "skipping a damaged checkpoint");
    return status;
}
