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
    bool separate;         /* as in struct plan_request */
    const struct optimizer *optimizer; /* of a training tower that is updated; NULL: it keeps no states */
    bool master;           /* rank 0: keeps the master_only states too */
    enum convolution_choice convolution;             /* of every layer, unless convolutions is set */
    const enum convolution_choice *convolutions;     /* by layer; NULL: none */
    enum precision precision;                        /* as in struct plan_request */
    size_t workspace;
    bool deterministic;
};

/* What training steps need besides the tower; all of it outlives the tower. */
struct training_request {
    struct reducer *reducer;
    int slices;                    /* of this rank, per step */
    /* On the host: */
    struct loader *loader;         /* supplies each slice's batch; NULL: every slice is `batch` */
    const struct batch *batch;
    /* On a device: */
    const struct world *world;
    enum exchange exchange;
    const struct dataset *dataset; /* the tower looks up samples in it by stream position */
    const struct augmentations *augmentations; /* of its images */
    uint64_t seed;
    bool graph;                    /* capture the step as a graph and replay it; becomes false if that fails */
};

enum { STEPS_UNDER_WAY = 2 * STEPS_AT_ONCE };

/* The tower's own state for training steps. */
struct training {
    struct training_request request;
    float rates[STEPS_UNDER_WAY];   /* of step n at n % STEPS_UNDER_WAY */
    struct step_result result;      /* on the host: of the last step */
    const float *sums;              /* on the host: the last step's gradient sums, the reducer's */
    /* On a device: */
    struct shuffle shuffle;
    uint32_t *samples;              /* of DEVICE_AT_ONCE passes */
    int pinned;                     /* number of blocks of the reducer's memory that are pinned */
    size_t *offsets;                /* by ticket (at most plan.stage_count): where each part of the parcel that was sent begins */
    int tickets;
    bool captured[DEVICE_PARTS];
    uint64_t done;                  /* steps of this process so far */
    bool traced;                    /* the next steps are recorded, not replayed as graphs; set by the owner, equal on all ranks */
    struct device_timeline *timeline;
    struct error notice;            /* why steps are slower than they could be; "": nothing to report; cleared by the owner */
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
    float *gradients;  /* on a device, a parcel in its memory; else NULL */
    const struct optimizer *optimizer;
    float *states[OPTIMIZER_STATES_MAX]; /* flat, in the backend's memory; NULL if this rank does not keep it */
    struct stage_time *times; /* (plan.stage_count), since tower_zero_times */
    double loss_seconds, update_seconds, ema_seconds;
    struct training training;
    bool waits; /* synchronises with the device after each stage, so that each stage is timed alone */
};

/* Not collective. Allocates all memory. */
int tower_init(struct tower *tower, const struct tower_request *request, struct error *why);
void tower_free(struct tower *tower);

/* Sets the times of all stages to 0. */
void tower_zero_times(struct tower *tower);

/* Copy parameters (net->parameters floats) from the host into the tower, and back. */
int tower_set_parameters(struct tower *tower, const float *parameters, struct error *why);
int tower_get_parameters(struct tower *tower, float *parameters, struct error *why);
/* The same for the optimizer's states that this rank keeps: states[i] has net->parameters floats. Any other may be NULL. */
int tower_set_states(struct tower *tower, float *const *states, struct error *why);
int tower_get_states(struct tower *tower, float *const *states, struct error *why);

/* Forward, loss and backward of one batch (batch->count <= the tower's batch). Gradient sums go to `parcel` (reducer_begin; host
 * memory); after each stage reducer_ready says how much is complete. */
int tower_gradients(struct tower *tower, const struct batch *batch, struct reducer *reducer, float *parcel,
                    struct error *why);

/* Forward and loss of one batch; adds to `sums`. */
int tower_evaluate(struct tower *tower, const struct batch *batch, struct loss_sums *sums, struct error *why);

/* Forward pass of images (count, H, W, C) in host memory; count <= the tower's batch. logits (count, classes): in host memory;
 * NULL leaves them in the plan's output. */
int tower_forward(struct tower *tower, const float *images, int count, float *logits, struct error *why);

/* Updates all parameters from gradient sums (host memory) over `samples` images, then the states that this rank keeps; prepares
 * the stages for the next forward pass. Of step it uses rate and ema_decay. *penalty: the weight decay's part of the loss before
 * the update. */
int tower_update(struct tower *tower, const float *gradients, float samples, const struct step *step, double *penalty,
                 struct error *why);

/* ---- training steps ----
 *
 *   tower_start(tower, &request)            once
 *   tower_give(tower, steps, count)         load or distort, forward, loss, backward, exchange, update
 *   tower_results(tower, results, count)    of the oldest call not read yet
 *
 * A tower on the host has done a step when tower_give returns. A tower on a device has only enqueued it: parameters, gradients and
 * states stay there, and the next steps can be given before the results of the last ones are read. */

/* Not collective. Once, before the first step. */
int tower_start(struct tower *tower, const struct training_request *request, struct error *why);
/* Collective, EXCHANGE_NCCL only, after tower_start. It returns on no rank before all ranks have called it, so first make sure
 * (world_agree) that all will. identity: rank 0's, the same on all ranks. */
int tower_join(struct tower *tower, const void *identity, struct error *why);

/* Whether steps can be given before the results of earlier ones are read: on a device, if the host takes no part in the exchange.
 * Otherwise all but the last update is done when tower_give returns. */
bool tower_runs_ahead(const struct tower *tower);
/* The most steps that one tower_give takes. */
int tower_steps_at_once(const struct tower *tower);

/* Collective. `count` steps, in order. At most two calls' results may be outstanding. */
int tower_give(struct tower *tower, const struct step *steps, int count, struct error *why);
/* Not collective. Reads the results of the oldest call of tower_give not read yet; count: the number of its steps. */
int tower_results(struct tower *tower, struct step_result *results, int count, struct error *why);
/* Not collective. Copies to the host the gradient sums (net->gradients floats) of the last step over all ranks. Call it when the
 * results of all steps given have been read. */
int tower_get_gradients(struct tower *tower, float *gradients, struct error *why);

/* ---- which way to compute each convolution (convolutions.c) ---- */

struct convolution_ways {
    enum convolution_choice *choices; /* by layer of the net; AUTO: chosen from its shape */
    double *direct, *winograd;        /* by layer: seconds, forward and backward; 0: not measured */
    int batch;                        /* images per measurement */
};

/* Not collective. Allocates an entry for each layer of the net: AUTO, not measured. Must be freed also after a failure; a zeroed
 * struct may be freed too. */
int convolution_ways_init(struct convolution_ways *ways, const struct net *net, struct error *why);
void convolution_ways_free(struct convolution_ways *ways);

/* Whether the layer is a convolution for which the backend has both algorithms. */
bool convolution_has_two_ways(const struct backend *backend, const struct net_layer *layer);

/* Not collective. Times both algorithms of each convolution that has two, on at most 32 images; takes a fraction of a second.
 * Chooses direct convolution only if it is faster by a tenth. */
int convolutions_measure(struct convolution_ways *ways, const struct tower_request *request, struct error *why);

/* Writes the choices as a checkpoint stores them: "conv2=winograd conv3=direct", "" if there were none to make. convolutions_read
 * is the inverse; it ignores names that are not layers. */
void convolutions_text(const struct convolution_ways *ways, const struct backend *backend, const struct net *net,
                       char *text, size_t size);
void convolutions_read(struct convolution_ways *ways, const struct net *net, const char *text);

#endif
