/* A file that lines are appended to, each of them whole or not at all (struct row_file is in report.h). */
#ifndef ROW_FILE_H
#define ROW_FILE_H

#include "report.h"

/* Opens or makes DIRECTORY/NAME. Refuses links and what is no file (writing_open). */
int row_file_open(struct row_file *file, const char *directory, const char *name, struct error *why);

bool row_file_is_empty(const struct row_file *file);

/* -1 with errno: nothing of the line stays in the file. Half a line, as a full disk leaves it, is cut off at once, or before the
 * next line. */
int row_file_append(struct row_file *file, const char *line);

/* -1 with errno, as where a network file system could not keep what was written. Fine on a closed file. */
int row_file_close(struct row_file *file);

/* Moves what stands in the closed file DIRECTORY/NAME from its first line of a later step than `step` on, or after its last whole
 * line, to the end of NAME.undone. step_format: how scanf finds a line's step. A missing file is fine. */
int row_file_rewind(const char *directory, const char *name, const char *step_format, uint64_t step, struct error *why);

#endif
