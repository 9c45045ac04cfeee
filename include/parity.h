/* Parity: proof that all ranks hold the same bits. */
#ifndef PARITY_H
#define PARITY_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "world.h"

/* FNV-1a over the 64-bit words of count floats. */
uint64_t parity_hash(const float *values, size_t count);

/* Collective. Returns 0 on all ranks if all have the same hash, else PARITY_DIFFERS. The sentence names the ranks that differ
 * from the majority, or all ranks if there is none. -1: the check itself failed on this rank. */
int parity_check(const struct world *world, uint64_t hash, uint64_t step, struct error *why);

#endif
