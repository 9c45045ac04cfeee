/* Files of rows that a resumed run goes on with. */
#ifndef ROWS_H
#define ROWS_H

#include <stdint.h>

#include "error.h"

/* Where a row's step stands: behind "TIME: step " in the log (other lines have none), or first. */
enum rows { ROWS_LOG, ROWS_METRICS };

/* Cuts `file` before its first row of a later step than `step`, and behind its last whole line. A
 * missing file is fine; what is kept is written beside and renamed. */
int rows_keep(const char *file, enum rows rows, uint64_t step, struct error *why);

#endif
