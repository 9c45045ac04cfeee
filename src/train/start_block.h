/* The start block: a short one in start_block.c, and what --verbose adds in start_block_verbose.c. Rank 0 only. All functions print
 * to `out`. */
#ifndef START_BLOCK_H
#define START_BLOCK_H

#include <stdio.h>

#include "run.h"

/* Prints "  LABEL          text" in lines of at most 80 columns, broken at blanks. Control characters are replaced. */
void start_block_line(FILE *out, const char *label, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Threads, how gradients are summed, the table of layers, how convolutions were chosen. Its lines may be longer than 80 columns. */
void start_block_verbose(FILE *out, const struct run *run);

/* A line that is built word by word. When it is full, `joint` is printed at its end and a new line begins. */
struct row {
    FILE *out;
    size_t column;
    const char *joint;
};
struct row row_begin(FILE *out, const char *label, const char *joint);
/* Adds a word, with `blanks` before it unless it begins a line. */
void row_add(struct row *row, size_t blanks, const char *word, size_t length);

#endif
