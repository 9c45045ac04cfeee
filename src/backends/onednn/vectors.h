/* The loops that take most of a step's time. They are written once in GCC's vector types, compiled for several instruction sets
 * (one file each, vectors_*.c), and chosen at run time. Unlike loops that the compiler vectorises, they use whole registers and
 * fused multiply-adds. */
#ifndef BACKENDS_VECTORS_H
#define BACKENDS_VECTORS_H

#include <stdint.h>

#include "winograd.h"

struct vector_set {
    const char *name;
    const struct winograd_kernels *winograd[2]; /* F(4x4, 3x3), F(4x4, 5x5) */

    /* For each channel, the maximum over `count` pixels and its place (places[i] for pixels[i]); of equal values, the first.
     * A NaN wins, so that it reaches the loss and is seen. */
    void (*pool_window)(const float *const *pixels, const uint8_t *places, int count, int channels, float *y,
                        uint8_t *y_places);
};

extern const struct vector_set vectors_generic, vectors_avx2, vectors_avx512;

/* The sets that this CPU can run, best first; NULL after the last. oneDNN detects the CPU, so its environment variable
 * ONEDNN_MAX_CPU_ISA limits them. */
const struct vector_set *vector_set_at(int index);

#endif
