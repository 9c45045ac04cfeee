/* What the CPU backends share: loss, memory, update. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "optimize.h"

float *host_allocate(size_t count, const char *what, struct error *why)
{
    return memory_new(count, sizeof(float), what, why);
}

void host_free(float *memory)
{
    free(memory);
}

int host_copy(float *to, const float *from, size_t count, struct error *why)
{
    (void)why;
    memcpy(to, from, count * sizeof *to);
    return 0;
}

int host_sgd(struct plan *plan, float *parameters, const float *gradients, size_t count, float rate, float scale, float decay,
             double *penalty, struct error *why)
{
    (void)plan, (void)why;
    *penalty = sgd_apply(parameters, gradients, count, rate, scale, decay);
    return 0;
}

int host_ema(float *shadows, const float *parameters, size_t count, float decay, struct error *why)
{
    (void)why;
    ema_update(shadows, parameters, count, decay);
    return 0;
}

/* NaN stays NaN, so that it reaches the loss and is seen. */
__attribute__((target_clones("avx512f", "avx2", "default")))
void host_relu_forward(float *y, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] = y[i] < 0 ? 0 : y[i];
}

__attribute__((target_clones("avx512f", "avx2", "default")))
void host_relu_backward(float *restrict dy, const float *restrict y, size_t count)
{
    for (size_t i = 0; i < count; i++)
        dy[i] = y[i] > 0 ? dy[i] : 0;
}

void host_activation_backward(const struct host_operation *o)
{
    if (o->layer->layer.activation == ACTIVATION_RELU)
        host_relu_backward(o->dy, o->y, (size_t)o->batch * shape_size(o->layer->out));
}

/* The loss of one image. Subtracting the largest logit keeps the exponentials from overflowing. A NaN or infinite logit makes the
 * loss NaN, and the image counts as wrong. */
static void image_loss(const float *logits, int classes, int label, float *gradient, struct loss_sums *sums)
{
    int largest = index_of_largest(logits, classes);
    double total = 0;
    for (int i = 0; i < classes; i++)
        total += exp((double)logits[i] - logits[largest]);
    double loss = log(total) - ((double)logits[label] - logits[largest]);
    sums->loss += loss;
    sums->correct += largest == label && !isnan(loss);
    sums->count++;
    for (int i = 0; gradient && i < classes; i++)
        gradient[i] = (float)(exp((double)logits[i] - logits[largest]) / total - (i == label));
}

int host_loss(struct plan *plan, const int32_t *labels, int count, struct loss_sums *sums, struct error *why)
{
    size_t classes = (size_t)plan->classes;
    if (plan_check_labels(plan, labels, count, why))
        return -1;
    *sums = (struct loss_sums){0};
    for (int n = 0; n < count; n++) {
        float *gradient = plan->output_gradient ? plan->output_gradient + n * classes : NULL;
        image_loss(plan->output + n * classes, plan->classes, labels[n], gradient, sums);
    }
    if (plan->output_gradient)
        memset(plan->output_gradient + count * classes, 0, (size_t)(plan->batch - count) * classes * sizeof(float));
    return 0;
}
