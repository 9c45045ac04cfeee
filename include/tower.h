/* A tower: one replica of the net on one device, walking its backend's stages. */
#ifndef TOWER_H
#define TOWER_H

#include "backend.h"
#include "data.h"
#include "model.h"
#include "optimize.h"
#include "parallel.h"
#include "step.h"

struct tower_request {
    const struct backend *backend;
    const struct net *net; /* outlives the tower */
    int batch;             /* images a pass */
    bool training;
    const struct optimizer *optimizer; /* of a training tower that is updated; NULL: it keeps no states */
    bool master;           /* this rank also keeps the states that only rank 0 has */
    enum convolution_choice convolution;             /* of every layer, */
    const enum convolution_choice *convolutions;     /* or by layer, where not NULL */
    enum precision precision;                        /* as in struct plan_request */
    size_t workspace;
    bool deterministic;
};

/* What training steps need beside the tower; all of it outlives the tower. */
struct training_request {
    struct reducer *reducer;
    int slices;                    /* of this rank, a step */
    /* On the host: */
    struct loader *loader;         /* of the slices' batches; NULL: each slice is `batch` */
    const struct batch *batch;
    /* On a device: */
    const struct world *world;
    enum exchange exchange;
    const struct dataset *dataset; /* whose samples the tower finds by their positions */
    const struct augmentations *augmentations; /* of its images */
    uint64_t seed;
    bool graph;                    /* capture the step, and replay it; false from when that has failed */
};

enum { STEPS_UNDER_WAY = 2 * STEPS_AT_ONCE };

/* The tower's own part of it. */
struct training {
    struct training_request request;
    float rates[STEPS_UNDER_WAY];   /* of step n at n % STEPS_UNDER_WAY */
    struct step_result result;      /* on the host: of the last step */
    /* On a device: */
    struct shuffle shuffle;
    uint32_t *samples;              /* of DEVICE_AT_ONCE passes */
    int pinned;                     /* blocks of the reducer's memory */
    size_t *offsets;                /* of the parcel's parts, as they are sent; a ticket each (at most plan.stage_count) */
    int tickets;
    bool captured[DEVICE_PARTS];
    uint64_t done;                  /* steps of this process */
    struct error notice;            /* why the steps are slower than they could be; "": nothing to report; the owner clears it */
    char data[128];                 /* where the images are, in words */
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
    const struct optimizer *optimizer;
    float *states[OPTIMIZER_STATES_MAX]; /* flat, in the backend's memory; NULL where this rank keeps none */
    struct stage_time *times; /* (plan.stage_count), since tower_zero_times */
    double loss_seconds, update_seconds, ema_seconds;
    struct training training;
    bool waits; /* for the device after each stage, so that a stage's time is its own */
};

/* Not collective. All memory is taken here. */
int tower_init(struct tower *tower, const struct tower_request *request, struct error *why);
void tower_free(struct tower *tower);

/* The times of all stages are 0 from here. */
void tower_zero_times(struct tower *tower);

/* Host parameters (net->parameters floats) into the tower, and back. */
int tower_set_parameters(struct tower *tower, const float *parameters, struct error *why);
int tower_get_parameters(struct tower *tower, float *parameters, struct error *why);
/* The same for the optimizer's states that this rank keeps: states[i] has net->parameters floats. Any other may be NULL. */
int tower_set_states(struct tower *tower, float *const *states, struct error *why);
int tower_get_states(struct tower *tower, float *const *states, struct error *why);

/* Forward, loss and backward of one batch (batch->count <= the tower's batch). Gradient sums go to `parcel` (reducer_begin; host
 * memory); after each stage the reducer gets what is complete. */
int tower_gradients(struct tower *tower, const struct batch *batch, struct reducer *reducer, float *parcel,
                    struct error *why);

/* Forward and loss of one batch; adds to `sums`. */
int tower_evaluate(struct tower *tower, const struct batch *batch, struct loss_sums *sums, struct error *why);

/* Forward alone, of images (count, H, W, C) in host memory; count <= the tower's batch. logits (count, classes): in host memory, or
 * NULL, to leave them in the plan's output. */
int tower_forward(struct tower *tower, const float *images, int count, float *logits, struct error *why);

/* The update of all parameters from gradient sums (host memory) over `samples` images, then of the states that this rank keeps;
 * makes the stages ready for the next forward. step: its rate and ema_decay. *penalty: the weight decay's part of the loss before
 * the update. */
int tower_update(struct tower *tower, const float *gradients, float samples, const struct step *step, double *penalty,
                 struct error *why);

/* ---- training steps ----
 *
 *   tower_start(tower, &request)            once
 *   tower_give(tower, steps, count)         load or distort, forward, loss, backward, exchange, update
 *   tower_results(tower, results, count)    of the steps that were given first
 *
 * A tower on the host has done a step when tower_give returns. One on a device has only enqueued it: parameters, gradients and
 * states stay there, and the next steps can be given before the results of the last ones are read. */

/* Not collective. Once, before the first step. */
int tower_start(struct tower *tower, const struct training_request *request, struct error *why);
/* Collective, with EXCHANGE_NCCL only, after tower_start. No rank returns before all have called, so all must have agreed to call.
 * identity: rank 0's, the same on all. */
int tower_join(struct tower *tower, const void *identity, struct error *why);

/* Whether steps can be given before the results of earlier ones are read: those that meet no host. For others all but the last
 * update is done when tower_give returns. */
bool tower_runs_ahead(const struct tower *tower);
/* The most steps that one tower_give takes. */
int tower_steps_at_once(const struct tower *tower);

/* Collective. `count` steps, in order. At most two calls' results may be outstanding. */
int tower_give(struct tower *tower, const struct step *steps, int count, struct error *why);
/* Not collective. The results of the oldest call of tower_give that were not read yet; count: its steps. */
int tower_results(struct tower *tower, struct step_result *results, int count, struct error *why);

/* ---- which way to compute each convolution (convolutions.c) ---- */

struct convolution_ways {
    enum convolution_choice *choices; /* by layer of the net; all AUTO: each as its shape has it */
    double *direct, *winograd;        /* by layer: seconds, forward and backward; 0: not measured */
    int batch;                        /* images that were measured */
};

/* Not collective. Takes memory for each layer of the net: all AUTO, nothing measured. Freeing is due in either case, and a zeroed
 * struct may be freed too. */
int convolution_ways_init(struct convolution_ways *ways, const struct net *net, struct error *why);
void convolution_ways_free(struct convolution_ways *ways);

/* Whether that layer is a convolution, and the backend has both ways for it. */
bool convolution_has_two_ways(const struct backend *backend, const struct net_layer *layer);

/* Not collective. ways: from convolution_ways_init. Times both ways of each convolution for which the request's backend has two, on
 * at most 32 images: a fraction of a second. The direct way is taken where it is faster by a tenth. */
int convolutions_measure(struct convolution_ways *ways, const struct tower_request *request, struct error *why);

/* The choices as a checkpoint keeps them: "conv2=winograd conv3=direct", "" where there was no choice. And back: names that are no
 * layer's are ignored. */
void convolutions_text(const struct convolution_ways *ways, const struct backend *backend, const struct net *net,
                       char *text, size_t size);
void convolutions_read(struct convolution_ways *ways, const struct net *net, const char *text);

#endif
