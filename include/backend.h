/* Backends: a library that computes a net, behind one contract.
 *
 * Given a net and a batch size, a backend makes a plan: a row of stages, usually one a layer, but
 * it may fuse neighbours (convolution + bias + ReLU + pool + norm). The walk over the stages is
 * written once, in src/tower. Outside a backend activations are NHWC, weights HWIO or (in, out),
 * fp32, in one flat parameter buffer and one flat gradient buffer in layer order; inside, a
 * backend lays out what it likes.
 *
 * To add one: a folder in src/backends, a `const struct backend` in it, a line in
 * src/backends/registry.c. Every test in tests/backends then runs on it. */
#ifndef BACKEND_H
#define BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device.h"
#include "error.h"
#include "model.h"

/* One or several neighbouring layers. All buffers were given or made by the plan; running a stage
 * allocates nothing. */
struct stage {
    char name[48];   /* "conv1", or "conv1+pool1" where fused */
    char about[256]; /* how its library computes it, in words, where it chose among ways; else "" */
    int first, last; /* layers of the net that it computes */
    size_t complete; /* the flat gradient is complete from here to its end once backward is done; a CPU's from layer `first` on */

    /* The parameters (flat, net->parameters long, unchanged until the next prepare) are new: once
     * after every update. May be NULL. */
    int (*prepare)(struct stage *stage, const float *parameters, struct error *why);
    /* From the stage's input to its output, both known to the plan. In training it writes the sums of its STATE tensors (model.h)
     * to `gradients` (flat); NULL in a plan for evaluation. */
    int (*forward)(struct stage *stage, float *gradients, struct error *why);
    /* From the gradient of its output to that of its input (except the first stage, unless the
     * request asks for it), and to `gradients` (flat), which it overwrites up to `complete` with the
     * sums over the batch: its own layers' slices at once, or that of a layer behind it in a later stage's.
     * NULL in a plan for evaluation. */
    int (*backward)(struct stage *stage, float *gradients, struct error *why);
    void (*free)(struct stage *stage); /* also of a stage that was only half made */
    /* Arithmetic operations that a pass executes in convolutions and matrix products (a multiply-add is two), where they
     * are fewer than sums over the windows need; else 0. */
    double forward_operations, backward_operations;
    void *state;
};

/* How a backend that knows several ways computes a convolution. */
enum convolution_choice {
    CONVOLUTION_AUTO,     /* what the backend takes for best, from the layer's shape alone: the same on all ranks */
    CONVOLUTION_DIRECT,   /* sums over the window */
    CONVOLUTION_WINOGRAD, /* minimal filtering wherever it applies: fewer multiplications, larger rounding errors */
};

/* In which numbers a device computes. A CPU knows fp32 only. */
enum precision {
    PRECISION_FP32, /* true single precision */
    PRECISION_TF32, /* tensor cores, factors rounded to 10 bits of mantissa */
    PRECISION_BF16, /* activations and working copies of the weights in bfloat16; parameters, gradients, sums in fp32 */
};

struct plan_request {
    const struct net *net; /* outlives the plan */
    int batch;             /* images */
    bool training;         /* with backward */
    bool input_gradient;   /* also the gradient of the first layer's input (tests) */
    enum convolution_choice convolution;         /* of every layer, */
    const enum convolution_choice *convolutions; /* or by layer, where not NULL */
    enum precision precision;
    size_t workspace;   /* bytes that a device's library may take for one operation; 0: by the batch */
    bool deterministic; /* only ways that give the same bits every time */
};

/* What the loss tells about a batch. */
struct loss_sums {
    double loss;     /* cross-entropy, summed over the images */
    int64_t correct; /* images whose largest logit is the label's (the first of equals) */
    int64_t count;   /* images */
};

struct plan {
    struct stage *stages; /* in the order of their layers */
    int stage_count;
    int batch, classes;
    /* In the backend's own memory (struct backend, memory_*). */
    float *input;           /* (batch, height, width, channels): where a batch is put */
    float *output;          /* (batch, outputs of the last layer) in NHWC order: the logits */
    float *output_gradient; /* the same shape; from the loss, or put there by a test; NULL in evaluation */
    float *input_gradient;  /* (batch, height, width, channels), where asked for, else NULL */
    void *state;
};

struct backend {
    const char *name;
    int priority; /* `auto` takes the highest whose probe succeeds */

    /* 0 where its library and device are usable here, with the library's name and version in
     * `about`; else -1 and why not. */
    int (*probe)(char *about, size_t size, struct error *why);
    /* Threads of one tower; before the first plan. */
    int (*set_threads)(int threads, struct error *why);

    /* 0 where it can compute such a layer, else -1 with what it cannot: "batch norm". NULL: it computes all kinds. */
    int (*supports)(const struct layer *layer, struct error *why);

    /* Whether it can compute that convolution in that way (it can directly). NULL: it knows one way only. */
    bool (*knows)(const struct net_layer *layer, enum convolution_choice way);

    int (*plan)(struct plan *plan, const struct plan_request *request, struct error *why);
    void (*plan_free)(struct plan *plan); /* also of a zeroed or half-made plan */

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

    /* The update where the parameters live; formulas in optimize.h. plan: the tower's, whose memory this may use. Nothing is
     * allocated. */
    int (*sgd)(struct plan *plan, float *parameters, const float *gradients, size_t count, float rate, float scale,
               float decay, double *penalty, struct error *why);
    int (*ema)(float *shadows, const float *parameters, size_t count, float decay, struct error *why);

    const struct device *device; /* what training on a device of its own needs; NULL: a CPU backend */
};

/* All backends of this program, by falling priority: `index` 0, 1, ... NULL behind the last. One
 * that was not built in is there too; its probe says why. */
const struct backend *backend_at(int index);

/* The backend of that name, or with "auto" the one of highest priority that can run here. NULL
 * with why not (which of them there are, or what is missing). */
const struct backend *backend_find(const char *name, struct error *why);

/* 0 where the backend can compute all layers of the model, else -1 with the layer and what the backend cannot. */
int backend_supports(const struct backend *backend, const struct model *model, struct error *why);

/* The same, made ready for this process: `threads` threads, and its device (the node's devices in turn, by the rank among those of
 * the node). "auto" passes over a backend that cannot compute the model (NULL: not known yet). */
const struct backend *backend_open(const char *name, const struct model *model, int threads, int node_rank,
                                   struct device_place *place, struct error *why);

/* ---- shared by all backends (src/backends/plan.c) ---- */
/* Zeroes the plan, checks that the backend can compute the request, and takes memory for a stage a layer; plan_end gives it back
 * and zeroes the plan. */
int plan_begin(struct plan *plan, const struct plan_request *request, const struct backend *backend, struct error *why);
void plan_end(struct plan *plan);

/* The plan's four buffers, as the request wants them, by the backend's memory_allocate. */
typedef float *plan_allocator(size_t count, const char *what, struct error *why);
int plan_allocate_ends(struct plan *plan, const struct plan_request *request, plan_allocator *allocate, struct error *why);

/* Whether the gradient of layer `input` is there already when layer `reader`, which reads its output, goes backward: a later layer
 * reads it too. The reader then adds to it. */
bool plan_adds_gradient(const struct net *net, int reader, int input);

/* 0 where `count` labels fit the plan. */
int plan_check_labels(const struct plan *plan, const int32_t *labels, int count, struct error *why);

#endif
