/* Private to src/store: what checkpoint_save needs from checkpoint_directory.c. */
#ifndef STORE_CHECKPOINT_H
#define STORE_CHECKPOINT_H

#include <stdint.h>

#include "error.h"

/* Removes temporary files left by a killed writer. The directory may be missing. */
int leftovers_remove(const char *directory, struct error *why);

#endif
