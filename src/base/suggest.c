#include "suggest.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { LENGTH_MAX = 40 }; /* letters compared */

void suggest_plain(const char *word, char *plain, size_t size)
{
    word += strspn(word, "-");
    snprintf(plain, size, "%.*s", (int)strcspn(word, "="), word);
    for (char *next = plain; (next = strchr(next, '_'));)
        *next = '-';
}

static int smallest(int a, int b, int c)
{
    int least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein distance: the number of letters to insert, delete or replace. */
static int edit_distance(const char *a, const char *b)
{
    int row[LENGTH_MAX + 1];
    int length = (int)strnlen(b, LENGTH_MAX);
    for (int j = 0; j <= length; j++)
        row[j] = j;
    for (int i = 1; i <= LENGTH_MAX && a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= length; j++) {
            int above = row[j];
            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[length];
}

static bool has_initials(const char *name, const char *word)
{
    while (name && *word && *name == *word) {
        name = strchr(name, '-');
        name = name ? name + 1 : NULL;
        word++;
    }
    return !name && !*word;
}

/* Words under three letters do not count: they begin too many names. */
static bool begins(const char *text, const char *word)
{
    size_t length = strlen(word);
    return length >= 3 && strncmp(text, word, length) == 0;
}

static bool ends(const char *text, const char *word)
{
    size_t length = strlen(text), end = strlen(word);
    return end < length && text[length - end - 1] == '-' && strcmp(text + length - end, word) == 0;
}

int suggest_distance(const char *plain, const char *name)
{
    if (strcmp(plain, name) == 0)
        return SUGGEST_SAME;
    if (strchr(name, '-') && has_initials(name, plain))
        return SUGGEST_INITIALS;
    if (begins(name, plain) || begins(plain, name))
        return SUGGEST_BEGINNING;
    if (ends(name, plain) || ends(plain, name))
        return SUGGEST_PART;
    int letters = edit_distance(plain, name);
    return letters <= ((int)strlen(plain) + 2) / 3 ? SUGGEST_LETTERS + letters : SUGGEST_FAR;
}
