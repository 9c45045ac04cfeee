/* Random draws as pure functions of (seed, purpose, position): Philox4x32-10 (Salmon et al. 2011,
 * "Parallel random numbers: as easy as 1, 2, 3"), from the Random123 headers. There is no state: every
 * rank, thread or GPU gets the same bits for the same position. */
#ifndef DRAWS_H
#define DRAWS_H

#include <stdint.h>

enum draw_purpose {
    DRAW_SHUFFLE = 1, /* position = epoch */
    DRAW_DISTORT = 2, /* position = place in the sample stream */
    DRAW_WEIGHTS = 3, /* position = index in the flat parameter buffer */
};

/* Four 32-bit words. `block` continues the draws of one position: 0, 1, 2, ... */
void draw_words(uint64_t seed, enum draw_purpose purpose, uint64_t position, uint32_t block, uint32_t words[4]);

/* A word as a float in [0, 1): its upper 24 bits. */
float draw_uniform(uint32_t word);

/* A word as an integer in [0, n), n > 0, by multiplication (Lemire): biased by at most n / 2^32. */
uint32_t draw_below(uint32_t word, uint32_t n);

#endif
