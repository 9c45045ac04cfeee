/* Progress: one line on standard error that shows a person how far something is. Training, packing, downloading and evaluating all
 * draw theirs here. Nothing is drawn where standard error is no terminal.
 *
 *   progress_open(&p)                    once
 *   progress_begin(&p)                   before each thing that takes a while
 *   progress_count(&p, ...)              again and again: draws at most ten times a second
 *   progress_clear(&p)                   at its end, and before anything else is printed
 *
 * A line of other items: where progress_due says so, progress_item for each, the most important first, then progress_draw. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    int terminal; /* descriptor of the terminal that standard error goes to; 0: there is none */
    bool shared;  /* standard output goes there too */
    bool drawn;   /* a line stands there now */
    double started, drawn_at; /* seconds, monotonic: of the first call, of the last drawing */
    int64_t first;            /* the count at the first call */
};

/* What erases the line. */
#define PROGRESS_ERASE "\r\033[K"

/* Looks for the terminal: our own, or behind mpirun the launcher's. */
void progress_open(struct progress *progress);
void progress_begin(struct progress *progress);
void progress_clear(struct progress *progress);

/* Draws "WHAT 1200/5000 UNIT, 340 UNIT/s, 11s left". Counts are divided by `scale`, and have a decimal if that is above 1.
 * total 0: unknown. */
void progress_count(struct progress *progress, const char *what, const char *unit, double scale, int64_t done, int64_t total);
/* Draws the text, cut to the terminal's width. */
void progress_text(struct progress *progress, const char *text);

/* A line of items, separated by commas: as many whole ones, from the first on, as fit the terminal. */
struct progress_line {
    char text[512];
    int length, width;
    bool full;
};

/* Whether a line should be drawn now, which then begins; never at the first call, from which on rates are measured. */
bool progress_due(struct progress *progress, int64_t done, struct progress_line *line);
void progress_item(struct progress_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "12m 05s left", at the rate so far. */
void progress_left(const struct progress *progress, struct progress_line *line, int64_t done, int64_t total);
void progress_draw(struct progress *progress, const struct progress_line *line);

#endif
