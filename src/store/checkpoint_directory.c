#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint.h"
#include "file.h"
#include "store.h"

void checkpoint_name(const char *directory, uint64_t step, char *file, size_t size)
{
    snprintf(file, size, "%s/checkpoint-%08" PRIu64 ".h5", directory, step);
}

/* Whether `name` is exactly PREFIXcheckpoint-STEP.h5SUFFIX. */
static bool name_parse(const char *name, const char *prefix, const char *suffix, uint64_t *step)
{
    char same[64];
    size_t start = strlen(prefix) + strlen("checkpoint-");
    if (strlen(name) <= start)
        return false;
    *step = strtoull(name + start, NULL, 10);
    snprintf(same, sizeof same, "%scheckpoint-%08" PRIu64 ".h5%s", prefix, *step, suffix);
    return !strcmp(name, same);
}

static int newest_first(const void *left, const void *right)
{
    uint64_t l = *(const uint64_t *)left, r = *(const uint64_t *)right;
    return l < r ? 1 : l > r ? -1 : 0;
}

/* A checkpoint may be a link to a file. One that was removed after it was listed counts too: the caller fails to open it, and lists
 * the directory again. */
static bool is_checkpoint(int directory, const char *name)
{
    struct stat found;
    if (!fstatat(directory, name, &found, 0))
        return S_ISREG(found.st_mode);
    return fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) && errno == ENOENT;
}

/* Anything that unlink can remove: a killed writer leaves a file, but there may also be a link or a pipe. */
static bool is_leftover(int directory, const char *name)
{
    struct stat found;
    return !fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) && !S_ISDIR(found.st_mode);
}

/* The steps of all files named PREFIXcheckpoint-STEP.h5SUFFIX for which is_meant is true, newest first. */
static int steps_list(const char *directory, const char *prefix, const char *suffix, bool (*is_meant)(int, const char *),
                      uint64_t **steps, int *count, struct error *why)
{
    *steps = NULL;
    *count = 0;
    DIR *open = opendir(directory);
    if (!open)
        return errno == ENOENT ? 0 : error_set(why, "%s: cannot be read: %s", directory, strerror(errno));
    int room = 0, status = 0;
    const struct dirent *entry;
    uint64_t step;
    while (!status && (errno = 0, entry = readdir(open))) {
        if (!name_parse(entry->d_name, prefix, suffix, &step) || !is_meant(dirfd(open), entry->d_name))
            continue;
        if (*count == room) {
            room = room ? 2 * room : 16;
            uint64_t *larger = realloc(*steps, (size_t)room * sizeof *larger);
            status = larger ? 0 : error_set(why, "%s: no memory for its list of checkpoints", directory);
            *steps = larger ? larger : *steps;
        }
        if (!status)
            (*steps)[(*count)++] = step;
    }
    if (!status && errno)
        status = error_set(why, "%s: cannot be read: %s", directory, strerror(errno));
    closedir(open);
    if (status) {
        free(*steps);
        *steps = NULL;
        *count = 0;
    } else if (*count)
        qsort(*steps, (size_t)*count, sizeof **steps, newest_first);
    return status;
}

int checkpoint_list(const char *directory, uint64_t **steps, int *count, struct error *why)
{
    return steps_list(directory, "", "", is_checkpoint, steps, count, why);
}

bool checkpoint_is_gone(const char *file)
{
    struct stat found;
    return lstat(file, &found) && errno == ENOENT;
}

static int file_remove(const char *file, struct error *why)
{
    if (unlink(file) && errno != ENOENT)
        return error_set(why, "%s: cannot be removed: %s", file, strerror(errno));
    return 0;
}

int checkpoint_prune(const char *directory, uint64_t saved, int keep, struct error *why)
{
    uint64_t *steps;
    int count, status = 0, kept = 1; /* the saved one */
    if (keep <= 0)
        return 0;
    if (checkpoint_list(directory, &steps, &count, why))
        return -1;
    for (int i = 0; i < count && !status; i++) {
        char file[4096];
        checkpoint_name(directory, steps[i], file, sizeof file);
        if (steps[i] == saved)
            continue;
        if (i == 0 || kept < keep)
            kept++;
        else
            status = file_remove(file, why);
    }
    free(steps);
    return status;
}

int leftovers_remove(const char *directory, struct error *why)
{
    uint64_t *steps;
    int count, status = 0;
    if (steps_list(directory, ".", ".tmp", is_leftover, &steps, &count, why))
        return -1;
    for (int i = 0; i < count && !status; i++) {
        char file[4096], temporary[4096];
        checkpoint_name(directory, steps[i], file, sizeof file);
        status = file_beside(file, temporary, sizeof temporary, why);
        if (!status)
            status = file_remove(temporary, why);
    }
    free(steps);
    return status;
}
