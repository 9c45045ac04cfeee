/* Inside the store room: the directory of checkpoints, for checkpoint_save. */
#ifndef STORE_CHECKPOINT_H
#define STORE_CHECKPOINT_H

#include <stdint.h>

#include "error.h"

/* Removes all checkpoints but the newest `keep` (0: all stay); never the newest, nor that of step `saved`. */
int checkpoint_prune(const char *directory, uint64_t saved, int keep, struct error *why);

/* Removes temporary files that a killed writer left there. No directory is fine. */
int leftovers_remove(const char *directory, struct error *why);

#endif
