#include "error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The length of the control character at `text`: 2 bytes in UTF-8 for 0x80 to 0x9f; 0 if there is none. */
static size_t control_bytes(const char *text)
{
    const unsigned char *byte = (const unsigned char *)text;
    if (*byte == 0xc2 && byte[1] >= 0x80 && byte[1] < 0xa0)
        return 2;
    return (*byte && *byte < ' ') || *byte == 0x7f;
}

void text_printable(char *text)
{
    for (size_t bytes; *text; text += bytes ? bytes : 1) {
        bytes = control_bytes(text);
        memset(text, '?', bytes);
    }
}

int text_fit(const char *text, int most)
{
    int length = (int)strnlen(text, (size_t)most);
    while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
        length--;
    return length;
}

static bool has_controls(const char *text)
{
    for (; *text; text++)
        if (control_bytes(text))
            return true;
    return false;
}

/* A character inside '...', or inside $'...', which all shells but dash understand. */
static void quote_character(char c, bool dollar, char quoted[5])
{
    unsigned char byte = (unsigned char)c;
    if (dollar && (byte < ' ' || byte >= 0x7f)) /* UTF-8 as well */
        snprintf(quoted, 5, "\\%03o", byte);
    else if (dollar && (c == '\'' || c == '\\'))
        snprintf(quoted, 5, "\\%c", c);
    else
        snprintf(quoted, 5, c == '\'' ? "'\\''" : "%c", c);
}

void text_quote(const char *text, char *word, size_t size)
{
    static const char plain[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz%+,-./:=@_";
    bool dollar = has_controls(text);
    if (*text && strspn(text, plain) == strlen(text)) {
        snprintf(word, size, "%s", text);
        return;
    }
    size_t length = (size_t)snprintf(word, size, dollar ? "$'" : "'");
    for (; *text && length < size; text++) {
        char quoted[5];
        quote_character(*text, dollar, quoted);
        length += (size_t)snprintf(word + length, size - length, "%s", quoted);
    }
    if (length < size)
        snprintf(word + length, size - length, "'");
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
