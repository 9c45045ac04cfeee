/* The start block: a short one in start_block.c, and what --verbose adds in start_block_verbose.c. Rank 0 only. */
#ifndef START_BLOCK_H
#define START_BLOCK_H

#include "run.h"

/* "  LABEL          text" (printf's, made printable): lines of at most 80 columns, broken at blanks. */
void start_block_line(const char *label, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Threads, how gradients are summed, the table of layers, how convolutions were chosen. Its lines may be longer than 80 columns. */
void start_block_verbose(const struct run *run);

/* A line that words are added to; `joint` ends it when it is full, and the next line continues it. */
struct row {
    size_t column;
    const char *joint;
};
struct row row_begin(const char *label, const char *joint);
/* A word that begins a line has no blanks before it. */
void row_add(struct row *row, size_t blanks, const char *word, size_t length);

#endif
