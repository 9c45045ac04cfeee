#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

/* Bytes that can be had without swapping; SIZE_MAX where the system does not tell. */
static size_t memory_available(void)
{
    char line[128];
    unsigned long long kib;
    size_t available = SIZE_MAX;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
            available = (size_t)kib * 1024;
    if (file)
        fclose(file);
    return available;
}

/* Linux promises more memory than there is and ends who then uses it: large requests are held
 * against what is really there. They are zeroed below, so the next request sees this one. */
static int memory_check(size_t bytes, const char *what, struct error *why)
{
    const size_t large = (size_t)64 << 20;
    size_t available = bytes < large ? SIZE_MAX : memory_available();
    if (bytes <= available)
        return 0;
    return error_set(why, "%s: no memory for %zu MB (%zu MB are available)", what, bytes >> 20, available >> 20);
}

void *memory_new(size_t count, size_t size, const char *what, struct error *why)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - 64) {
        error_set(why, "%s: %zu elements of %zu bytes are more than any memory holds", what, count, size);
        return NULL;
    }
    if (memory_check(bytes, what, why))
        return NULL;
    size_t rounded = bytes ? (bytes + 63) / 64 * 64 : 64;
    void *memory = aligned_alloc(64, rounded);
    if (!memory) {
        error_set(why, "%s: no memory for %zu bytes", what, bytes);
        return NULL;
    }
    return memset(memory, 0, rounded);
}
