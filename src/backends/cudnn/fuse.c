/* Decides which neighbouring layers are computed together, which saves kernels and memory traffic. Nothing else may read the
 * activation between them.
 *
 *   a pool and the norm after it    forward, the norm takes the maxima while it loads; backward, the gradient between is not stored
 *   a norm and the pool after it    the activation between is not stored
 *   a dense layer of few outputs    adds the bias of the dense layer before it, and applies its ReLU
 *   a dense layer                   masks the gradient by the ReLU of the dense layer before it (if cublasLt offers that)
 *
 * A norm or a dense layer of few outputs, which writes the gradient of a ReLU's output anyway, also masks it and sums it for the
 * bias. This works through a pool, too: a maximum is above 0 where the value that it was taken from is. */
#include "operations.h"

/* Four values are moved at a time: they must not reach into the next pixel. */
static bool norm_may_pair(const struct cudnn_operation *norm)
{
    return norm->layer->in.channels % 4 == 0 && norm->layer->in.channels <= NORM_CHANNELS_MAX;
}

static void pair(struct cudnn_operation *a, struct cudnn_operation *b, const struct cudnn_operation_kind *a_kind,
                 const struct cudnn_operation_kind *b_kind)
{
    a->kind = a_kind, b->kind = b_kind;
    a->partner = b, b->partner = a;
}

/* Whether b reads what a computes, and no other layer does. */
static bool is_between(const struct cudnn_operation *a, const struct cudnn_operation *b, const struct cudnn_operation *first)
{
    return b->layer->from == a - first && a->layer->readers == 1;
}

static void fuse_neighbours(struct cudnn_operation *a, struct cudnn_operation *b)
{
    if (a->kind == &cudnn_max_pool_kind && b->kind == &cudnn_norm_kind && norm_may_pair(b))
        pair(a, b, &cudnn_pool_before_norm_kind, &cudnn_norm_after_pool_kind);
    else if (a->kind == &cudnn_norm_kind && b->kind == &cudnn_max_pool_kind && norm_may_pair(a) && norm_pool_columns(b->layer) > 0)
        pair(a, b, &cudnn_norm_before_pool_kind, &cudnn_pool_after_norm_kind);
    else if (a->kind == &cudnn_dense_kind && b->kind == &cudnn_dense_few_kind && has_bias(a->layer))
        pair(a, b, &cudnn_dense_kind, &cudnn_dense_few_kind);
}

static bool is_few(const struct net_layer *l)
{
    return l->out.channels <= FEW_OUTPUTS && !has_relu(l) && has_bias(l) && is_trained(l);
}

static bool normalises(const struct cudnn_operation *o)
{
    return o->kind == &cudnn_norm_kind || o->kind == &cudnn_norm_after_pool_kind || o->kind == &cudnn_norm_before_pool_kind;
}

/* The operation whose gradient o may mask (struct cudnn_operation). first: the plan's first operation. */
static struct cudnn_operation *before_of(struct cudnn_operation *o, const struct cudnn_operation *first)
{
    int back = o->kind == &cudnn_norm_after_pool_kind ? 2 : 1;
    bool dense = o->layer->layer.kind == LAYER_DENSE;
    const struct cudnn_operation_kind *wanted = normalises(o) ? &cudnn_convolution_kind : dense ? &cudnn_dense_kind : NULL;
    for (int i = 0; i < back; i++)
        if (o - i == first || !is_between(o - i - 1, o - i, first))
            return NULL;
    bool unfinished = o->kind == &cudnn_dense_few_kind && !o->partner; /* it can only mask a dense layer whose bias it adds */
    return wanted && !unfinished && o[-back].kind == wanted ? o - back : NULL;
}

void fuse(struct cudnn_operation *operations, int count)
{
    for (int i = 0; i < count; i++)
        if (operations[i].kind == &cudnn_dense_kind && is_few(operations[i].layer))
            operations[i].kind = &cudnn_dense_few_kind;
    for (int i = 0; i + 1 < count; i++)
        if (is_between(&operations[i], &operations[i + 1], operations))
            fuse_neighbours(&operations[i], &operations[i + 1]);
    for (struct cudnn_operation *o = operations; o < operations + count; o++)
        if ((o->before = before_of(o, operations)))
            o->before->masked = true;
}
