/* One run at a time in a directory. The run locks the file `lock` there by flock and writes its process id and host into it. The
 * system releases the lock when the process ends, in whatever way; an unlocked file is ignored. On file systems without locks (some
 * NFS and Lustre mounts) the run touches its file every few seconds; a file that is no longer touched is ignored. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lock.h"
#include "thread.h"
#include "writing.h"

enum { TOUCH = 5, GONE = 30 }; /* seconds between touches; seconds without one after which the run counts as ended */

/* ---- the owner: a process on a host ---- */

struct owner {
    char host[64];
    long process; /* 0: none */
};

static void owner_self(struct owner *owner)
{
    char host[256] = "?";
    gethostname(host, sizeof host - 1);
    snprintf(owner->host, sizeof owner->host, "%.63s", host);
    owner->process = (long)getpid();
}

static void owner_read(int descriptor, struct owner *owner)
{
    char text[128] = "";
    ssize_t got = pread(descriptor, text, sizeof text - 1, 0);
    if (got <= 0 || sscanf(text, "process %ld on %63s", &owner->process, owner->host) != 2 || owner->process <= 0)
        *owner = (struct owner){.process = 0};
}

static bool owner_is_self(const struct owner *owner)
{
    struct owner self;
    owner_self(&self);
    return owner->process == self.process && !strcmp(owner->host, self.host);
}

static int owner_write(const struct lock *lock, struct error *why)
{
    struct owner self;
    char text[128];
    owner_self(&self);
    int length = snprintf(text, sizeof text, "process %ld on %s\n", self.process, self.host);
    errno = ENOSPC; /* the reason for a short write */
    if (ftruncate(lock->descriptor, 0) || pwrite(lock->descriptor, text, (size_t)length, 0) != length ||
        (lock->unlockable && fsync(lock->descriptor))) /* other hosts rely on it */
        return error_set(why, "%s: cannot be written: %s", lock->file, strerror(errno));
    return 0;
}

/* ---- a file system without locks ---- */

struct toucher {
    pthread_t thread;
    int descriptor, end[2]; /* a pipe: closing it ends the thread */
};

static void *touch(void *of)
{
    const struct toucher *toucher = of;
    struct pollfd end = {.fd = toucher->end[0]};
    while (poll(&end, 1, 1000 * TOUCH) <= 0) {
        int touched = futimens(toucher->descriptor, NULL);
        (void)touched; /* the next one may succeed */
    }
    return NULL;
}

static void touch_end(struct lock *lock)
{
    struct toucher *toucher = lock->toucher;
    if (!toucher)
        return;
    close(toucher->end[1]);
    pthread_join(toucher->thread, NULL);
    close(toucher->end[0]);
    free(toucher);
    lock->toucher = NULL;
}

static int touch_begin(struct lock *lock, struct error *why)
{
    struct toucher *toucher = memory_new(1, sizeof *toucher, "the lock", why);
    if (!toucher)
        return -1;
    toucher->descriptor = lock->descriptor;
    int code = pipe2(toucher->end, O_CLOEXEC) ? errno : 0;
    if (!code && (code = thread_start(&toucher->thread, touch, toucher))) {
        close(toucher->end[0]);
        close(toucher->end[1]);
    }
    if (code) {
        free(toucher);
        return error_set(why, "a thread that keeps %s: %s", lock->file, strerror(code));
    }
    lock->toucher = toucher;
    return 0;
}

/* When the file was last written or touched. Opens it again: a network file system may report old times for a file that is already
 * open. */
static int last_touch(const char *file, struct timespec *last)
{
    struct stat found;
    int descriptor = open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int status = descriptor < 0 ? -1 : fstat(descriptor, &found);
    int code = errno;
    if (descriptor >= 0)
        close(descriptor);
    if (!status)
        *last = found.st_mtim;
    errno = code;
    return status;
}

/* Watches the file until it is touched or GONE seconds have passed. Compares two times of the file, since hosts' clocks differ. */
static bool owner_touches(const struct lock *lock)
{
    struct timespec first, now;
    int status = last_touch(lock->file, &first);
    for (int second = 0; !status && second < GONE; second++) {
        poll(NULL, 0, 1000);
        status = last_touch(lock->file, &now);
        if (!status && (now.tv_sec != first.tv_sec || now.tv_nsec != first.tv_nsec))
            return true;
    }
    return status && errno != ENOENT; /* ENOENT: the owner has ended and removed the file */
}

/* False for a process on another host, which cannot be checked. */
static bool owner_has_ended(const struct owner *owner)
{
    struct owner self;
    owner_self(&self);
    return !strcmp(owner->host, self.host) && kill((pid_t)owner->process, 0) && errno == ESRCH;
}

static bool owner_lives(const struct lock *lock, const struct owner *owner)
{
    if (!owner->process || owner_is_self(owner))
        return false;
    return !owner_has_ended(owner) && owner_touches(lock);
}

