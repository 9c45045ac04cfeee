/* Small text files, as a whole. */
#ifndef TEXT_FILE_H
#define TEXT_FILE_H

#include "error.h"

/* Reads the file into *text, a new array ending in 0; the caller frees it. A missing file: 0, and *text is NULL. Fails if it is
 * not a regular file. Zero bytes become '?'. */
int text_file_read(const char *directory, const char *name, char **text, struct error *why);

/* Writes the file, whole or not at all. */
int text_file_write(const char *file, const char *text, struct error *why);

#endif
