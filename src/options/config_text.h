/* The text of a file of options, for libconfig. */
#ifndef CONFIG_TEXT_H
#define CONFIG_TEXT_H

#include "error.h"

/* Reads the file and prepares its text: each whole number has the suffix L, because libconfig 1.5 cuts one without it to 32 bits.
 * Refuses a file that is not regular, is longer than 1 MiB, or contains @include: libconfig ends the program if it cannot read the
 * file that @include names. The caller frees the text. NULL: the sentence names the file, and the line of a mistake. */
char *config_text_read(const char *file, struct error *why);

#endif
