/* Files that are whole or absent: written beside, flushed, renamed. */
#ifndef FILE_H
#define FILE_H

#include <stddef.h>

#include "error.h"

/* The temporary name beside `file` (same directory): ".NAME.tmp". */
int file_beside(const char *file, char *temporary, size_t size, struct error *why);
/* 0 where the system can read `file` to its end, whatever it holds. */
int file_readable(const char *file, struct error *why);
/* A new, empty file beside, of a name that is nobody else's: ".NAME.XXXXXX.tmp". */
int file_new_beside(const char *file, char *temporary, size_t size, struct error *why);
/* Writes `file` (created or truncated) as a whole. */
int file_write(const char *file, const void *data, size_t bytes, struct error *why);
/* Flushes `temporary` to disk, renames it to `file`, flushes the directory. */
int file_commit(const char *temporary, const char *file, struct error *why);
/* The file that is open for reading gets the name `file` too, even if it was removed meanwhile: as a hard link where possible, else
 * as a copy. An existing file is replaced atomically. */
int file_keep(int descriptor, const char *file, struct error *why);

#endif
