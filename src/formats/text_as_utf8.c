#include <stdlib.h>
#include <string.h>

#include "event.h"

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The bytes of the UTF-8 character at the text's start; 0: the first byte does not begin a valid one. */
static size_t character_length(const unsigned char *text)
{
    size_t length = text[0] < 0x80 ? 1 : text[0] >= 0xc2 && text[0] < 0xe0 ? 2 : (text[0] & 0xf0) == 0xe0 ? 3
                  : text[0] >= 0xf0 && text[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < length; i++)
        if (!is_continuation(text[i]))
            return 0;
    bool too_long = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    bool surrogate = text[0] == 0xed && text[1] >= 0xa0, too_high = text[0] == 0xf4 && text[1] >= 0x90;
    return too_long || surrogate || too_high ? 0 : length;
}

char *text_as_utf8(const char *text, const char *indentation)
{
    size_t lines = 1;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    char *clean = malloc(strlen(text) + lines * strlen(indentation) + 1), *to = clean;
    if (!clean)
        return NULL;
    to = stpcpy(to, indentation);
    for (const char *from = text; *from;) {
        size_t length = character_length((const unsigned char *)from);
        memcpy(to, length > 0 ? from : "?", length > 0 ? length : 1);
        to += length > 0 ? length : 1;
        bool line_ends = *from == '\n';
        from += length > 0 ? length : 1;
        if (line_ends && *from)
            to = stpcpy(to, indentation);
    }
    *to = '\0';
    return clean;
}
