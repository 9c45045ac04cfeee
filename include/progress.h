/* Progress: one line on standard error that shows how far a task has come. Training, packing, downloading and evaluating all draw
 * theirs here. Nothing is drawn if standard error is not a terminal.
 *
 *   progress_open(&p)                    once
 *   progress_begin(&p)                   before each long task
 *   progress_count(&p, ...)              as often as you like: draws at most ten times a second
 *   progress_clear(&p)                   at the end of the task, and before anything else is printed
 *
 * For a line of other items: if progress_due returns true, call progress_item for each, the most important first, then
 * progress_draw. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    int terminal; /* descriptor of the terminal that standard error goes to; 0: none */
    bool shared;  /* standard output goes to that terminal too */
    bool drawn;   /* a progress line is on the terminal now */
    double started, drawn_at; /* seconds, monotonic: of the first call, of the last drawing */
    int64_t first;            /* the count at the first call */
};

/* Erases the line. */
#define PROGRESS_ERASE "\r\033[K"

/* Finds the terminal: our own, or the launcher's under mpirun. */
void progress_open(struct progress *progress);
void progress_begin(struct progress *progress);
void progress_clear(struct progress *progress);

/* Draws "WHAT 1200/5000 UNIT, 340 UNIT/s, 11s left". Counts are divided by `scale` and printed with one decimal if it is above 1.
 * total 0: unknown. */
void progress_count(struct progress *progress, const char *what, const char *unit, double scale, int64_t done, int64_t total);
/* Draws the text, cut to the terminal's width. */
void progress_text(struct progress *progress, const char *text);

/* A line of items, separated by commas. Items from the first one that does not fit the terminal on are left out. */
struct progress_line {
    char text[512];
    int length, width;
    bool full;
};

/* Whether a line should be drawn now; if so, makes `line` an empty one. The first call after progress_begin returns false: it
 * starts the clock for rates. */
bool progress_due(struct progress *progress, int64_t done, struct progress_line *line);
void progress_item(struct progress_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "12m 05s left", at the rate so far. */
void progress_left(const struct progress *progress, struct progress_line *line, int64_t done, int64_t total);
void progress_draw(struct progress *progress, const struct progress_line *line);

#endif
