/* Files of rows that a resumed run goes on with. */
#ifndef ROWS_H
#define ROWS_H

#include <stdint.h>

#include "error.h"

/* Where a row's step stands: behind "TIME: step " in the log (other lines have none), or first. */
enum rows { ROWS_LOG, ROWS_METRICS };

/* Moves what stands in `file` from its first row of a later step than `step`, or behind its last whole line, to the end
 * of FILE.undone. A missing file is fine. */
int rows_keep(const char *file, enum rows rows, uint64_t step, struct error *why);

#endif
