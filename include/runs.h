/* Runs: a page about one run and a table of several, made from the runs' directories. Reads metrics.csv, eval.csv, train.log and
 * the newest whole checkpoint (src/store/README.md describes the files); a run may still be going on. Writes nothing into the
 * directories. gnuplot draws the curves, and must be installed for them.
 *
 * Rank 0 only. A failure is one sentence. */
#ifndef RUNS_H
#define RUNS_H

#include "error.h"

/* Prints the page about the run in `directory` to standard output: result, what limits the run and what helps, where the time of a
 * step goes, ranks, checkpoints, restarts. html: also writes the page with curves to that file, as one HTML file that needs no
 * network; "": does not. */
int runs_report(const char *directory, const char *html, struct error *why);

/* Prints a table of the runs to standard output, then the options that differ. The table has the time of training until a run first
 * reached the precision; 0: the highest one that all of the runs reached. svg: also draws the runs' curves into that file; "": does
 * not. A directory that cannot be shown gets a sentence on standard error; the others are shown, and the result is -1 in the end,
 * with the number of those directories in the sentence. */
int runs_compare(char *const *directories, int count, double precision, const char *svg, struct error *why);

#endif
