/* One sentence that says what went wrong.
 *
 * Every function that can fail returns 0, or -1 with its sentence in `why`; a function may also return one of the statuses below,
 * which its comment names. Only a command (src/commands) decides what follows: all ranks agree on a mistake of the user, and it is
 * printed once (world_agree); a failure under way aborts the whole job (world_abort). */
#ifndef ERROR_H
#define ERROR_H

#include <stddef.h>
#include <stdio.h>

struct error {
    char text[1024];
};

/* Failures that a caller tells apart from others. `why` holds a sentence, as with -1. */
enum status {
    ALL_FAILED = 1,     /* all ranks failed together, with the same sentence: they leave together, and rank 0 prints it */
    PARITY_DIFFERS,     /* on all ranks: they do not hold the same parameters */
    CHECKPOINT_DAMAGED, /* the file is an incomplete or damaged checkpoint; -1: it cannot be read now, or has another format */
    SAVED_NOT_FINITE,   /* nothing was saved: the parameters are not finite, and no run could continue from them */
    SAVED_NOT_OURS,     /* nothing was saved: another run may own the directory by now (lock_check) */
    NOT_NOW,            /* there is no checkpoint to evaluate yet: the next look may find one */
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
