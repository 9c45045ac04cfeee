/* A sheet: facts in sections, printed in a terminal or as HTML. */
#ifndef SHEET_H
#define SHEET_H

#include <stdio.h>

enum { SHEET_MOST = 64 };

struct sheet {
    char title[1200];
    struct sheet_fact {
        const char *section; /* facts of one section follow each other */
        char name[40], text[1200];
        double share; /* 0 to 1: drawn as a bar; negative: no bar */
    } facts[SHEET_MOST];
    int count;
};

/* Adds a fact; its text is printf's, control characters are replaced. Facts beyond SHEET_MOST are left out. */
void sheet_add(struct sheet *sheet, const char *section, const char *name, double share, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Prints the sheet in lines of at most `width` columns. */
void sheet_print(const struct sheet *sheet, FILE *stream, int width);
/* Prints one line of a sheet: a name, and a text that is broken at blanks. */
void sheet_line(const char *name, const char *text, FILE *stream, int width);
/* Writes a heading and a table for each section. */
void sheet_html(const struct sheet *sheet, FILE *stream);
/* Writes the text, with the characters that mean something in HTML replaced. */
void html_text(const char *text, FILE *stream);

/* The columns of the terminal that standard output goes to, or those that COLUMNS says; 80 if both are unknown. */
int sheet_width(void);

/* Seconds in two units at most, such as "1 h 04 min", "12.3 s", "4.56 ms". */
void duration_text(double seconds, char text[32]);

#endif
