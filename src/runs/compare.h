/* A comparison of runs: the table (compare.c), the options that differ (compare_options.c), the curves (compare_curves.c). */
#ifndef COMPARE_H
#define COMPARE_H

#include "history.h"

struct comparison {
    const struct history *runs;
    int count;
    int prefix;      /* bytes at the beginning of all directories' names that are left out: a common parent */
    bool evaluated;  /* precision is that of eval.csv, on test images; false: a run has none, and it is that of training images */
    double precision; /* the target */
};

/* The run's name in table and curves. */
static inline const char *comparison_name(const struct comparison *comparison, int run)
{
    return comparison->runs[run].directory + comparison->prefix;
}

/* Prints the options that differ. */
void compare_options(const struct comparison *comparison, int width);
/* Draws the curves into the file. */
int compare_curves(const struct comparison *comparison, const char *file, struct error *why);

#endif
