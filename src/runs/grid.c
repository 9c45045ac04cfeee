#include "grid.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 2, SHORTEST = 16 }; /* columns between two cells; width to which the first column may be cut so that the table fits */

int grid_init(struct grid *grid, int rows, struct error *why)
{
    *grid = (struct grid){.rows = rows};
    grid->cells = memory_new((size_t)rows * GRID_COLUMNS_MAX, sizeof *grid->cells, "the table", why);
    return grid->cells ? 0 : -1;
}

void grid_free(struct grid *grid)
{
    free(grid->cells);
    *grid = (struct grid){0};
}

void grid_column(struct grid *grid, const char *name)
{
    grid->names[grid->columns++] = name;
}

static char *cell_of(const struct grid *grid, int row, int column)
{
    return grid->cells[row * GRID_COLUMNS_MAX + column];
}

void grid_set(struct grid *grid, int row, const char *format, ...)
{
    char *cell = cell_of(grid, row, grid->columns - 1);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(cell, GRID_TEXT, format, arguments);
    va_end(arguments);
    text_printable(cell);
    cell[text_fit(cell, GRID_TEXT - 1)] = 0;
}

/* The width of a UTF-8 text in a terminal: one column a character. */
static int width_of_text(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static int widths_find(const struct grid *grid, int widths[GRID_COLUMNS_MAX])
{
    int sum = 0;
    for (int column = 0; column < grid->columns; column++) {
        widths[column] = width_of_text(grid->names[column]);
        for (int row = 0; row < grid->rows; row++) {
            int width = width_of_text(cell_of(grid, row, column));
            widths[column] = width > widths[column] ? width : widths[column];
        }
        sum += widths[column] + (column ? GAP : 0);
    }
    return sum;
}

/* Prints the text. If it is too long, prints "..." and its end, because names differ more often there than at the beginning. */
static void print_cell(const char *text, int column, int width)
{
    int blanks = width - width_of_text(text);
    const char *cut = blanks < 0 ? "..." : "";
    for (int left_out = 3 - blanks; blanks < 0 && left_out > 0; left_out--)
        for (text++; ((unsigned char)*text & 0xC0) == 0x80;)
            text++;
    blanks = blanks < 0 ? 0 : blanks;
    printf("%*s%s%s%*s", column ? GAP + blanks : 0, "", cut, text, column ? 0 : blanks, "");
}

static void print_as_table(const struct grid *grid, const int widths[GRID_COLUMNS_MAX])
{
    for (int row = -1; row < grid->rows; row++) {
        for (int column = 0; column < grid->columns; column++)
            print_cell(row < 0 ? grid->names[column] : cell_of(grid, row, column), column, widths[column]);
        printf("\n");
    }
}

static void print_as_blocks(const struct grid *grid)
{
    for (int row = 0; row < grid->rows; row++) {
        printf("%s%s\n", row ? "\n" : "", cell_of(grid, row, 0));
        for (int column = 1; column < grid->columns; column++)
            printf("  %-14s %s\n", grid->names[column], cell_of(grid, row, column));
    }
}

void grid_print(const struct grid *grid, int width)
{
    int widths[GRID_COLUMNS_MAX], excess = widths_find(grid, widths) - width;
    if (excess > 0 && widths[0] - excess >= SHORTEST) {
        widths[0] -= excess;
        excess = 0;
    }
    if (excess <= 0)
        print_as_table(grid, widths);
    else
        print_as_blocks(grid);
}
