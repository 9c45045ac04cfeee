/* Lock: one process at a time in a directory. */
#ifndef LOCK_H
#define LOCK_H

#include <stdbool.h>

#include "error.h"

struct lock {
    char file[4096]; /* DIR/lock: "process 123 on node1" */
    int descriptor;
    bool held, unlockable;   /* unlockable: the file system has no locks, so a thread keeps touching the file */
    struct toucher *toucher; /* that thread */
};

/* Takes the lock for this process, until lock_free or the end of the process. Takes over the lock of a process that has ended; on
 * a file system without locks only after half a minute without a touch. The sentence names the owner's process and host. */
int lock_take(struct lock *lock, const char *directory, struct error *why);
/* -1 if the lock file was removed or belongs to another run; 0 while this process holds it, and also if that cannot be determined,
 * for example because the directory is missing. */
int lock_check(const struct lock *lock, const char *directory, struct error *why);
/* Whether a run holds the directory's lock. On a file system without locks: whether the file names a process that may still be
 * running; a process on another host always counts as running. Writes nothing. */
bool lock_is_held(const char *directory);
/* Releases the lock and removes the file. A zeroed lock is fine. */
void lock_free(struct lock *lock);

#endif
