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

/* Takes the lock for this process, until lock_free or the end of the process. The lock of a process that has ended is taken over;
 * on a file system without locks that takes half a minute without a touch. The sentence names the process and host that hold it. */
int lock_take(struct lock *lock, const char *directory, struct error *why);
/* 0 while this process still holds the directory's lock, or the directory is missing; -1 if the lock file was removed or belongs
 * to another run. */
int lock_check(const struct lock *lock, const char *directory, struct error *why);
/* Whether a run holds the lock, by lock_take's rules. On a file system without locks: whether the file names a process that may
 * still run; a process of another host always counts as running. Writes nothing. */
bool lock_is_held(const char *directory);
/* Releases the lock and removes the file. A zeroed lock is fine. */
void lock_free(struct lock *lock);

#endif
