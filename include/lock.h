/* Lock: one process at a time in a directory. */
#ifndef LOCK_H
#define LOCK_H

#include <stdbool.h>

#include "error.h"

struct lock {
    char file[4096]; /* DIR/lock: "process 123 on node1" */
    int descriptor;
    bool held, unlockable;   /* unlockable: the file system has no locks, and the file is touched all the while */
    struct toucher *toucher; /* the thread that does so */
};

/* Takes it for this process, until lock_free or the process's end; that of a process that is no more is taken over, where the
 * file system has no locks after half a minute without a touch. The sentence names the process and host that have it. */
int lock_take(struct lock *lock, const char *directory, struct error *why);
/* 0 while the directory has this lock, or is not there; -1 where the file was removed or is another run's. */
int lock_check(const struct lock *lock, const char *directory, struct error *why);
/* Whether a run has the lock, as lock_take judges. Where the file system has no locks: true while the file names a process that may
 * still run; one of another host counts as running, for ever. Read-only. */
bool lock_is_held(const char *directory);
/* Gives it back, and removes the file. Also of a zeroed one. */
void lock_free(struct lock *lock);

#endif
