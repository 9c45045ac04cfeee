/* Lines of the start block, broken at 80 columns. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "start_block.h"

enum { LABEL = 17, WIDTH = 80 };

struct row row_begin(FILE *out, const char *label, const char *joint)
{
    fprintf(out, "  %-*s", LABEL - 2, label);
    return (struct row){.out = out, .column = LABEL, .joint = joint};
}

void row_add(struct row *row, size_t blanks, const char *word, size_t length)
{
    if (row->column == LABEL) {
        blanks = 0;
    } else if (row->column + blanks + length + strlen(row->joint) > WIDTH) {
        fprintf(row->out, "%s\n%*s", row->joint, LABEL, "");
        row->column = LABEL;
        blanks = 0;
    }
    fprintf(row->out, "%*s%.*s", (int)blanks, "", (int)length, word);
    row->column += blanks + length;
}

void start_block_line(FILE *out, const char *label, const char *format, ...)
{
    char text[16384];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    text_printable(text);
    struct row row = row_begin(out, label, "");
    for (const char *word = text; *word;) {
        size_t blanks = strspn(word, " "), length = strcspn(word + blanks, " ");
        row_add(&row, blanks, word + blanks, length);
        word += blanks + length;
    }
    fprintf(out, "\n");
}
