/* Backends: libraries that compute a net, behind one contract.
 *
 * Given a net and a batch size, a backend makes a plan: a list of stages, usually one per layer,
 * but it may fuse neighbours (convolution + bias + ReLU + pool + norm). The loop over the stages
 * is written once, in src/tower. Outside a backend activations are NHWC, weights HWIO or (in, out),
 * fp32, in one flat parameter buffer and one flat gradient buffer in layer order; inside, a
 * backend may use any layout.
 *
 * To add one: a folder in src/backends, a `const struct backend` in it, a line in
 * src/backends/registry.c. Every test in tests/backends then covers it. */
#ifndef BACKEND_H
#define BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device.h"
#include "error.h"
#include "model.h"

/* One or several neighbouring layers. The plan owns or was given all buffers; running a stage
 * allocates nothing. */
struct stage {
    char name[48];   /* "conv1", or "conv1+pool1" if fused */
    char about[256]; /* the algorithm that the library chose, in words; "" if there was no choice */
    int first, last; /* the layers that it computes */
    size_t complete; /* after backward, the flat gradient is complete from this offset to its end */

    /* Called after every update with the new parameters (flat, net->parameters long, unchanged until the next call).
     * May be NULL. */
    int (*prepare)(struct stage *stage, const float *parameters, struct error *why);
    /* Computes the stage's output from its input, both known to the plan. In training it writes the sums of its STATE tensors
     * (model.h) to `gradients` (flat); NULL in a plan for evaluation. */
    int (*forward)(struct stage *stage, float *gradients, struct error *why);
    /* Computes the gradient of its input from that of its output (in the first stage only if the request asks for it), and fills
     * `gradients` (flat) from `complete` to the `complete` of the stage that ran before with sums over the batch. It reads nothing
     * there before writing it. NULL in a plan for evaluation. */
    int (*backward)(struct stage *stage, float *gradients, struct error *why);
    void (*free)(struct stage *stage); /* a half-made stage is allowed */
    /* Arithmetic operations of a pass in convolutions and matrix products (a multiply-add is two), if its algorithm needs fewer
     * than direct convolution; else 0. */
    double forward_operations, backward_operations;
    void *state;
};

/* The algorithm of a convolution, for backends that have several. */
enum convolution_choice {
    CONVOLUTION_AUTO,     /* chosen by the backend from the layer's shape alone: the same on all ranks */
    CONVOLUTION_DIRECT,   /* sums over the window */
    CONVOLUTION_WINOGRAD, /* minimal filtering where possible: fewer multiplications, larger rounding errors */
};

/* The number format that a device computes in. A CPU computes in fp32 only. */
enum precision {
    PRECISION_FP32, /* true single precision */
    PRECISION_TF32, /* tensor cores; factors are rounded to 10 bits of mantissa */
    PRECISION_BF16, /* activations and working copies of the weights in bfloat16; parameters, gradients, sums in fp32 */
};

struct plan_request {
    const struct net *net; /* outlives the plan */
    int batch;             /* images */
    bool training;         /* with backward */
    bool input_gradient;   /* also the gradient of the first layer's input (tests) */
    bool separate;         /* for evaluation in float: every layer is a stage, and its output is kept (plan.activations) */
    enum convolution_choice convolution;         /* of every layer, unless convolutions is set */
    const enum convolution_choice *convolutions; /* by layer; NULL: none */
    enum precision precision;
    size_t workspace;   /* bytes that a device's library may use for one operation; 0: chosen by the batch */
    bool deterministic; /* use only algorithms that give the same bits every time */
};

/* The loss of a batch. */
struct loss_sums {
    double loss;     /* cross-entropy, summed over the images */
    int64_t correct; /* images whose largest logit is the label's; of equal ones the first counts */
    int64_t count;   /* images */
};

/* The index of the largest value, the first of equal ones: the class that an image's logits predict. */
static inline int index_of_largest(const float *values, int count)
{
    int largest = 0;
    for (int i = 1; i < count; i++)
        if (values[i] > values[largest])
            largest = i;
    return largest;
}

struct plan {
    struct stage *stages; /* in the order of their layers */
    int stage_count;
    int batch, classes;
    /* In the backend's own memory (struct backend, memory_*). */
    float *input;           /* (batch, height, width, channels) */
    float *output;          /* (batch, outputs of the last layer) in NHWC order: the logits */
    float *output_gradient; /* the same shape; written by the loss, or by a test; NULL in evaluation */
    float *input_gradient;  /* (batch, height, width, channels); NULL unless asked for */
    float **activations;    /* by layer of a plan whose request says `separate`: its output (batch, height, width, channels); else
                             * NULL */
    void *state;
};

