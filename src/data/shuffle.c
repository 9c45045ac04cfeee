#include <stdlib.h>
#include <string.h>

#include "data.h"
#include "draws.h"

int shuffle_init(struct shuffle *shuffle, uint64_t seed, uint32_t count, struct error *why)
{
    memset(shuffle, 0, sizeof *shuffle);
    if (count == 0)
        return error_set(why, "there are no samples to shuffle");
    shuffle->permutation = memory_new(count, sizeof *shuffle->permutation, "the order of the samples", why);
    if (!shuffle->permutation)
        return -1;
    shuffle->seed = seed;
    shuffle->count = count;
    shuffle->epoch = UINT64_MAX; /* none yet; only a single sample can reach this epoch, and its zeroed permutation is right */
    return 0;
}

/* Fisher-Yates shuffle from the end; all orders are equally likely. */
static void permute(struct shuffle *shuffle, uint64_t epoch)
{
    uint32_t *permutation = shuffle->permutation;
    for (uint32_t i = 0; i < shuffle->count; i++)
        permutation[i] = i;
    uint32_t words[4];
    uint32_t drawn = 0;
    for (uint32_t left = shuffle->count; left > 1; left--, drawn++) {
        if (drawn % 4 == 0)
            draw_words(shuffle->seed, DRAW_SHUFFLE, epoch, drawn / 4, words);
        uint32_t chosen = draw_below(words[drawn % 4], left);
        uint32_t last = permutation[left - 1];
        permutation[left - 1] = permutation[chosen];
        permutation[chosen] = last;
    }
    shuffle->epoch = epoch;
}

uint32_t shuffle_at(struct shuffle *shuffle, uint64_t position)
{
    uint64_t epoch = position / shuffle->count;
    if (epoch != shuffle->epoch)
        permute(shuffle, epoch);
    return shuffle->permutation[position % shuffle->count];
}

void shuffle_free(struct shuffle *shuffle)
{
    free(shuffle->permutation);
    memset(shuffle, 0, sizeof *shuffle);
}
