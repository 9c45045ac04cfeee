/* Reads a file of options, and marks its whole numbers as 64-bit. */
#include "config_text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    CONFIG_BYTES = 1 << 20,
    CONFIG_SETTINGS = 4096, /* libconfig compares the name of each with all names before it */
};

/* ---- tokens, as libconfig's scanner splits the text ---- */

static const char config_digits[] = "0123456789";

/* The length of a string with its quotes; text[0] is the first quote. */
static size_t string_length(const char *text)
{
    size_t length = 1;
    while (text[length] && text[length] != '"')
        length += text[length] == '\\' && text[length + 1] ? 2 : 1;
    return length + (text[length] == '"');
}

static bool is_comment(const char *text)
{
    return *text == '#' || (*text == '/' && (text[1] == '/' || text[1] == '*'));
}

static size_t comment_length(const char *text)
{
    if (*text == '#' || text[1] == '/')
        return strcspn(text, "\n");
    const char *end = strstr(text + 2, "*/");
    return end ? (size_t)(end + 2 - text) : strlen(text);
}

static size_t name_length(const char *text)
{
    static const char characters[] = "*-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return isalpha((unsigned char)*text) || *text == '*' ? strspn(text, characters) : 0;
}

static size_t exponent_length(const char *text)
{
    size_t sign = *text && (text[1] == '+' || text[1] == '-');
    size_t digits = *text == 'e' || *text == 'E' ? strspn(text + 1 + sign, config_digits) : 0;
    return digits ? 1 + sign + digits : 0;
}

/* The length of the number at the start of the text, without a suffix; 0: none. *base: 10 or 16 for a whole number, else 0. */
static size_t number_length(const char *text, int *base)
{
    *base = 16;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && isxdigit((unsigned char)text[2]))
        return 2 + strspn(text + 2, "0123456789abcdefABCDEF");
    size_t sign = *text == '+' || *text == '-', length = sign + strspn(text + sign, config_digits);
    size_t fraction = text[length] == '.' ? 1 + strspn(text + length + 1, config_digits) : 0;
    if (length == sign && !fraction)
        return 0;
    size_t exponent = exponent_length(text + length + fraction);
    *base = fraction || exponent ? 0 : 10;
    return length + fraction + exponent;
}

/* ---- the text ---- */

struct config_scan {
    const char *from;
    char *to;
    int line, settings;
};

static void scan_copy(struct config_scan *scan, size_t length)
{
    for (; length; length--, scan->from++) {
        scan->line += *scan->from == '\n';
        *scan->to++ = *scan->from;
    }
}

static int scan_string(struct config_scan *scan, struct error *why)
{
    const char *end = scan->from + string_length(scan->from);
    for (const char *next = scan->from; next < end && (next = memchr(next, '\\', (size_t)(end - next))); next += 2)
        if ((next[1] == 'x' || next[1] == 'X') && next[2] == '0' && next[3] == '0')
            return error_set(why, "line %d: there is a NUL character in a string", scan->line);
    scan_copy(scan, (size_t)(end - scan->from));
    return 0;
}

static int scan_number(struct config_scan *scan, size_t length, int base, struct error *why)
{
    errno = 0;
    if (base)
        strtoll(scan->from, NULL, base);
    if (errno)
        return error_set(why, "line %d: %.*s is not a whole number of 64 bits", scan->line, (int)length, scan->from);
    scan_copy(scan, length);
    if (base && *scan->from != 'L')
        *scan->to++ = 'L';
    return 0;
}

static int scan_token(struct config_scan *scan, struct error *why)
{
    int base;
    if (*scan->from == '"')
        return scan_string(scan, why);
    if (strncmp(scan->from, "@include", 8) == 0)
        return error_set(why, "line %d: @include is not allowed, all options stand in one file", scan->line);
    if ((*scan->from == '=' || *scan->from == ':') && ++scan->settings > CONFIG_SETTINGS)
        return error_set(why, "line %d: there are more than %d settings", scan->line, CONFIG_SETTINGS);
    size_t length = is_comment(scan->from) ? comment_length(scan->from) : name_length(scan->from);
    size_t number = length ? 0 : number_length(scan->from, &base);
    if (number)
        return scan_number(scan, number, base, why);
    scan_copy(scan, length ? length : 1);
    return 0;
}

/* `to` has room for twice the text. The newline at the end is for libconfig, which needs one after a comment. */
static int text_prepare(const char *text, size_t size, char *to, struct error *why)
{
    struct config_scan scan = {text, to, 1, 0};
    while (*scan.from)
        if (scan_token(&scan, why))
            return -1;
    if (scan.from != text + size)
        return error_set(why, "line %d: there is a NUL byte, which no text has", scan.line);
    *scan.to++ = '\n';
    *scan.to = '\0';
    return 0;
}

/* ---- the file ---- */

static FILE *config_open(const char *file, struct error *why)
{
    struct stat found;
    int descriptor = open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC); /* does not wait for the writer of a pipe */
    FILE *stream = descriptor < 0 ? NULL : fdopen(descriptor, "r");
    if (!stream) {
        error_set(why, "--config %s: cannot be read: %s", file, strerror(errno));
        return NULL;
    }
    if (fstat(descriptor, &found) == 0 && S_ISREG(found.st_mode))
        return stream;
    error_set(why, "--config %s: not a regular file", file);
    fclose(stream);
    return NULL;
}

/* Reads the file into `text`, which has room for CONFIG_BYTES + 2. Returns the number of bytes; -1: too many, or reading failed. */
static long config_fill(const char *file, char *text, struct error *why)
{
    FILE *stream = config_open(file, why);
    if (!stream)
        return -1;
    errno = 0;
    size_t size = fread(text, 1, CONFIG_BYTES + 1, stream);
    int code = ferror(stream) ? errno : 0;
    fclose(stream);
    if (code)
        return error_set(why, "--config %s: cannot be read: %s", file, strerror(code));
    if (size > CONFIG_BYTES)
        return error_set(why, "--config %s: more than %d bytes, which no file of options needs", file, CONFIG_BYTES);
    text[size] = '\0';
    return (long)size;
}

char *config_text_read(const char *file, struct error *why)
{
    char *text = memory_new(CONFIG_BYTES + 2, 1, "the file of --config", why);
    char *prepared = text ? memory_new(CONFIG_BYTES + 1, 2, "the file of --config", why) : NULL;
    long size = prepared ? config_fill(file, text, why) : -1;
    int status = size < 0 ? -1 : 0;
    if (!status && (status = text_prepare(text, (size_t)size, prepared, why)))
        error_in(why, "%s", file);
    free(text);
    if (!status)
        return prepared;
    free(prepared);
    return NULL;
}
