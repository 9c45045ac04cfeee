#include "writing.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The reason for not writing to an open file; NULL if there is none. */
static const char *refusal(int descriptor)
{
    struct stat found;
    if (fstat(descriptor, &found))
        return strerror(errno);
    if (!S_ISREG(found.st_mode))
        return "is no regular file";
    return found.st_nlink > 1 ? "has a second name (a hard link), and may be somebody else's: remove it, or replace it by a copy"
                              : NULL;
}

int writing_open(const char *file, int flags, mode_t mode, struct error *why)
{
    /* O_NONBLOCK: do not wait for a pipe's reader. It has no effect on a regular file. */
    int descriptor = open(file, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, mode), code = errno;
    const char *wrong = descriptor >= 0 ? refusal(descriptor) : NULL;
    if (descriptor >= 0 && !wrong)
        return descriptor;
    if (wrong) {
        error_set(why, "%s: %s", file, wrong);
        close(descriptor);
        code = EEXIST;
    } else if (code == ELOOP)
        error_set(why, "%s: is a symbolic link, which is not followed: remove it", file);
    else if (code == ENXIO)
        error_set(why, "%s: is no regular file", file);
    else
        error_set(why, "%s: cannot be written: %s", file, strerror(code));
    errno = code;
    return -1;
}

int writing_open_private(const char *file, int flags, struct error *why)
{
    mode_t mask = umask(0), writers = 0222 & ~mask, mode = 0600 | writers | writers << 1;
    umask(mask);
    int descriptor = writing_open(file, flags | O_CREAT, mode, why);
    int changed = descriptor < 0 ? -1 : fchmod(descriptor, mode); /* an earlier version may have made it with another mode */
    (void)changed; /* fails on a file that another member of our group owns; its owner has set the mode already */
    return descriptor;
}

int writing_all(int descriptor, const void *data, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t written = write(descriptor, (const char *)data + done, bytes - done);
        if (written < 0 && errno != EINTR)
            return -1;
        done += written > 0 ? (size_t)written : 0;
    }
    return 0;
}
