/* The sum of two activations: y = activation(x + added). Its gradient goes to both. */
#include <string.h>

#include "host.h"

__attribute__((target_clones("avx512f", "avx2", "default")))
static void sum_forward(const float *restrict x, const float *restrict added, bool relu, float *restrict y, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float sum = x[i] + added[i];
        y[i] = relu && sum < 0 ? 0 : sum;
    }
}

static int add_forward(struct host_operation *o, struct error *why)
{
    (void)why;
    bool relu = o->layer->layer.activation == ACTIVATION_RELU;
    sum_forward(o->x, o->added, relu, o->y, (size_t)o->batch * shape_size(o->layer->out));
    return 0;
}

static int add_backward(struct host_operation *o, struct error *why)
{
    (void)why;
    size_t bytes = (size_t)o->batch * shape_size(o->layer->out) * sizeof(float);
    host_activation_backward(o);
    memcpy(o->dx, o->dy, bytes);
    if (o->dadded != o->dx) /* both are the spare buffer if both are added to existing gradients */
        memcpy(o->dadded, o->dy, bytes);
    return 0;
}

const struct host_kind host_add = {.layers = 1, .forward = add_forward, .backward = add_backward};
