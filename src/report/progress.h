/* The terminal that a progress line is drawn on. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "report.h"

/* What takes a progress line away, so that another line can stand there. */
#define TERMINAL_CLEAR "\r\033[K"

/* Finds the terminal that a person sees standard error on, if any. */
void terminal_find(struct report *report);

#endif
