/* Allocates only memory that exists: Linux overcommits, and kills a process later when the memory runs out. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

/* The number that follows `key` at the start of a line of `file`; SIZE_MAX if there is none. */
static size_t number_after(const char *file, const char *key)
{
    char line[256];
    unsigned long long number;
    size_t found = SIZE_MAX;
    FILE *stream = fopen(file, "re");
    while (stream && found == SIZE_MAX && fgets(line, sizeof line, stream))
        if (!strncmp(line, key, strlen(key)) && sscanf(line + strlen(key), "%llu", &number) == 1)
            found = (size_t)number;
    if (stream)
        fclose(stream);
    return found;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What may still be allocated if `used` of `limit` are in use. One sixteenth of the limit stays free for the system and for
 * libraries, which allocate without this check. */
static size_t left_over(size_t limit, size_t used)
{
    size_t most = limit - limit / 16;
    return most - least(most, used);
}

static size_t node_available(void)
{
    size_t total = number_after("/proc/meminfo", "MemTotal:"), free_kib = number_after("/proc/meminfo", "MemAvailable:");
    if (total == SIZE_MAX || free_kib == SIZE_MAX)
        return SIZE_MAX;
    return 1024 * left_over(total, total - least(total, free_kib));
}

/* ---- control groups: the limits of a container or a batch system ---- */

struct control {
    const char *root, *limit, *usage, *caches[2]; /* file caches, which the system drops when memory is needed */
};
static const struct control version_1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                                         {"total_inactive_file ", "total_active_file "}};
static const struct control version_2 = {"/sys/fs/cgroup", "memory.max", "memory.current",
                                         {"inactive_file ", "active_file "}};

static size_t group_number(const struct control *control, const char *group, const char *name, const char *key)
{
    char file[4096];
    snprintf(file, sizeof file, "%s%s/%s", control->root, group, name);
    return number_after(file, key);
}

static size_t group_available(const struct control *control, const char *group)
{
    size_t limit = group_number(control, group, control->limit, ""), cached = 0;
    size_t used = group_number(control, group, control->usage, "");
    if (limit == SIZE_MAX || used == SIZE_MAX)
        return SIZE_MAX;
    for (int i = 0; i < 2; i++) {
        size_t bytes = group_number(control, group, "memory.stat", control->caches[i]);
        cached += bytes == SIZE_MAX ? 0 : bytes;
    }
    return left_over(limit, used - least(used, cached));
}

/* The memory available to this process's group: the least of the group and all groups above it. Overwrites the path. */
static size_t path_available(const struct control *control, char *path)
{
    size_t available = group_available(control, path);
    for (char *slash; (slash = strrchr(path, '/'));) {
        *slash = '\0';
        available = least(available, group_available(control, path));
    }
    return available;
}

/* Reads lines "ID:CONTROLLERS:PATH"; version 2 has ID 0 and no controllers. */
static size_t groups_available(void)
{
    char line[4096], controllers[256], path[3500];
    size_t available = SIZE_MAX;
    FILE *stream = fopen("/proc/self/cgroup", "re");
    while (stream && fgets(line, sizeof line, stream)) {
        if (sscanf(line, "0::%3499s", path) == 1)
            available = least(available, path_available(&version_2, path));
        else if (sscanf(line, "%*d:%255[^:]:%3499s", controllers, path) == 2 && !strcmp(controllers, "memory"))
            available = least(available, path_available(&version_1, path));
    }
    if (stream)
        fclose(stream);
    return available;
}

/* ---- allocating ---- */

int memory_check(size_t bytes, const char *what, struct error *why)
{
    size_t available = least(node_available(), groups_available());
    if (bytes <= available)
        return 0;
    return error_set(why, "%s: no memory for %zu MB (%zu MB are available)", what, bytes >> 20, available >> 20);
}

/* The ranks of a node allocate at the same time and all see the same free memory. So each rank writes to its memory piece by piece
 * and checks again before each further piece. (Ranks could take turns by a lock, but any user could hold it.) */
static int write_zeros(char *memory, size_t bytes, const char *what, struct error *why)
{
    const size_t piece = 8 << 20;
    for (size_t done = 0; done < bytes; done += piece) {
        if (done && memory_check(bytes - done, what, why))
            return -1;
        memset(memory + done, 0, least(piece, bytes - done));
    }
    return 0;
}

void *memory_new(size_t count, size_t size, const char *what, struct error *why)
{
    const size_t large = 1 << 20;
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - 64) {
        error_set(why, "%s: %zu elements of %zu bytes are more than any memory holds", what, count, size);
        return NULL;
    }
    bytes = bytes ? (bytes + 63) / 64 * 64 : 64;
    if (bytes >= large && memory_check(bytes, what, why))
        return NULL;
    char *memory = aligned_alloc(64, bytes);
    if (memory && !write_zeros(memory, bytes, what, why))
        return memory;
    if (!memory)
        error_set(why, "%s: no memory for %zu bytes", what, bytes);
    free(memory);
    return NULL;
}
