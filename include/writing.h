/* Files that are opened to be written to, in directories where others may have put something else of that name. */
#ifndef WRITING_H
#define WRITING_H

#include <stddef.h>
#include <sys/types.h>

#include "error.h"

/* open(2) for a regular file; `flags` without O_TRUNC. Links, files with a second name, pipes and devices are refused, and
 * never waited for. -1 with a sentence, and errno as open left it. */
int writing_open(const char *file, int flags, mode_t mode, struct error *why);

/* The same for a file that is to be locked, made where it is not there: who may not write to it may not open it at all, and so
 * can hold no lock on it. */
int writing_open_private(const char *file, int flags, struct error *why);

/* All bytes; -1 with errno. */
int writing_all(int descriptor, const void *data, size_t bytes);

#endif
