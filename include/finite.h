#ifndef FINITE_H
#define FINITE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether all values are finite. Runs at the speed of memory. */
bool floats_finite(const float *values, size_t count);

#endif
