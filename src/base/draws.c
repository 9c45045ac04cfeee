#include "draws.h"

#include <Random123/philox.h>

void draw_words(uint64_t seed, enum draw_purpose purpose, uint64_t position, uint32_t block, uint32_t words[4])
{
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    philox4x32_ctr_t counter = {{(uint32_t)position, (uint32_t)(position >> 32), block, (uint32_t)purpose}};
    philox4x32_ctr_t drawn = philox4x32(counter, key);
    for (int i = 0; i < 4; i++)
        words[i] = drawn.v[i];
}

float draw_uniform(uint32_t word)
{
    return (float)(word >> 8) * 0x1p-24f;
}

uint32_t draw_below(uint32_t word, uint32_t n)
{
    return (uint32_t)(((uint64_t)word * n) >> 32);
}
