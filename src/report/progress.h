/* The terminal that a progress line is drawn on. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "report.h"

/* A descriptor of the terminal that a person sees standard error on, or 0. */
int terminal_find(void);

/* Takes a progress line away, so that a log line can stand there. */
void terminal_clear(struct report *report);

#endif
