/* The names of image files: words of the command line, and lines of standard input in place of the word "-". */
#ifndef PATHS_H
#define PATHS_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

/* Rank 0 reads names one after the other, so a list may be of any length. */
struct path_list {
    char **words;
    int count, next;
    bool reading; /* in the middle of standard input */
    char *line;   /* the last one read; size: its memory, in bytes */
    size_t size;
};

/* Some names, one after the other, each with its terminating zero. */
struct paths {
    char *text;
    size_t bytes, size; /* used; allocated */
    int count;
};

/* Replaces the names by the next ones of the list, at most `most`; count 0 at the end of the list. May wait for standard input. */
int paths_take(struct paths *paths, struct path_list *list, int most, struct error *why);
/* Makes room for bytes. */
int paths_reserve(struct paths *paths, size_t bytes, struct error *why);
/* The name after this one. */
const char *path_next(const char *name);

#endif
