#include "paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The next line of standard input; NULL at its end. Empty lines are skipped. */
static const char *next_line(struct path_list *list, struct error *why)
{
    ssize_t length;
    errno = 0;
    while ((length = getline(&list->line, &list->size, stdin)) > 0) {
        list->line[strcspn(list->line, "\n")] = '\0';
        if (list->line[0])
            return list->line;
    }
    if (!feof(stdin))
        error_set(why, "standard input cannot be read: %s", strerror(errno));
    return NULL;
}

/* NULL at the end of the list, or with a sentence after a failure. */
static const char *next_name(struct path_list *list, struct error *why)
{
    why->text[0] = '\0';
    while (list->next < list->count) {
        const char *word = list->words[list->next];
        list->reading = !strcmp(word, "-");
        const char *name = list->reading ? next_line(list, why) : word;
        if (!name && why->text[0])
            return NULL;
        if (!list->reading || !name)
            list->next++;
        if (name)
            return name;
    }
    return NULL;
}

int paths_reserve(struct paths *paths, size_t bytes, struct error *why)
{
    if (bytes <= paths->size)
        return 0;
    char *text = realloc(paths->text, 2 * bytes);
    if (!text)
        return error_set(why, "there is no memory for %zu bytes of file names", 2 * bytes);
    paths->text = text;
    paths->size = 2 * bytes;
    return 0;
}

int paths_take(struct paths *paths, struct path_list *list, int most, struct error *why)
{
    paths->count = 0;
    paths->bytes = 0;
    for (const char *name; paths->count < most && (name = next_name(list, why));) {
        size_t bytes = strlen(name) + 1;
        if (paths_reserve(paths, paths->bytes + bytes, why))
            return -1;
        memcpy(paths->text + paths->bytes, name, bytes);
        paths->bytes += bytes;
        paths->count++;
    }
    return paths->count < most && why->text[0] ? -1 : 0;
}

const char *path_next(const char *name)
{
    return name + strlen(name) + 1;
}
