#include "sheet.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "error.h"

enum { LEFT = 19, NARROW = 60, BAR = 24 }; /* columns: of the names; of a terminal too narrow for them; of a whole bar */

void sheet_add(struct sheet *sheet, const char *section, const char *name, double share, const char *format, ...)
{
    if (sheet->count == SHEET_MOST)
        return;
    struct sheet_fact *fact = &sheet->facts[sheet->count++];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fact->text, sizeof fact->text, format, arguments);
    va_end(arguments);
    text_printable(fact->text);
    fact->text[text_fit(fact->text, sizeof fact->text - 1)] = 0;
    fact->section = section;
    fact->share = share;
    snprintf(fact->name, sizeof fact->name, "%s", name);
}

/* ---- in a terminal ---- */

int sheet_width(void)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    int width = columns ? atoi(columns) : 0;
    if (width <= 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        width = size.ws_col;
    return width > 0 ? (width < 20 ? 20 : width) : 80;
}

/* The width of a UTF-8 text in a terminal: one column a character. */
static int columns_of(const char *text, size_t bytes)
{
    int columns = 0;
    for (size_t i = 0; i < bytes; i++)
        columns += ((unsigned char)text[i] & 0xC0) != 0x80;
    return columns;
}

/* Prints the text from column `left` on, broken at blanks. */
static void print_broken(const char *text, FILE *stream, int left, int width)
{
    int column = left;
    for (const char *word = text; *word;) {
        size_t blanks = strspn(word, " "), length = strcspn(word + blanks, " ");
        int columns = columns_of(word + blanks, length);
        if (column > left && column + (int)blanks + columns > width) {
            fprintf(stream, "\n%*s", left, "");
            column = left;
            blanks = 0;
            word += strspn(word, " ");
        }
        fprintf(stream, "%.*s", (int)(blanks + length), word);
        column += (int)blanks + columns;
        word += blanks + length;
    }
    fprintf(stream, "\n");
}

void sheet_line(const char *name, const char *text, FILE *stream, int width)
{
    int left = !*name ? 2 : width < NARROW ? 4 : LEFT;
    fprintf(stream, "  %-*s", left == LEFT ? LEFT - 3 : 0, name);
    if (left == 4)
        fprintf(stream, "\n   ");
    fprintf(stream, *name ? " " : "");
    print_broken(text, stream, left, width);
}

/* A share is a row of numbers, short enough for any terminal; in a wide one a bar follows. */
static void print_share(const struct sheet_fact *fact, FILE *stream, int width)
{
    char bar[BAR + 1] = "";
    if (width >= 80)
        memset(bar, '#', (size_t)lround(BAR * fmin(1, fact->share)));
    fprintf(stream, "  %-*s %s%s%s\n", LEFT - 3, fact->name, fact->text, *bar ? "  " : "", bar);
}

void sheet_print(const struct sheet *sheet, FILE *stream, int width)
{
    const char *section = "";
    print_broken(sheet->title, stream, 0, width);
    for (int i = 0; i < sheet->count; i++) {
        if (strcmp(section, sheet->facts[i].section)) {
            section = sheet->facts[i].section;
            fprintf(stream, "\n");
            print_broken(section, stream, 0, width);
        }
        if (sheet->facts[i].share >= 0)
            print_share(&sheet->facts[i], stream, width);
        else
            sheet_line(sheet->facts[i].name, sheet->facts[i].text, stream, width);
    }
}

/* ---- as HTML ---- */

void html_text(const char *text, FILE *stream)
{
    for (; *text; text++)
        switch (*text) {
        case '<': fputs("&lt;", stream); break;
        case '>': fputs("&gt;", stream); break;
        case '&': fputs("&amp;", stream); break;
        case '"': fputs("&quot;", stream); break;
        default: fputc(*text, stream);
        }
}

void sheet_html(const struct sheet *sheet, FILE *stream)
{
    const char *section = "";
    for (int i = 0; i < sheet->count; i++) {
        const struct sheet_fact *fact = &sheet->facts[i];
        if (strcmp(section, fact->section)) {
            fprintf(stream, "%s<h2>", *section ? "</table>\n" : "");
            html_text(fact->section, stream);
            fputs("</h2>\n<table>\n", stream);
            section = fact->section;
        }
        fputs("<tr>", stream);
        if (*fact->name) {
            fputs("<th>", stream);
            html_text(fact->name, stream);
            fputs("</th>", stream);
        }
        fprintf(stream, "<td%s>", *fact->name ? "" : " colspan=2");
        html_text(fact->text, stream);
        if (fact->share > 0)
            fprintf(stream, "<div class=bar style='width:%.1f%%'></div>", 100 * fmin(1, fact->share));
        fputs("</td></tr>\n", stream);
    }
    fputs(*section ? "</table>\n" : "", stream);
}

void duration_text(double seconds, char text[32])
{
    double minutes = floor(seconds / 60 + 1.0 / 120), hours = floor(minutes / 60);
    if (!(seconds >= 0))
        snprintf(text, 32, "-");
    else if (seconds < 1)
        snprintf(text, 32, "%.2f ms", 1e3 * seconds);
    else if (seconds < 99.95)
        snprintf(text, 32, "%.1f s", seconds);
    else if (hours < 1)
        snprintf(text, 32, "%.0f min %02.0f s", floor(seconds / 60), floor(fmod(seconds, 60)));
    else
        snprintf(text, 32, "%.0f h %02.0f min", hours, minutes - 60 * hours);
}
