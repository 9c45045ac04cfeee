/* A grid of texts, printed as a table if that fits, else as a block of lines for each row. */
#ifndef GRID_H
#define GRID_H

#include "error.h"

enum { GRID_COLUMNS_MAX = 12, GRID_TEXT = 256 };

struct grid {
    int columns, rows;
    const char *names[GRID_COLUMNS_MAX];
    char (*cells)[GRID_TEXT]; /* (rows, columns) */
};

/* Makes a grid of empty cells. */
int grid_init(struct grid *grid, int rows, struct error *why);
void grid_free(struct grid *grid);
/* Adds a column. The first one is aligned to the left, the others to the right. */
void grid_column(struct grid *grid, const char *name);
/* Sets the text of a row's cell in the last column: printf's. Control characters are replaced. */
void grid_set(struct grid *grid, int row, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Prints to standard output. */
void grid_print(const struct grid *grid, int width);

#endif