/* ---- taking it ---- */

/* The state of the system's lock on the file. Only with NO_LOCKS does the file's text decide who holds the lock. */
enum verdict { FREE, HELD, NO_LOCKS };

static enum verdict system_lock(int descriptor, int kind)
{
    if (!flock(descriptor, kind | LOCK_NB))
        return FREE;
    return errno == EWOULDBLOCK ? HELD : NO_LOCKS;
}

/* Tries several times: lock_is_held takes the lock for a moment. */
static enum verdict system_lock_insist(int descriptor)
{
    enum verdict verdict = system_lock(descriptor, LOCK_EX);
    for (int tries = 0; verdict == HELD && tries < 5; tries++) {
        poll(NULL, 0, 10);
        verdict = system_lock(descriptor, LOCK_EX);
    }
    return verdict;
}

/* Takes the system's lock; on a file system without locks, takes over the file if no other run keeps touching it. */
static int lock_try(struct lock *lock, const char *directory, struct error *why)
{
    struct owner owner;
    enum verdict verdict = system_lock_insist(lock->descriptor);
    if (verdict == FREE)
        return 0;
    lock->unlockable = verdict == NO_LOCKS;
    owner_read(lock->descriptor, &owner);
    if (lock->unlockable && !owner_lives(lock, &owner))
        return 0;
    if (!owner.process)
        return error_set(why, "%s: is in use by another run, which has only begun: let it end, or take another directory",
                         directory);
    return error_set(why, "%s: is in use by process %ld on %s: let it end, or take another directory", directory, owner.process,
                     owner.host);
}

/* Whether the open file is still the one in the directory: the previous run may have removed it after we opened it. */
static bool is_in_place(const struct lock *lock)
{
    struct stat open, there;
    return !fstat(lock->descriptor, &open) && !stat(lock->file, &there) && open.st_dev == there.st_dev &&
           open.st_ino == there.st_ino;
}

int lock_take(struct lock *lock, const char *directory, struct error *why)
{
    *lock = (struct lock){.held = false};
    if (snprintf(lock->file, sizeof lock->file, "%s/lock", directory) >= (int)sizeof lock->file)
        return error_set(why, "%.64s...: the directory's name is too long", directory);
    for (;;) {
        lock->descriptor = writing_open_private(lock->file, O_RDWR, why);
        if (lock->descriptor < 0)
            return -1;
        int status = lock_try(lock, directory, why);
        lock->held = !status && is_in_place(lock);
        if (lock->held && !owner_write(lock, why) && (!lock->unlockable || !touch_begin(lock, why)))
            return 0;
        if (lock->held)
            break;
        close(lock->descriptor);
        if (status)
            return -1;
    }
    lock_free(lock);
    return -1;
}

/* ---- keeping it ---- */

static int open_there(const struct lock *lock)
{
    return open(lock->file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* Opens the directory's lock file again and reads the owner that it names; -1 if it is missing or cannot be opened. */
static int owner_there(const struct lock *lock, struct owner *owner)
{
    int descriptor = open_there(lock);
    if (descriptor < 0)
        return -1;
    owner_read(descriptor, owner);
    close(descriptor);
    return 0;
}

int lock_check(const struct lock *lock, const char *directory, struct error *why)
{
    struct owner owner;
    bool found = !owner_there(lock, &owner);
    if (!found && ((errno != ENOENT && errno != ELOOP) || access(directory, F_OK)))
        return 0; /* unknown */
    if (found && owner.process && !owner_is_self(&owner))
        return error_set(why, "%s: was this run's, and is that of process %ld on %s now: this one ends, and saves nothing more",
                         lock->file, owner.process, owner.host);
    if (found && is_in_place(lock))
        return 0;
    return error_set(why, "%s: was removed while this run had it, and another one may train there: this one ends, and saves "
                     "nothing more", lock->file);
}

bool lock_is_held(const char *directory)
{
    struct lock lock;
    struct owner owner;
    if (snprintf(lock.file, sizeof lock.file, "%s/lock", directory) >= (int)sizeof lock.file)
        return false;
    lock.descriptor = open_there(&lock);
    if (lock.descriptor < 0)
        return errno == EACCES; /* another user's lock file */
    enum verdict verdict = system_lock(lock.descriptor, LOCK_SH);
    owner_read(lock.descriptor, &owner);
    close(lock.descriptor);
    return verdict == HELD || (verdict == NO_LOCKS && owner.process && !owner_has_ended(&owner));
}

void lock_free(struct lock *lock)
{
    struct owner owner;
    if (!lock->held)
        return;
    touch_end(lock);
    if (is_in_place(lock) && !owner_there(lock, &owner) && (!owner.process || owner_is_self(&owner)))
        unlink(lock->file); /* never the file of a run that took over, or one in a new directory of the same name */
    close(lock->descriptor);
    lock->held = false;
}
