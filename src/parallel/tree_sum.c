/* The additions of the fixed binary tree. */
#include <string.h>

#include "reduce.h"

enum { BLOCK = 1024 }; /* floats added at a time, so that they stay in the cache */

__attribute__((target_clones("avx512f", "avx2", "default")))
void tree_add(float *restrict sum, const float *restrict addend, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += addend[i];
}

/* Computes [at, at + size) of the leaves' sum; size is at most BLOCK. */
static void sum_block(float *sum, const float *const *leaves, int count, size_t at, size_t size)
{
    float right[BLOCK];
    int left = 1;
    if (count == 1) {
        if (sum != leaves[0] + at)
            memcpy(sum, leaves[0] + at, size * sizeof *sum);
        return;
    }
    while (2 * left < count)
        left *= 2;
    sum_block(sum, leaves, left, at, size);
    if (count - left == 1) {
        tree_add(sum, leaves[left] + at, size);
        return;
    }
    sum_block(right, leaves + left, count - left, at, size);
    tree_add(sum, right, size);
}

void tree_sum(float *sum, const float *const *leaves, int leaf_count, size_t count)
{
    for (size_t at = 0; at < count; at += BLOCK)
        sum_block(sum + at, leaves, leaf_count, at, count - at < BLOCK ? count - at : BLOCK);
}

void reduce_leaves(struct reducer_state *state, float *sums, const float *first, int leaves, size_t stride, size_t count)
{
    for (int i = 0; i < leaves; i++)
        state->leaves[i] = first + (size_t)i * stride;
    tree_sum(sums, state->leaves, leaves, count);
}
