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
};

struct stage_time {
    double forward, backward; /* seconds, summed; prepare counts as forward */
};

struct tower {
    const struct backend *backend;
    const struct net *net;
    struct plan plan;
    float *parameters; /* flat, in the backend's memory */
    struct stage_time times[NET_LAYERS_MAX]; /* a stage each, since the owner last zeroed them */
    double loss_seconds, update_seconds;
};

/* Not collective. All memory is taken here. */
int tower_init(struct tower *tower, const struct tower_request *request, struct error *why);
void tower_free(struct tower *tower);

/* Host parameters (net->parameters floats) into the tower, and back. */
int tower_set_parameters(struct tower *tower, const float *parameters, struct error *why);
int tower_get_parameters(struct tower *tower, float *parameters, struct error *why);

/* Forward, loss and backward of one batch (batch->count <= the tower's batch). Gradient sums go to
 * `parcel` (reducer_begin) and each stage's slice is handed to the reducer the moment it is complete. */
int tower_gradients(struct tower *tower, const struct batch *batch, struct reducer *reducer, float *parcel,
                    struct error *why);

/* Forward and loss of one batch; adds to `sums`. */
int tower_evaluate(struct tower *tower, const struct batch *batch, struct loss_sums *sums, struct error *why);

/* The update of all parameters from gradient sums over `samples` images; makes the stages ready
 * for the next forward. *penalty: the weight decay's part of the loss before the update. */
int tower_update(struct tower *tower, const float *gradients, float samples, float rate, double *penalty,
                 struct error *why);

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
