/* Opening files for writing in directories where another user may have put something else under the file's name. */
#ifndef WRITING_H
#define WRITING_H

#include <stddef.h>
#include <sys/types.h>

#include "error.h"

/* open(2) for a regular file; `flags` without O_TRUNC. Refuses symbolic links, files with a second hard link, pipes and devices,
 * and never waits for one. -1 with a sentence and errno: open's, or EEXIST for an opened file that is refused. */
int writing_open(const char *file, int flags, mode_t mode, struct error *why);

/* The same for a lock file, which is created if it is missing. Users without write permission cannot read it either, so they cannot
 * lock it. */
int writing_open_private(const char *file, int flags, struct error *why);

/* Writes all bytes; -1 with errno. */
int writing_all(int descriptor, const void *data, size_t bytes);

#endif
