/* Which neighbours are computed together, so that less is written and read again by fewer kernels:
 *
 *   a pool and the norm behind it   forward the norm takes the maxima while it loads, and backward what lies between is not kept
 *   a norm and the pool behind it   what lies between is not kept
 *   a dense layer of few outputs    adds the bias of the dense layer before it, and applies its ReLU
 *   a dense layer                   masks the gradient behind the ReLU of the dense layer before it (where cublasLt offers that)
 *
 * And whoever makes the gradient behind a ReLU anyway, a norm or a dense layer of few outputs, masks it and sums it for the
 * bias. Behind a pool too: a maximum is above 0 where the value it was taken of is. */
#include "operations.h"

/* Four values are moved at a time: they must not reach into the next pixel. */
static bool norm_may_pair(const struct operation *norm)
{
    return norm->layer->in.channels % 4 == 0 && norm->layer->in.channels <= NORM_CHANNELS_MAX;
}

static void pair(struct operation *a, struct operation *b, const struct operation_kind *a_kind,
                 const struct operation_kind *b_kind)
{
    a->kind = a_kind, b->kind = b_kind;
    a->partner = b, b->partner = a;
}

static void fuse_neighbours(struct operation *a, struct operation *b)
{
    if (a->kind == &cudnn_max_pool && b->kind == &cudnn_norm && norm_may_pair(b))
        pair(a, b, &cudnn_pool_before_norm, &cudnn_norm_behind_pool);
    else if (a->kind == &cudnn_norm && b->kind == &cudnn_max_pool && norm_may_pair(a) && norm_pool_columns(b->layer) > 0)
        pair(a, b, &cudnn_norm_before_pool, &cudnn_pool_behind_norm);
    else if (a->kind == &cudnn_dense && b->kind == &cudnn_dense_few)
        pair(a, b, &cudnn_dense, &cudnn_dense_few);
}

static bool is_norm(const struct operation *o)
{
    return o->kind == &cudnn_norm || o->kind == &cudnn_norm_behind_pool || o->kind == &cudnn_norm_before_pool;
}

/* The operation that o may work for: first is the plan's first. */
static struct operation *before_of(struct operation *o, const struct operation *first)
{
    int back = o->kind == &cudnn_norm_behind_pool ? 2 : 1;
    bool dense = o->layer->layer.kind == LAYER_DENSE;
    const struct operation_kind *wanted = is_norm(o) ? &cudnn_convolution : dense ? &cudnn_dense : NULL;
    return o - first >= back && wanted && o[-back].kind == wanted ? o - back : NULL;
}

void fuse(struct operation *operations, int count)
{
    for (int i = 0; i < count; i++) {
        const struct layer *layer = &operations[i].layer->layer;
        if (operations[i].kind == &cudnn_dense && layer->outputs <= FEW_OUTPUTS && layer->activation == ACTIVATION_NONE)
            operations[i].kind = &cudnn_dense_few;
    }
    for (int i = 0; i + 1 < count; i++)
        fuse_neighbours(&operations[i], &operations[i + 1]);
    for (struct operation *o = operations; o < operations + count; o++)
        if ((o->before = before_of(o, operations)))
            o->before->masked = true;
}
