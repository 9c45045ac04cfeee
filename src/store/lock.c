/* One run at a time in a directory: the file `lock` there, which tells who has it. The system's lock on it ends with the process,
 * however that ends; what a file says that nobody holds is of no account. Only where a file system has no locks (some NFS and
 * Lustre mounts) must it be believed. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store.h"

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

static int owner_write(const struct lock *lock, struct error *why)
{
    struct owner self;
    char text[128];
    owner_self(&self);
    int length = snprintf(text, sizeof text, "process %ld on %s\n", self.process, self.host);
    errno = ENOSPC; /* what a short write means */
    if (ftruncate(lock->descriptor, 0) || pwrite(lock->descriptor, text, (size_t)length, 0) != length)
        return error_set(why, "%s: cannot be written: %s", lock->file, strerror(errno));
    return 0;
}

/* Of another host's processes nothing is known. */
static bool owner_may_live(const struct owner *owner)
{
    struct owner self;
    owner_self(&self);
    if (!owner->process || (owner->process == self.process && !strcmp(owner->host, self.host)))
        return false;
    return strcmp(owner->host, self.host) || !kill((pid_t)owner->process, 0) || errno == EPERM;
}

/* Takes the system's lock, or where there is none the file's word. */
static int lock_try(const struct lock *lock, const char *directory, struct error *why)
{
    struct owner owner;
    if (!flock(lock->descriptor, LOCK_EX | LOCK_NB))
        return 0;
    bool held = errno == EWOULDBLOCK;
    owner_read(lock->descriptor, &owner);
    if (!held && !owner_may_live(&owner))
        return 0;
    if (!owner.process)
        return error_set(why, "%s: is in use by another run, which has only begun: let it end, or take another directory",
                         directory);
    return error_set(why, "%s: is in use by process %ld on %s: let it end, or take another directory%s%s", directory,
                     owner.process, owner.host, held ? "" : "; if that process is no more, remove ", held ? "" : lock->file);
}

/* Whether the open file is the one that the directory has: the run before may have removed it since. */
static bool is_there(const struct lock *lock)
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
        lock->descriptor = open(lock->file, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (lock->descriptor < 0)
            return error_set(why, "%s: no file can be made there: %s", directory, strerror(errno));
        int status = lock_try(lock, directory, why);
        lock->held = !status && is_there(lock);
        if (lock->held && !owner_write(lock, why))
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

void lock_free(struct lock *lock)
{
    if (!lock->held)
        return;
    if (is_there(lock)) /* not that of a run in a directory which was made anew */
        unlink(lock->file);
    close(lock->descriptor);
    lock->held = false;
}
