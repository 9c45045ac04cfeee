/* Numbers with fewer bits than a float, as the referee's libraries compute with them. */
#ifndef FAKECUDA_NUMBERS_H
#define FAKECUDA_NUMBERS_H

#include <stdint.h>
#include <string.h>

enum { TF32_DROPPED = 13, HALF_DROPPED = 16 }; /* bits of a float's mantissa */

static inline float widened(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Drops that many bits of the mantissa: rounds to the nearest, in a tie to the even one. */
static inline float rounded(float value, int dropped)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7f800000) == 0x7f800000)
        return value; /* infinite or NaN */
    bits += ((1u << (dropped - 1)) - 1) + (bits >> dropped & 1);
    bits &= ~((1u << dropped) - 1);
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint16_t narrowed(float value)
{
    uint32_t bits;
    value = rounded(value, HALF_DROPPED);
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)(bits >> 16 | (value != value)); /* a NaN stays one */
}

#endif
