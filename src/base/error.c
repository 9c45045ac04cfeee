#include "error.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int error_set(struct error *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why->text, sizeof why->text, format, arguments);
    va_end(arguments);
    return -1;
}

int error_in(struct error *why, const char *format, ...)
{
    struct error inner = *why;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why->text, sizeof why->text, format, arguments);
    va_end(arguments);
    size_t length = strlen(why->text);
    snprintf(why->text + length, sizeof why->text - length, ": %s", inner.text);
    return -1;
}

void *memory_new(size_t count, size_t size, const char *what, struct error *why)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - 64) {
        error_set(why, "%s: %zu elements of %zu bytes are more than any memory holds", what, count, size);
        return NULL;
    }
    size_t rounded = bytes ? (bytes + 63) / 64 * 64 : 64;
    void *memory = aligned_alloc(64, rounded);
    if (!memory) {
        error_set(why, "%s: no memory for %zu bytes", what, bytes);
        return NULL;
    }
    return memset(memory, 0, rounded);
}
