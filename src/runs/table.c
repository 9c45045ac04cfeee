#include "table.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Cuts the line at its commas. cells: TABLE_COLUMNS_MAX of them; returns how many there are, or more than fit. */
static int cells_of(char *line, const char **cells)
{
    int count = 0;
    for (char *next = line; next && count <= TABLE_COLUMNS_MAX; count++) {
        char *cell = strsep(&next, ",");
        cell[strcspn(cell, "\r")] = 0;
        if (count < TABLE_COLUMNS_MAX)
            cells[count] = cell;
    }
    return count;
}

/* The next whole line of *rest; NULL: there is none. */
static char *line_next(char **rest)
{
    char *line = *rest, *end = strchr(line, '\n');
    if (!end)
        return NULL;
    *end = 0;
    *rest = end + 1;
    return line;
}

static size_t line_count(const char *text)
{
    size_t count = 0;
    for (; (text = strchr(text, '\n')); text++)
        count++;
    return count;
}

static void rows_read(struct table *table, char *rest, int least)
{
    for (char *line; (line = line_next(&rest));) {
        const char *cells[TABLE_COLUMNS_MAX];
        int count = cells_of(line, cells);
        if (count < least || count > table->columns) {
            table->damaged++;
            continue;
        }
        for (int i = 0; i < table->columns; i++)
            table->cells[table->rows * table->columns + i] = i < count ? cells[i] : "";
        table->rows++;
    }
}

int table_read(struct table *table, char *text, const char *header, const char *first, int least, struct error *why)
{
    *table = (struct table){.text = text};
    if (!text || !*text)
        return 0;
    if (header) { /* put it in front, so that there is one way to read a table */
        char *whole = NULL;
        bool failed = asprintf(&whole, "%s\n%s", header, text) < 0;
        free(text);
        table->text = failed ? NULL : whole;
        if (failed)
            return error_set(why, "there is no memory for a table");
    }
    char *rest = table->text, *line = line_next(&rest);
    table->columns = line ? cells_of(line, table->names) : 0;
    if (table->columns > TABLE_COLUMNS_MAX || table_column(table, first) < 0) {
        table_free(table);
        return error_set(why, "is damaged: its first line does not name the column '%s'", first);
    }
    table->cells = memory_new(line_count(rest) * (size_t)table->columns + 1, sizeof *table->cells, "a table", why);
    if (!table->cells) {
        table_free(table);
        return -1;
    }
    rows_read(table, rest, least);
    return 0;
}

void table_free(struct table *table)
{
    free(table->text);
    free(table->cells);
    *table = (struct table){0};
}

int table_column(const struct table *table, const char *name)
{
    for (int i = 0; i < table->columns && i < TABLE_COLUMNS_MAX; i++)
        if (!strcmp(table->names[i], name))
            return i;
    return -1;
}

const char *table_text(const struct table *table, int row, int column)
{
    return column < 0 ? "" : table->cells[row * table->columns + column];
}

double table_number(const struct table *table, int row, int column)
{
    const char *text = table_text(table, row, column);
    char *end;
    double value = strtod(text, &end);
    return end == text || *end ? NAN : value;
}
