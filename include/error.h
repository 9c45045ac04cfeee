/* One sentence that says what went wrong.
 *
 * Every function that can fail returns 0, or -1 with its sentence in `why`. Nobody but a command
 * (src/commands) decides what follows: a mistake of the user is agreed on by all ranks and printed
 * once (world_agree), a failure under way aborts the whole job (world_abort). */
#ifndef ERROR_H
#define ERROR_H

#include <stddef.h>
#include <stdio.h>

struct error {
    char text[1024];
};

/* Control characters become '?': a name that a file brought along neither begins a line of its own nor steers a terminal. */
void text_printable(char *text);

/* How many bytes of a UTF-8 text to print where `most` fit: no part of a character is among them. */
int text_fit(const char *text, int most);

/* The text as one word for a shell, in quotes where it needs them; control characters as $'\012'. `size` of 4 times the text's
 * length and 4 is always enough. */
void text_quote(const char *text, char *word, size_t size);

/* Prints a line (printf's format, without the newline; made printable). */
void line_print(FILE *stream, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes the sentence (printf's format; cut at the buffer's end; made printable) and returns -1, so that a
 * failing function ends in `return error_set(why, "...", ...)`. A later call replaces it. */
int error_set(struct error *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " before the sentence that is there, and returns -1. */
int error_in(struct error *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts the text behind the sentence that is there, and returns -1. */
int error_add(struct error *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Zeroed memory aligned to 64 bytes (a cache line, an AVX-512 register), for `count` elements of
 * `size` bytes; free() releases it. NULL with a sentence naming `what` and the bytes asked for
 * where the node or the control group is short of memory, or the product overflows. */
void *memory_new(size_t count, size_t size, const char *what, struct error *why);

/* 0 where so much is free in the node and the control group, else -1 with such a sentence. */
int memory_check(size_t bytes, const char *what, struct error *why);

#endif
