/* A tower: one replica of the net on one device, walking its backend's stages. */
#ifndef TOWER_H
#define TOWER_H

#include "backend.h"
#include "data.h"
#include "model.h"
#include "parallel.h"

struct tower_request {
    const struct backend *backend;
    const struct net *net; /* outlives the tower */
    int batch;             /* images a pass */
    bool training;
    enum convolution_choice convolution;             /* of every layer, */
    const enum convolution_choice *convolutions;     /* or by layer, where not NULL */
    enum precision precision;                        /* as in struct plan_request */
    size_t workspace;
    bool deterministic;
};

struct stage_time {
    double forward, backward; /* seconds, summed; prepare counts as forward */
};

struct tower {
    const struct backend *backend;
    const struct net *net;
    struct plan plan;
    float *parameters; /* flat, in the backend's memory */
    float *gradients;  /* a parcel in the backend's memory, where that is a device's; else NULL */
    struct stage_time times[NET_LAYERS_MAX]; /* a stage each, since the owner last zeroed them */
    double loss_seconds, update_seconds;
    bool waits; /* for each stage of a device, which else works on by itself: so a stage's time is its own */
};

/* Not collective. All memory is taken here. */
int tower_init(struct tower *tower, const struct tower_request *request, struct error *why);
void tower_free(struct tower *tower);

/* Host parameters (net->parameters floats) into the tower, and back. */
int tower_set_parameters(struct tower *tower, const float *parameters, struct error *why);
int tower_get_parameters(struct tower *tower, float *parameters, struct error *why);

/* Forward, loss and backward of one batch (batch->count <= the tower's batch). Gradient sums go to
 * `parcel` (reducer_begin; host memory) and what of them is complete is handed to the reducer after each stage. */
int tower_gradients(struct tower *tower, const struct batch *batch, struct reducer *reducer, float *parcel,
                    struct error *why);

/* Forward and loss of one batch; adds to `sums`. */
int tower_evaluate(struct tower *tower, const struct batch *batch, struct loss_sums *sums, struct error *why);

/* The update of all parameters from gradient sums (host memory) over `samples` images; makes the stages ready
 * for the next forward. *penalty: the weight decay's part of the loss before the update. */
int tower_update(struct tower *tower, const float *gradients, float samples, float rate, double *penalty,
                 struct error *why);

/* ---- whole steps on a device of its own (device.c) ----
 *
 * The same step as tower_gradients, the reducer and tower_update make, but enqueued: parameters, gradients and shadows stay on
 * the device, and nobody waits for a loss. */

/* How the gradients of all ranks meet. */
enum exchange {
    EXCHANGE_NONE, /* one rank, one slice */
    EXCHANGE_HOST, /* the reducer, in host memory */
    EXCHANGE_MPI,  /* MPI, in the device's memory */
    EXCHANGE_NCCL,
};

struct device_request {
    struct tower *tower;     /* training, on a device; outlives it */
    struct reducer *reducer; /* of EXCHANGE_HOST and EXCHANGE_MPI */
    enum exchange exchange;
    const struct dataset *dataset;
    uint64_t seed;
    const struct world *world; /* outlives it */
    int slices;              /* of this rank, a step */
    float *shadows;          /* in the device's memory; NULL: another rank has them */
    bool graph;              /* capture the step, and replay it; false from when that has failed */
};

struct device_tower {
    struct device_request request;
    const struct device *device;
    struct shuffle shuffle;
    uint32_t *samples;             /* of DEVICE_AT_ONCE passes */
    int pinned;                    /* blocks of the reducer's memory */
    size_t offsets[NET_LAYERS_MAX]; /* of the parcel's parts, as they are sent */
    int tickets;
    bool captured[DEVICE_PARTS];
    struct error notice;           /* why the steps are slower than they could be; "": nothing to tell */
    uint64_t given;                /* steps */
    char data[128];                /* where the images are, in words */
};

/* Not collective. */
int device_tower_init(struct device_tower *d, const struct device_request *request, struct error *why);
/* Collective, with EXCHANGE_NCCL only, before the first step: no rank comes back before all have come, so all must have agreed that
 * they will. identity: of rank 0, the same on all. */
int device_tower_join(struct device_tower *d, const void *identity, struct error *why);
void device_tower_free(struct device_tower *d);

/* Whether its steps meet no host, so that it is given them without waiting for any. Else all but the last update is done when
 * device_tower_steps returns. */
bool device_tower_runs_ahead(const struct device_tower *d);

/* Collective. Gives the device `count` steps, a pass each: position is that of the global batch; samples are found here. */
int device_tower_steps(struct device_tower *d, const struct device_pass *steps, int count, struct error *why);

/* ---- which way to compute each convolution (convolutions.c) ---- */

struct convolution_ways {
    enum convolution_choice choices[NET_LAYERS_MAX]; /* by layer of the net; all AUTO: each as its shape has it */
    double direct[NET_LAYERS_MAX], winograd[NET_LAYERS_MAX]; /* seconds, forward and backward; 0: not measured */
    int batch;                                               /* images that were measured */
};

/* Whether that layer is a convolution of which the backend knows both ways. */
bool convolution_has_two_ways(const struct backend *backend, const struct net_layer *layer);

/* Not collective. Times both ways of each convolution of which the request's backend knows two, on a tower of at most 32
 * images: a fraction of a second. The direct one is taken where it is faster by a tenth. */
int convolutions_measure(struct convolution_ways *ways, const struct tower_request *request, struct error *why);

/* The choices as a checkpoint keeps them, "conv2=winograd conv3=direct", "" where there was none to make; and back: names
 * of no layer are passed by. */
void convolutions_text(const struct convolution_ways *ways, const struct backend *backend, const struct net *net,
                       char *text, size_t size);
void convolutions_read(struct convolution_ways *ways, const struct net *net, const char *text);

#endif
