/* Softmax: a net's logits -> the probabilities of the classes. Training needs only the loss, so the net has no softmax layer. The
 * CIFAR-10 tutorial leaves these normalised predictions as an exercise. */
#ifndef SOFTMAX_H
#define SOFTMAX_H

/* probabilities[i] = exp(logits[i]) / sum of exp(logits); both (classes). A NaN or infinite logit makes all of them NaN. */
void softmax(const float *logits, int classes, float *probabilities);

#endif
