/* Inside the store room: the directory of checkpoints, for checkpoint_save. */
#ifndef STORE_CHECKPOINT_H
#define STORE_CHECKPOINT_H

#include <stdint.h>

#include "error.h"

/* Removes temporary files that a killed writer left there. No directory is fine. */
int leftovers_remove(const char *directory, struct error *why);

#endif
