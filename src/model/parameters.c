#include <math.h>

#include "draws.h"
#include "model.h"

/* A standard normal, redrawn beyond two deviations (tf.truncated_normal), by Box and Muller's
 * transform: a pure function of (seed, index). */
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
    for (int i = 0; i < net->layer_count; i++) {
        const struct net_layer *l = &net->layers[i];
        for (size_t w = l->weights; w < l->weights + l->weight_count; w++)
            parameters[w] = l->layer.stddev * truncated_normal(seed, w);
        for (size_t b = l->biases; b < l->biases + l->bias_count; b++)
            parameters[b] = l->layer.bias;
    }
}
