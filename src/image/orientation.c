#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "decoders.h"

struct tiff {
    const uint8_t *bytes;
    size_t size;
    bool big_endian;
};

/* A number of 2 or 4 bytes; 0 if it is outside the block. */
static uint32_t tiff_number(const struct tiff *tiff, size_t at, size_t size)
{
    uint32_t number = 0;
    if (at > tiff->size || size > tiff->size - at)
        return 0;
    for (size_t i = 0; i < size; i++)
        number |= (uint32_t)tiff->bytes[at + i] << 8 * (tiff->big_endian ? size - 1 - i : i);
    return number;
}

/* The value of an entry (tag, type, count, value), which must be inside the block. Uses the first of two short values. */
static uint32_t tiff_value(const struct tiff *tiff, size_t entry)
{
    enum { SHORT = 3, LONG = 4 };
    uint32_t type = tiff_number(tiff, entry + 2, 2), count = tiff_number(tiff, entry + 4, 4);
    if (type == SHORT && (count == 1 || count == 2))
        return tiff_number(tiff, entry + 8, 2);
    return type == LONG && count == 1 ? tiff_number(tiff, entry + 8, 4) : 0;
}

/* The TIFF header gives the offset of the first directory, which consists of a number of entries and then the entries. */
int exif_orientation(const uint8_t *bytes, size_t size)
{
    enum { ORIENTATION = 0x112, ENTRY = 12, EXIF_NAME = sizeof "Exif\0" };
    while (size >= EXIF_NAME && !memcmp(bytes, "Exif\0", EXIF_NAME)) {
        bytes += EXIF_NAME;
        size -= EXIF_NAME;
    }
    if (size < 8 || (memcmp(bytes, "II*", 4) && memcmp(bytes, "MM\0*", 4)))
        return 0;
    const struct tiff tiff = {bytes, size, bytes[0] == 'M'};
    size_t directory = tiff_number(&tiff, 4, 4), entries = tiff_number(&tiff, directory, 2);
    for (size_t entry = directory + 2; entries > 0 && entry + ENTRY <= size; entries--, entry += ENTRY)
        if (tiff_number(&tiff, entry, 2) == ORIENTATION) {
            uint32_t value = tiff_value(&tiff, entry);
            return value >= 1 && value <= 8 ? (int)value : 1;
        }
    return 0;
}

int xmp_orientation(const char *text, size_t size)
{
    static const char name[] = "tiff:Orientation";
    const char *end = text + size;
    while ((text = memmem(text, (size_t)(end - text), name, sizeof name - 1))) {
        text += sizeof name - 1;
        size_t sign = end - text > 2 && !memcmp(text, "=\"", 2) ? 2 : end - text > 1 && *text == '>' ? 1 : 0;
        if (sign && isdigit((unsigned char)text[sign]))
            return text[sign] >= '1' && text[sign] <= '8' ? text[sign] - '0' : 1;
    }
    return 0;
}

static int hex_digit(char digit)
{
    return isdigit((unsigned char)digit) ? digit - '0' : isxdigit((unsigned char)digit) ? (digit | 32) - 'a' + 10 : -1;
}

/* Decodes in place the text after the third newline: two hexadecimal digits per byte, other characters ignored. Returns the number
 * of bytes. */
static size_t hex_decode(char *text)
{
    size_t digits = 0;
    char *from = text;
    for (int line = 0; line < 3; line++) {
        from = strchr(from, '\n');
        if (!from++)
            return 0;
    }
    for (; *from; from++) {
        int digit = hex_digit(*from);
        if (digit >= 0) {
            text[digits / 2] = (char)(digits % 2 ? text[digits / 2] | digit : digit << 4);
            digits++;
        }
    }
    return digits / 2;
}

int profile_orientation(char *text)
{
    size_t size = hex_decode(text);
    return exif_orientation((const uint8_t *)text, size);
}
