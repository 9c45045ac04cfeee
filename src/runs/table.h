/* A CSV file in memory: a line of column names, then rows. Cells are not quoted. */
#ifndef TABLE_H
#define TABLE_H

#include "error.h"

enum { TABLE_COLUMNS_MAX = 64 };

struct table {
    char *text; /* the file; commas and newlines have become zeros */
    const char *names[TABLE_COLUMNS_MAX];
    const char **cells; /* (rows, columns), pointing into `text`; "" where a row ends before the last column */
    int columns, rows;
    int damaged; /* rows that were left out because they have too few or too many cells */
};

/* Reads the table from `text`, which now belongs to it, on failure too. header: the line of names, if the text has none; else NULL.
 * first: a column without which the table counts as damaged. least: the smallest number of cells of a row. A last line
 * without a newline is still being written and is left out. text NULL: an empty table. */
int table_read(struct table *table, char *text, const char *header, const char *first, int least, struct error *why);
/* A zeroed table may be freed. */
void table_free(struct table *table);

/* The index of the column of that name; -1: there is none. */
int table_column(const struct table *table, const char *name);
/* "" if there is no such column (-1). */
const char *table_text(const struct table *table, int row, int column);
/* NaN if the cell is not a number. */
double table_number(const struct table *table, int row, int column);

#endif
