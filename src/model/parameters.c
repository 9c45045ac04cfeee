#include <math.h>

#include "draws.h"
#include "model.h"

/* A standard normal number by Box and Muller's transform, redrawn beyond two deviations
 * (tf.truncated_normal): a pure function of (seed, index). */
static float truncated_normal(uint64_t seed, size_t index)
{
    for (uint32_t block = 0;; block++) {
        uint32_t words[4];
        draw_words(seed, DRAW_WEIGHTS, index, block, words);
        for (int i = 0; i < 4; i += 2) {
            double radius = sqrt(-2 * log(1.0 - draw_uniform(words[i])));
            double normal = radius * cos(2 * 3.14159265358979323846 * draw_uniform(words[i + 1]));
            if (fabs(normal) < 2)
                return (float)normal;
        }
    }
}

void net_parameters(const struct net *net, uint64_t seed, float *parameters)
{
    for (const struct tensor *t = net->tensors; t < net->tensors + net->tensor_count; t++)
        for (size_t i = t->offset; i < t->offset + t->count; i++)
            parameters[i] = t->stddev ? t->stddev * truncated_normal(seed, i) : t->value;
}
