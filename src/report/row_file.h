/* A file that lines are appended to, each one whole or not at all (struct row_file is in report.h). */
#ifndef ROW_FILE_H
#define ROW_FILE_H

#include "report.h"

/* Opens DIRECTORY/NAME, or creates it. Refuses links and anything that is not a regular file (writing_open). */
int row_file_open(struct row_file *file, const char *directory, const char *name, struct error *why);

bool row_file_is_empty(const struct row_file *file);

/* The number of columns that the file's first line names; 0 if it cannot be read. */
int row_file_columns(const struct row_file *file);

/* The present time as rows have it: 2026-11-24T12:00:00Z. */
enum { ROW_TIME = 32 };
void row_time(char text[ROW_TIME]);

/* Appends a line. -1 with errno: no part of the line stays in the file. Half a line (if the disk is full) is cut off at once, or
 * if that fails, before the next line. */
int row_file_append(struct row_file *file, const char *line);

/* -1 with errno, for example if a network file system failed to store what was written. Does nothing to a closed file. */
int row_file_close(struct row_file *file);

/* Moves the end of the closed file DIRECTORY/NAME to the end of NAME.undone: everything from the first line that is of a later step
 * than `step` or unfinished. step_format: the scanf format that reads a line's step. A missing file is fine. */
int row_file_rewind(const char *directory, const char *name, const char *step_format, uint64_t step, struct error *why);

#endif
