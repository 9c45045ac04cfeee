/* Progress: one line on standard error that shows how far a task has come. Training, packing, downloading and evaluating all draw
 * theirs here:
 *
 *   epoch 3/128  12%|█████▎              | 1200/10000 [00:40<04:53, loss 1.23, precision 0.56, 4020 images/s]
 *
 * [time since the task began < time left, ...]. On a terminal the line is redrawn in place; what does not fit its width is left
 * out. The bar is made of # if the locale is not UTF-8. There are no colours, with or without NO_COLOR.
 *
 *   progress_open(&p, choice)            once; nothing is drawn by a zeroed struct
 *   progress_begin(&p)                   before each long task
 *   progress_count(&p, ...)              as often as you like: draws at most ten times a second
 *   progress_clear(&p)                   at the end of the task, and before anything else is printed
 *
 * For a line of other items: if progress_due returns true, call progress_times, progress_item and progress_head, the most important
 * first, then progress_draw. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* --progress */
enum progress_choice {
    PROGRESS_AUTO,   /* if standard error is a terminal, which may be mpirun's */
    PROGRESS_ALWAYS, /* to a file or pipe, too: a whole line without control characters, at most every 10 s */
    PROGRESS_NEVER,
};

struct progress {
    int terminal; /* descriptor of the terminal that standard error goes to; 0: none */
    bool shared;  /* standard output goes to that terminal too */
    bool hidden;  /* PROGRESS_NEVER */
    bool lines;   /* PROGRESS_ALWAYS without a terminal: whole lines are printed */
    bool blocks;  /* the terminal shows UTF-8's block characters */
    bool drawn;   /* a progress line is on the terminal now */
    double started, drawn_at; /* seconds, monotonic: of the first call, of the last drawing */
    int64_t first;            /* the count at the first call */
};

/* Erases the line. */
#define PROGRESS_ERASE "\r\033[K"

/* Finds the terminal: our own, or the launcher's under mpirun. */
void progress_open(struct progress *progress, enum progress_choice choice);
void progress_begin(struct progress *progress);
void progress_clear(struct progress *progress);

/* Draws "WHAT  24%|██▍       | 1200/5000 [00:03<00:11, 340 UNIT/s]". Counts are divided by `scale`, and printed with
 * one decimal if it is above 1. total 0: unknown. */
void progress_count(struct progress *progress, const char *what, const char *unit, double scale, int64_t done, int64_t total);
/* On a terminal: draws the text, cut to its width. */
void progress_text(struct progress *progress, const char *text);

/* A line that is composed of parts. A part that does not fit is left out, and so are all items after it. */
struct progress_line {
    char head[64], count[64], items[256];
    int length, width; /* columns: used so far; of the terminal */
    double elapsed, left; /* seconds; left < 0: unknown */
    double share;         /* done / total; < 0: unknown */
    bool full;
};

/* Whether a line should be drawn now; if so, `line` becomes one with the count alone. The first call after progress_begin returns
 * false: it starts the clock for rates. scale, total: as in progress_count. */
bool progress_due(struct progress *progress, double scale, int64_t done, int64_t total, struct progress_line *line);
/* "00:40<04:53" */
void progress_times(struct progress_line *line);
void progress_item(struct progress_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What the line begins with. */
void progress_head(struct progress_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds percentage and bar if there is room, and draws the line. */
void progress_draw(struct progress *progress, const struct progress_line *line);

#endif
