#include "text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

enum { NAME_MOST = 4352 };

static int read_open(const char *file, int descriptor, char **text, struct error *why)
{
    struct stat about;
    if (fstat(descriptor, &about) || !S_ISREG(about.st_mode))
        return error_set(why, "%s: is not a regular file", file);
    size_t size = (size_t)about.st_size, length = 0;
    *text = memory_new(size + 1, 1, file, why);
    if (!*text)
        return -1;
    for (ssize_t part = 1; length < size && part > 0; length += part > 0 ? (size_t)part : 0)
        if ((part = read(descriptor, *text + length, size - length)) < 0) {
            free(*text);
            *text = NULL;
            return error_set(why, "%s: cannot be read: %s", file, strerror(errno));
        }
    for (size_t i = 0; i < length; i++)
        if (!(*text)[i])
            (*text)[i] = '?';
    return 0;
}

int text_file_read(const char *directory, const char *name, char **text, struct error *why)
{
    char file[NAME_MOST];
    *text = NULL;
    if (snprintf(file, sizeof file, "%s/%s", directory, name) >= (int)sizeof file)
        return error_set(why, "the name of the directory %.60s... is too long", directory);
    int descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* opening a pipe must not wait for its writer */
    if (descriptor < 0)
        return errno == ENOENT ? 0 : error_set(why, "%s: cannot be read: %s", file, strerror(errno));
    int status = read_open(file, descriptor, text, why);
    close(descriptor);
    return status;
}

int text_file_write(const char *file, const char *text, struct error *why)
{
    char temporary[NAME_MOST];
    if (file_new_beside(file, temporary, sizeof temporary, why))
        return -1;
    if (!file_write(temporary, text, strlen(text), why) && !file_commit(temporary, file, why))
        return 0;
    unlink(temporary);
    return -1;
}
