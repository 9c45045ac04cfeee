#include "softmax.h"

#include <math.h>

#include "backend.h"

/* Subtracting the largest logit keeps the exponentials from overflowing. */
void softmax(const float *logits, int classes, float *probabilities)
{
    float largest = logits[index_of_largest(logits, classes)];
    double total = 0;
    for (int i = 0; i < classes; i++)
        total += exp((double)logits[i] - largest);
    for (int i = 0; i < classes; i++)
        probabilities[i] = (float)(exp((double)logits[i] - largest) / total);
}
