/* What the CPU backends share: plans and their operations, with activations (N,H,W,C) in host memory (host_plan.c); memory, loss
 * and update (host.c); and the layers that need no library (host_add.c, host_batch_norm.c).
 *
 * A CPU backend is a folder with one file per kind of layer, a table of these kinds, and a function that chooses a layer's kind. */
#ifndef BACKENDS_HOST_H
#define BACKENDS_HOST_H

#include "backend.h"

/* One layer in a plan, and the state of its stage. The plan owns the buffers. */
struct host_operation {
    const struct host_kind *kind;
    const struct net_layer *layer; /* the first layer if the kind computes several */
    int batch;
    bool training;
    const float *parameters; /* flat; from the last prepare */
    float *gradients;        /* flat; of the current pass; NULL in evaluation */
    const float *x, *added;  /* inputs (batch, in); added: the second input of LAYER_ADD */
    float *y;                /* (batch, out) */
    float *dx, *dadded, *dy; /* their gradients; NULL if not needed. backward overwrites dx and dadded, may change dy */
    float *sum_x, *sum_added; /* the plan adds dx and dadded to these; NULL: dx is the input's gradient itself */
    float *scratch;          /* shared by all operations, as long as the most demanding needs */
    const void *backend;     /* the backend's data for all operations of a plan */
    double forward_operations, backward_operations; /* as in struct stage; set by init */
    void *own;               /* the kind's private data */
};

/* The functions of one kind of layer, as in struct stage. scratch, init, prepare and free may be NULL. */
struct host_kind {
    int layers; /* number of consecutive layers that one stage computes */
    size_t (*scratch)(const struct net_layer *layer); /* floats; NULL: none */
    int (*init)(struct host_operation *operation, struct error *why);
    int (*prepare)(struct host_operation *operation, struct error *why);
    int (*forward)(struct host_operation *operation, struct error *why);
    int (*backward)(struct host_operation *operation, struct error *why);
    void (*free)(struct host_operation *operation);
};

/* A tensor's address in the flat parameters or gradients. NULL for a NULL tensor, and for the gradient of a frozen one. */
static inline const float *host_parameters(const struct host_operation *o, const struct tensor *tensor)
{
    return tensor ? o->parameters + tensor->offset : NULL;
}

static inline float *host_gradients(const struct host_operation *o, const struct tensor *tensor)
{
    return tensor && tensor->role != TENSOR_FROZEN ? o->gradients + tensor->offset : NULL;
}

extern const struct host_kind host_add, host_batch_norm;

/* y = max(0, y); dy = 0 where y = 0: count values. */
void host_relu_forward(float *y, size_t count);
void host_relu_backward(float *dy, const float *y, size_t count);
/* host_relu_backward of the operation's output, for a layer with RELU. */
void host_activation_backward(const struct host_operation *o);

/* plan->state: what a plan owns besides its input and output buffers. */
struct host_plan {
    struct host_operation *operations; /* one per layer; a stage uses that of its first layer */
    float **activations, **gradients;  /* of all layers but the last: outputs, and in training their gradients */
    float *scratch, *spare;
    int layers;
    void *backend; /* the backend's data; the backend frees it after host_plan_free */
};

/* For struct backend's supports: 0 if the table (LAYER_KINDS long) has an operation for such a layer. */
int host_supports(const struct host_kind *const *kinds, const struct layer *layer, struct error *why);

/* The kind that computes layer `index` of the request's net, and the layers after it if it computes several. */
typedef const struct host_kind *host_choose(const struct plan_request *request, int index);

/* Calls plan_begin and puts an empty host_plan into plan->state. */
int host_plan_begin(struct plan *plan, const struct plan_request *request, const struct backend *backend, struct error *why);
/* Allocates all memory and makes all stages; the backend's data, if any, must be in the host_plan. */
int host_plan_make(struct plan *plan, const struct plan_request *request, host_choose *choose, struct error *why);
void host_plan_free(struct plan *plan); /* also takes a zeroed or half-made plan */

/* Members of struct backend that do not depend on the library. */
int host_loss(struct plan *plan, const int32_t *labels, int count, struct loss_sums *sums, struct error *why);
float *host_allocate(size_t count, const char *what, struct error *why);
void host_free(float *memory);
int host_copy(float *to, const float *from, size_t count, struct error *why);
int host_sgd(struct plan *plan, float *parameters, const float *gradients, size_t count, float rate, float scale, float decay,
             double *penalty, struct error *why);
int host_ema(float *shadows, const float *parameters, size_t count, float decay, struct error *why);

#endif
