#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void text_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

int error_set(struct error *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why->text, sizeof why->text, format, arguments);
    va_end(arguments);
    text_printable(why->text);
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
    text_printable(why->text);
    return -1;
}

int error_add(struct error *why, const char *format, ...)
{
    va_list arguments;
    size_t length = strlen(why->text);
    va_start(arguments, format);
    vsnprintf(why->text + length, sizeof why->text - length, format, arguments);
    va_end(arguments);
    return -1;
}
