/* Files that are whole or absent: each is written under a temporary name, flushed, then renamed. Also directories. */
#ifndef FILE_H
#define FILE_H

#include <stddef.h>

#include "error.h"

/* The temporary name for `file`, in the same directory: ".NAME.tmp". */
int file_beside(const char *file, char *temporary, size_t size, struct error *why);
/* 0 if the system can read `file` to its end. */
int file_readable(const char *file, struct error *why);
/* Creates an empty file with a unique temporary name in the directory of `file`: ".NAME.XXXXXX.tmp". */
int file_new_beside(const char *file, char *temporary, size_t size, struct error *why);
/* Writes all of `file`, which is created or truncated. */
int file_write(const char *file, const void *data, size_t bytes, struct error *why);
/* Flushes `temporary` to disk, renames it to `file`, and flushes the directory. */
int file_commit(const char *temporary, const char *file, struct error *why);
/* Gives an open file the additional name `file`, even if its own name was removed in the meantime: by a hard link if possible, else
 * by a copy. An existing file is replaced atomically. */
int file_keep(int descriptor, const char *file, struct error *why);
/* Makes the directory and its parents, as mkdir -p does. */
int directory_make(const char *directory, struct error *why);

#endif
