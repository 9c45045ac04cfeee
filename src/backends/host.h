/* What the backends on a CPU share: activations (N,H,W,C) in host memory, a stage's operation and its place in a plan
 * (host_plan.c), memory, loss and update (host.c), and the layers that need no library (host_add.c, host_batch_norm.c).
 *
 * A backend on a CPU is a table of kinds, a function that chooses one for a layer, and a folder with a file a kind. */
#ifndef BACKENDS_HOST_H
#define BACKENDS_HOST_H

#include "backend.h"

/* A layer in a plan: the state of its stage. The plan owns the buffers. */
struct host_operation {
    const struct host_kind *kind;
    const struct net_layer *layer; /* the first, where the kind computes several */
    int batch;
    bool training;
    const float *parameters; /* flat, since the last prepare */
    float *gradients;        /* flat, of the present pass; NULL in evaluation */
    const float *x, *added;  /* (batch, in): what it reads; added: of LAYER_ADD */
    float *y;                /* (batch, out) */
    float *dx, *dadded, *dy; /* their gradients, or NULL: not needed. backward overwrites dx and dadded, and may change dy */
    float *sum_x, *sum_added; /* the gradients that the plan adds dx and dadded to; NULL: dx is the input's gradient itself */
    float *scratch;          /* as long as the longest of all operations needs it */
    const void *backend;     /* what the backend keeps for all operations of a plan */
    double forward_operations, backward_operations; /* as in struct stage; from init */
    void *own;               /* of the kind of layer */
};

/* What one kind of layer does; steps as in struct stage. scratch, init, prepare and free may be NULL. */
struct host_kind {
    int layers; /* neighbouring layers that it computes in one stage */
    size_t (*scratch)(const struct net_layer *layer); /* floats; NULL: none */
    int (*init)(struct host_operation *operation, struct error *why);
    int (*prepare)(struct host_operation *operation, struct error *why);
    int (*forward)(struct host_operation *operation, struct error *why);
    int (*backward)(struct host_operation *operation, struct error *why);
    void (*free)(struct host_operation *operation);
};

/* Where a tensor lies in flat parameters or gradients. NULL for a NULL tensor; a FROZEN one has no gradient either. */
static inline const float *host_parameters(const struct host_operation *o, const struct tensor *tensor)
{
    return tensor ? o->parameters + tensor->offset : NULL;
}

static inline float *host_gradients(const struct host_operation *o, const struct tensor *tensor)
{
    return tensor && tensor->role != TENSOR_FROZEN ? o->gradients + tensor->offset : NULL;
}

extern const struct host_kind host_add, host_batch_norm;

/* dy = 0 where y = 0, for a layer with RELU. */
void host_activation_backward(const struct host_operation *o);

/* What a plan owns beside its buffers at the ends: plan->state. */
struct host_plan {
    struct host_operation *operations; /* a layer each; a stage's is its first layer's */
    float **activations, **gradients;  /* the outputs of all layers but the last; NULL where a stage keeps its own */
    float *scratch, *spare;
    int layers;
    void *backend; /* the backend's own; it frees it after host_plan_free */
};

/* For struct backend's supports: 0 if the table (LAYER_KINDS long) has an operation for such a layer. */
int host_supports(const struct host_kind *const *kinds, const struct layer *layer, struct error *why);

/* The kind that computes layer `index` of the request's net, and the layers after it if it computes several. */
typedef const struct host_kind *host_choose(const struct plan_request *request, int index);

/* plan_begin, and an empty host_plan in plan->state. */
int host_plan_begin(struct plan *plan, const struct plan_request *request, const struct backend *backend, struct error *why);
/* All memory and all stages. backend: see struct host_operation. */
int host_plan_make(struct plan *plan, const struct plan_request *request, host_choose *choose, struct error *why);
void host_plan_free(struct plan *plan); /* also of a zeroed or half-made plan */

/* Members of struct backend that do not depend on the library. */
int host_loss(struct plan *plan, const int32_t *labels, int count, struct loss_sums *sums, struct error *why);
float *host_allocate(size_t count, const char *what, struct error *why);
void host_free(float *memory);
int host_copy(float *to, const float *from, size_t count, struct error *why);
int host_sgd(struct plan *plan, float *parameters, const float *gradients, size_t count, float rate, float scale, float decay,
             double *penalty, struct error *why);
int host_ema(float *shadows, const float *parameters, size_t count, float decay, struct error *why);

#endif
