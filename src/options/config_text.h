/* The text of a file of options, for libconfig. */
#ifndef CONFIG_TEXT_H
#define CONFIG_TEXT_H

#include "error.h"

/* Reads the file and prepares its text: each whole number has the suffix L, because libconfig 1.5 cuts one without it to 32 bits.
 * Refuses what is no regular file, is longer than 1 MiB, or has an @include: where libconfig cannot read such a file, it ends the
 * program. The caller frees the text. NULL: the sentence names the file and, where there is one, the line. */
char *config_text_read(const char *file, struct error *why);

#endif
