/* One sentence that says what went wrong.
 *
 * A function that can fail returns 0, or -1 with a sentence in `why`; its comment lists the other statuses below that it may
 * return. Only a command (src/commands) decides what happens next: all ranks agree on a user's mistake, which is printed once
 * (world_agree); a failure during the run aborts the job (world_abort). */
#ifndef ERROR_H
#define ERROR_H

#include <stddef.h>
#include <stdio.h>

struct error {
    char text[1024];
};

/* Failures that callers handle differently from -1. `why` holds a sentence, as with -1. */
enum status {
    ALL_FAILED = 1,     /* all ranks failed together, with the same sentence: they leave together, and rank 0 prints it */
    PARITY_DIFFERS,     /* on all ranks: they do not hold the same parameters */
    CHECKPOINT_DAMAGED, /* the file is an incomplete or damaged checkpoint; -1: it cannot be read now, or has another format */
    SAVED_NOT_FINITE,   /* nothing was saved: the parameters are not finite, and no run could continue from them */
    SAVED_NOT_OURS,     /* nothing was saved: another run may own the directory by now (lock_check) */
    NOT_NOW,            /* there is no checkpoint to evaluate yet; a later look may find one */
};

/* Control characters become '?', so that a name from a file can neither start a new line nor control a terminal. */
void text_printable(char *text);

/* The number of bytes of a UTF-8 text that fit into `most` bytes without cutting a character in two. */
int text_fit(const char *text, int most);

/* Writes the text as one word for a shell, quoted if necessary; control characters become $'\012'. A `size` of 4 times the
 * text's length plus 4 is always enough. */
void text_quote(const char *text, char *word, size_t size);

/* Prints a line: printf's format, without the newline. Control characters are replaced. */
void line_print(FILE *stream, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes the sentence (printf's format) and returns -1, so that a function can end in `return error_set(why, "...", ...)`.
 * Control characters are replaced, and a long text is cut. A later call overwrites it. */
int error_set(struct error *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " in front of the sentence and returns -1. */
int error_in(struct error *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends the text to the sentence and returns -1. */
int error_add(struct error *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Zeroed memory for `count` elements of `size` bytes, aligned to 64 bytes (a cache line, an AVX-512 register); free() releases it.
 * NULL if the node or the control group has too little memory, or the product overflows; the sentence names `what` and the
 * bytes. */
void *memory_new(size_t count, size_t size, const char *what, struct error *why);

/* 0 if the node and the control group have that many bytes free, else -1 with a sentence like memory_new's. */
int memory_check(size_t bytes, const char *what, struct error *why);

#endif
