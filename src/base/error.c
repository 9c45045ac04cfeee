#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void text_printable(char *text)
{
    for (; *text; text++) {
        unsigned char *byte = (unsigned char *)text;
        if (*byte < ' ' || *byte == 0x7f)
            *byte = '?';
        else if (*byte == 0xc2 && byte[1] >= 0x80 && byte[1] < 0xa0) /* UTF-8 for those between 0x80 and 0x9f */
            byte[0] = byte[1] = '?';
    }
}

void line_print(FILE *stream, const char *format, ...)
{
    char line[16384];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    text_printable(line);
    fprintf(stream, "%s\n", line);
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
    text_printable(why->text + length);
    return -1;
}