struct backend {
    const char *name;
    int priority; /* `auto` chooses the highest that can run here and compute the model */

    /* 0 if its library and device are usable here, with the library's name and version in `about`; else -1 with the reason. */
    int (*probe)(char *about, size_t size, struct error *why);
    /* Sets the number of threads of one tower, before the first plan. */
    int (*set_threads)(int threads, struct error *why);

    /* 0 if it can compute such a layer, else -1 with the reason. NULL: it can compute all layers. */
    int (*supports)(const struct layer *layer, struct error *why);
    int layers_max; /* the most layers of a net that it computes; 0: any number */

    /* Whether it has that algorithm for that convolution; DIRECT always works. NULL: it has only DIRECT. */
    bool (*knows)(const struct net_layer *layer, enum convolution_choice way);

    int (*plan)(struct plan *plan, const struct plan_request *request, struct error *why);
    void (*plan_free)(struct plan *plan); /* a zeroed or half-made plan is allowed */

    /* Softmax cross-entropy of the plan's output and `labels` (host memory; the first `count` of
     * the batch's images count, the rest are padding). In a training plan writes
     * output_gradient = softmax - one-hot (not divided by the batch; 0 for padding). */
    int (*loss)(struct plan *plan, const int32_t *labels, int count, struct loss_sums *sums, struct error *why);

    /* Memory where the tower's parameters, gradients and activations live (host memory for a CPU).
     * allocate: zeroed floats, NULL with why on failure. */
    float *(*memory_allocate)(size_t count, const char *what, struct error *why);
    void (*memory_free)(float *memory);
    int (*memory_upload)(float *to, const float *from, size_t count, struct error *why);
    int (*memory_download)(float *to, const float *from, size_t count, struct error *why);

    /* The update, in the memory of the parameters; formulas in optimize.h. plan: the tower's, whose memory it may use. Nothing is
     * allocated. */
    int (*sgd)(struct plan *plan, float *parameters, const float *gradients, size_t count, float rate, float scale,
               float decay, double *penalty, struct error *why);
    int (*ema)(float *shadows, const float *parameters, size_t count, float decay, struct error *why);

    const struct device *device; /* what training on a device needs; NULL: a CPU backend */
};

/* All backends of this program, highest priority first: `index` 0, 1, ...; NULL after the last one. A backend that was not built in
 * is listed too; its probe says why. */
const struct backend *backend_at(int index);

/* The backend of that name; "auto": the one of highest priority that can run here. NULL with a sentence that lists the known names,
 * or says what is missing. */
const struct backend *backend_find(const char *name, struct error *why);

/* 0 if the backend can compute all layers of the model, else -1 with the layer and the reason. */
int backend_supports(const struct backend *backend, const struct model *model, struct error *why);

/* backend_find, then prepares the backend for this process: sets `threads` threads, and selects a device, round-robin by the rank
 * on the node. "auto" skips a backend that cannot compute the model (NULL: not known yet). */
const struct backend *backend_open(const char *name, const struct model *model, int threads, int node_rank,
                                   struct device_place *place, struct error *why);

/* ---- shared by all backends (src/backends/plan.c) ---- */

/* Zeroes the plan, checks that the backend can compute the request, and allocates a stage for each layer. plan_end frees them and
 * zeroes the plan. */
int plan_begin(struct plan *plan, const struct plan_request *request, const struct backend *backend, struct error *why);
void plan_end(struct plan *plan);

/* Allocates those of the plan's four buffers that the request needs; allocate: the backend's memory_allocate. */
typedef float *plan_allocator(size_t count, const char *what, struct error *why);
int plan_allocate_ends(struct plan *plan, const struct plan_request *request, plan_allocator *allocate, struct error *why);

/* Whether `reader`, a layer that reads the output of layer `input`, must add to the gradient of that output in its backward pass:
 * true if a later layer reads it too and has written the gradient before. */
bool plan_adds_gradient(const struct net *net, int reader, int input);

/* 0 if `count` labels fit the plan, and each is one of its classes. */
int plan_check_labels(const struct plan *plan, const int32_t *labels, int count, struct error *why);

#endif
