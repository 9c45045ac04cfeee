/* Devices: what a backend adds whose tower lives on an accelerator that works on its own.
 *
 * The members of struct backend work there too: stages only enqueue their work on the plan's stream, and what brings
 * something to the host (loss, memory_download) waits for it. The members below make training faster: parameters, gradients,
 * the optimizer's states, activations and the training images stay on the device; steps are given in advance, captured once as a
 * graph and replayed; their results come back later, while the device works on. src/tower/device_steps.c puts them together.
 *
 * Nothing here is collective. One thread calls all of it. */
#ifndef DEVICE_H
#define DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "augment.h"
#include "error.h"
#include "step.h"

struct plan;
struct net;

/* What a process computes on. */
struct device_place {
    char about[160]; /* library and version; of a device also its name, memory, PCI id */
    char skipped[512]; /* `auto`: "no cudnn: why" for each better backend that could not be used; "" */
    char uuid[40];   /* the same for two ranks that have one device; "": unknown, or a CPU */
    char pci[32];    /* its place on the node's bus: MIG instances of one GPU have the same; "": a CPU */
};

/* The training images, in host memory that outlives the plan. */
struct device_data {
    const uint8_t *images, *labels; /* (count, height, width, channels), (count) */
    int64_t count;
    int height, width, channels;
    uint64_t seed; /* of the draws, */
    struct augmentations augmentations;
};

/* A pass over a slice. */
struct device_pass {
    struct step step;        /* that it is of */
    uint64_t position;       /* of the slice's first sample in the stream */
    const uint32_t *samples; /* which images they are (the plan's batch) */
};

/* The most passes that `begin` takes; steps of one graph. */
enum { DEVICE_AT_ONCE = 8 };

/* What is captured and replayed: the two parts of a step whose gradients meet on the host; a whole step; DEVICE_AT_ONCE steps. */
enum device_part { DEVICE_GRADIENTS, DEVICE_UPDATE, DEVICE_STEP, DEVICE_STEPS, DEVICE_PARTS };

struct device {
    /* Takes this process's device, before the first plan. The ranks of a node take the visible devices in turn. */
    int (*choose)(int node_rank, struct device_place *place, struct error *why);

    /* Before the first pass. Brings the training images to the device; where its memory is too small for all, `begin` brings those
     * of the next passes. about: which of the two, in words. */
    int (*data)(struct plan *plan, const struct device_data *data, char *about, size_t size, struct error *why);

    /* ---- one pass; all enqueued ---- */

    /* Brings the next passes (1 to DEVICE_AT_ONCE) to the device, while it works; not captured. It waits for earlier work only
     * where the host is far ahead. */
    int (*begin)(struct plan *plan, const struct device_pass *passes, int count, struct error *why);
    /* The next pass begins: writes its images, distorted and standardised, to the plan's input, and its labels. Loss and update
     * then belong to that pass. */
    int (*distort)(struct plan *plan, struct error *why);
    /* Loss of the plan's output and those labels: output_gradient, and the parcel's tail (parallel.h) at `tail`. */
    int (*loss)(struct plan *plan, float *tail, struct error *why);
    /* p -= rate * (parcel / samples + decay * p), then the optimizer's states (optimize.h), where they are not NULL, and the result
     * into the ring. Where the parcel has a fault, or its loss, a gradient or a parameter is not finite, only the result is
     * written, with fault 1. gradients: a parcel: as many floats as parameters, and the tail. exchanged: its gradients were
     * changed since the backward pass. */
    int (*update)(struct plan *plan, float *parameters, const float *gradients, float *const *states, bool exchanged,
                  struct error *why);

    /* ---- to other ranks ---- */

    /* Pins host memory, so that the device can copy from and to it while it works; unpin undoes that. */
    int (*pin)(void *memory, size_t bytes, struct error *why);
    int (*unpin)(void *memory, struct error *why);
    /* Enqueues a copy of `count` floats to pinned memory as soon as the work so far is done, beside the work that follows;
     * `ticket` (0, 1, ... < the plan's stage_count) names it. */
    int (*send)(struct plan *plan, float *to, const float *from, size_t count, int ticket, struct error *why);
    /* The work that follows waits until all is sent, and until all sums beside it are done. */
    int (*send_end)(struct plan *plan, struct error *why);
    /* Waits until that copy has arrived. */
    int (*sent)(struct plan *plan, int ticket, struct error *why);
    /* Enqueues a copy from pinned memory, which the host may write again once a later send was waited for. */
    int (*receive)(struct plan *plan, float *to, const float *from, size_t count, struct error *why);
    /* The sum over all ranks by NCCL, enqueued; probe: 0 where it is built in. The identity (rank 0's, made by
     * allreduce_identity) comes to all ranks by other means; joining is collective. */
    int (*allreduce_probe)(struct error *why);
    int (*allreduce_identity)(void *identity, size_t bytes, struct error *why); /* bytes: DEVICE_IDENTITY */
    int (*allreduce_join)(struct plan *plan, const void *identity, int rank, int ranks, struct error *why);
    /* beside: starts when the work so far is done, and runs beside the work that follows, until send_end. All ranks make the same
     * calls in the same order. */
    int (*allreduce)(struct plan *plan, float *values, size_t count, bool beside, struct error *why);

    /* ---- graphs ---- */

    /* Between capture and captured, work is recorded instead of done. captured must follow even where enqueuing failed. replay:
     * only where nothing failed. */
    int (*capture)(struct plan *plan, struct error *why);
    int (*captured)(struct plan *plan, enum device_part part, struct error *why);
    /* After a capture that failed or is not wanted: drops the recording and the error. The next capture leaves out what only graphs
     * can do. -1: the device no longer works. */
    int (*uncapture)(struct plan *plan, enum device_part part, struct error *why);
    int (*replay)(struct plan *plan, enum device_part part, struct error *why);

    /* ---- what comes back ---- */

    /* results_begin enqueues a copy to the host of the results of `count` (1 to STEPS_AT_ONCE) steps that end with step `last`, the
     * present one; it runs beside the work that follows. results_end waits for the oldest copy. At most two may be under way. */
    int (*results_begin)(struct plan *plan, uint64_t last, int count, struct error *why);
    int (*results_end)(struct plan *plan, struct step_result *results, struct error *why);
    /* Waits for all work that was enqueued. */
    int (*wait)(struct plan *plan, struct error *why);
};

enum { DEVICE_IDENTITY = 128 };

#endif
