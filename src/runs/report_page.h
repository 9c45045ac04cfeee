/* The page about one run: in a terminal (report_page.c), as HTML (report_html.c). */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

#include "history.h"
#include "sheet.h"

/* Fills the zeroed sheet. */
void report_page_fill(struct sheet *sheet, const struct history *history);

/* Writes the sheet, the run's curves and its options into one HTML file. */
int report_html(const struct sheet *sheet, const struct history *history, const char *file, struct error *why);

#endif
