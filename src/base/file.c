#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "writing.h"

/* The length of the directory part of `file` with its last slash; 0 without one. */
static int directory_length(const char *file)
{
    const char *slash = strrchr(file, '/');
    return slash ? (int)(slash - file) + 1 : 0;
}

static int name_beside(const char *file, const char *suffix, char *temporary, size_t size, struct error *why)
{
    int directory = directory_length(file);
    if (!file[directory])
        return error_set(why, "'%s': names no file", file);
    int length = snprintf(temporary, size, "%.*s.%s%s", directory, file, file + directory, suffix);
    if (length < 0 || (size_t)length >= size)
        return error_set(why, "%.64s...: the file name is too long", file);
    return 0;
}

int file_readable(const char *file, struct error *why)
{
    char block[65536];
    ssize_t got = -1;
    int descriptor = open(file, O_RDONLY | O_CLOEXEC);
    while (descriptor >= 0 && (got = read(descriptor, block, sizeof block)) > 0)
        continue;
    int status = got < 0 ? error_set(why, "%s: cannot be read: %s", file, strerror(errno)) : 0;
    if (descriptor >= 0)
        close(descriptor);
    return status;
}

int file_beside(const char *file, char *temporary, size_t size, struct error *why)
{
    return name_beside(file, ".tmp", temporary, size, why);
}

int file_new_beside(const char *file, char *temporary, size_t size, struct error *why)
{
    if (name_beside(file, ".XXXXXX.tmp", temporary, size, why))
        return -1;
    int descriptor = mkostemps(temporary, (int)strlen(".tmp"), O_CLOEXEC);
    if (descriptor < 0) {
        temporary[0] = '\0';
        return error_set(why, "%s: no file can be made beside it: %s", file, strerror(errno));
    }
    mode_t mask = umask(0); /* mkostemps ignores it */
    umask(mask);
    fchmod(descriptor, 0666 & ~mask);
    close(descriptor);
    return 0;
}

int file_write(const char *file, const void *data, size_t bytes, struct error *why)
{
    int descriptor = writing_open(file, O_WRONLY | O_CREAT, 0666, why), status = 0;
    if (descriptor < 0)
        return -1;
    if (ftruncate(descriptor, 0) || writing_all(descriptor, data, bytes))
        status = error_set(why, "%s: cannot be written: %s", file, strerror(errno));
    if (close(descriptor) && !status)
        status = error_set(why, "%s: cannot be written: %s", file, strerror(errno));
    return status;
}

/* Flushes a file or directory to disk. Some file systems cannot flush a directory; that is not an error. */
static int path_flush(const char *path, int flags, struct error *why)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | flags);
    if (descriptor < 0)
        return error_set(why, "%s: cannot be opened to flush it to disk: %s", path, strerror(errno));
    int status = 0;
    if (fsync(descriptor) && !(flags & O_DIRECTORY && (errno == EINVAL || errno == ENOTSUP)))
        status = error_set(why, "%s: cannot be flushed to disk: %s", path, strerror(errno));
    close(descriptor);
    return status;
}

int file_commit(const char *temporary, const char *file, struct error *why)
{
    if (path_flush(temporary, 0, why))
        return -1;
    if (rename(temporary, file))
        return error_set(why, "%s: cannot be renamed to %s: %s", temporary, file, strerror(errno));
    char directory[4096];
    int length = directory_length(file);
    if (length >= (int)sizeof directory)
        return error_set(why, "%.64s...: the file name is too long", file);
    snprintf(directory, sizeof directory, "%.*s", length ? length : 1, length ? file : ".");
    return path_flush(directory, O_DIRECTORY, why);
}

static int link_open(int descriptor, const char *file)
{
    char opened[64];
    snprintf(opened, sizeof opened, "/proc/self/fd/%d", descriptor);
    return linkat(AT_FDCWD, opened, AT_FDCWD, file, AT_SYMLINK_FOLLOW);
}

static int copy_open(int descriptor, const char *file, struct error *why)
{
    char block[65536];
    off_t done = 0;
    ssize_t got;
    int to = writing_open(file, O_WRONLY | O_CREAT | O_EXCL, 0666, why);
    if (to < 0)
        return -1;
    while ((got = pread(descriptor, block, sizeof block, done)) > 0 && !writing_all(to, block, (size_t)got))
        done += got;
    int status = got ? error_set(why, "%s: cannot be copied: %s", file, strerror(errno)) : 0;
    if (close(to) && !status)
        status = error_set(why, "%s: cannot be written: %s", file, strerror(errno));
    return status;
}

int file_keep(int descriptor, const char *file, struct error *why)
{
    char temporary[4096];
    if (file_new_beside(file, temporary, sizeof temporary, why))
        return -1;
    unlink(temporary); /* only its unique name is needed */
    int status = link_open(descriptor, temporary) ? copy_open(descriptor, temporary, why) : 0;
    if (!status)
        status = file_commit(temporary, file, why);
    unlink(temporary); /* still there if rename failed, or if `file` already was the same file */
    return status;
}

int directory_make(const char *directory, struct error *why)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s", directory) >= (int)sizeof path)
        return error_set(why, "%.64s...: the directory's name is too long", directory);
    for (char *end = path; *end;) {
        end = strchrnul(end + 1, '/');
        char kept = *end;
        *end = '\0';
        if (mkdir(path, 0777) && errno != EEXIST)
            return error_set(why, "%s cannot be made: %s", path, strerror(errno));
        *end = kept;
    }
    return 0;
}
