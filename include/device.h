/* Devices: what a backend for accelerators adds to struct backend.
 *
 * The members of struct backend work there too: stages only enqueue their work on the plan's stream, and calls that copy results to
 * the host (loss, memory_download) wait for it. The members below make training faster: parameters, gradients, the optimizer's
 * states, activations and the training images stay on the device; steps are enqueued in advance, captured once as a graph and
 * replayed; their results are read later, while the device continues. src/tower/device_steps.c puts them together.
 *
 * Only allreduce_join and allreduce are collective. All calls must come from one thread. */
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
    char skipped[512];  /* `auto`: "no cudnn: why" for each better backend that could not be used; else "" */
    char uuid[40];   /* equal if two ranks use one device; "": unknown, or a CPU */
    char pci[32];    /* its address on the node's bus, the same for all MIG instances of a GPU; "": a CPU */
};

/* The training images, in host memory that outlives the plan. */
struct device_data {
    const uint8_t *images, *labels; /* (count, height, width, channels), (count) */
    int64_t count;
    int height, width, channels;
    uint64_t seed; /* of the augmentations */
    struct augmentations augmentations;
};

/* A pass over a slice. */
struct device_pass {
    struct step step;        /* that it belongs to */
    uint64_t position;       /* of the slice's first sample in the stream */
    const uint32_t *samples; /* indices of its images (the plan's batch) */
};

/* The most passes that one `begin` takes, and the steps in one graph of DEVICE_STEPS. */
enum { DEVICE_AT_ONCE = 8 };

/* What is captured and replayed: the two parts of a step whose exchange needs the host; a whole step; DEVICE_AT_ONCE steps. */
enum device_part { DEVICE_GRADIENTS, DEVICE_UPDATE, DEVICE_STEP, DEVICE_STEPS, DEVICE_PARTS };

struct device {
    /* Selects this process's device, before the first plan. A node's ranks get the visible devices round-robin. */
    int (*choose)(int node_rank, struct device_place *place, struct error *why);

    /* Call before the first pass. Copies the training images to the device; if its memory is too small, `begin` copies those of the
     * next passes instead. about: says which of the two. */
    int (*data)(struct plan *plan, const struct device_data *data, char *about, size_t size, struct error *why);

    /* ---- one pass; all enqueued ---- */

    /* Copies the next passes (1 to DEVICE_AT_ONCE) to the device while it works; never captured. It waits for earlier work only
     * if the host is far ahead. */
    int (*begin)(struct plan *plan, const struct device_pass *passes, int count, struct error *why);
    /* Starts the next pass: writes its images, distorted and standardised, to the plan's input, and its labels. The next loss and
     * update are those of that pass. */
    int (*distort)(struct plan *plan, struct error *why);
    /* The loss of the plan's output and those labels: writes output_gradient, and the parcel's tail (parcel.h) to `tail`. */
    int (*loss)(struct plan *plan, float *tail, struct error *why);
    /* p -= rate * (parcel / samples + decay * p), then updates the optimizer's states that are not NULL (optimize.h), and writes
     * the step's result for results_begin. If the parcel has a fault, or its loss, a gradient or a parameter is not finite, only
     * the result is written, with fault 1. gradients: a parcel, net->gradients floats and the tail. exchanged: its gradients were
     * changed since the backward pass. */
    int (*update)(struct plan *plan, float *parameters, const float *gradients, float *const *states, bool exchanged,
                  struct error *why);

    /* ---- exchange with other ranks ---- */

    /* Pins host memory, so that the device can copy from and to it while it computes; unpin undoes that. */
    int (*pin)(void *memory, size_t bytes, struct error *why);
    int (*unpin)(void *memory, struct error *why);
    /* Enqueues a copy of `count` floats to pinned memory. It starts when the work enqueued so far is done, and overlaps with later
     * work. `ticket` (0, 1, ... < the plan's stage_count) identifies it. */
    int (*send)(struct plan *plan, float *to, const float *from, size_t count, int ticket, struct error *why);
    /* Later work waits for all copies sent, and for all allreduces started with `beside`. */
    int (*send_end)(struct plan *plan, struct error *why);
    /* Waits on the host until the copy with that ticket has arrived. */
    int (*sent)(struct plan *plan, int ticket, struct error *why);
    /* Enqueues a copy from pinned memory. The host may overwrite it after waiting for a later send. */
    int (*receive)(struct plan *plan, float *to, const float *from, size_t count, struct error *why);
    /* NCCL. probe: 0 if it is built in. Rank 0 makes the identity with allreduce_identity; the caller sends it to all ranks, which
     * then join. Joining is collective. */
    int (*allreduce_probe)(struct error *why);
    int (*allreduce_identity)(void *identity, size_t bytes, struct error *why); /* bytes: DEVICE_IDENTITY */
    int (*allreduce_join)(struct plan *plan, const void *identity, int rank, int ranks, struct error *why);
    /* Enqueues the sum over all ranks. beside: it overlaps with later work, up to send_end. All ranks make the same calls in the
     * same order. */
    int (*allreduce)(struct plan *plan, float *values, size_t count, bool beside, struct error *why);

    /* ---- graphs ---- */

    /* Between capture and captured, work is recorded, not run. Call captured even if enqueuing failed; call replay only if nothing
     * failed. */
    int (*capture)(struct plan *plan, struct error *why);
    int (*captured)(struct plan *plan, enum device_part part, struct error *why);
    /* After a capture that failed or is not wanted: drops the recording and the error. The next capture does without features that
     * only graphs have. -1: the device no longer works. */
    int (*uncapture)(struct plan *plan, enum device_part part, struct error *why);
    int (*replay)(struct plan *plan, enum device_part part, struct error *why);

    /* ---- results ---- */

    /* results_begin enqueues a copy to the host of the results of the last `count` (1 to STEPS_AT_ONCE) steps; `last`: number of
     * the latest. It overlaps with later work. results_end waits for the oldest copy. At most two may be outstanding. */
    int (*results_begin)(struct plan *plan, uint64_t last, int count, struct error *why);
    int (*results_end)(struct plan *plan, struct step_result *results, struct error *why);
    /* ---- times ---- */

    /* Marks the moment when the work enqueued so far is done; beside: the copies and sums beside it. Not in a capture. `mark`
     * (0, 1, ... < DEVICE_MARKS) identifies it. */
    int (*mark)(struct plan *plan, int mark, bool beside, struct error *why);
    /* Waits for the first `count` marks. seconds (count): when each was reached, after mark 0, by the device's clock. */
    int (*marks)(struct plan *plan, double *seconds, int count, struct error *why);

    /* Waits for all work that was enqueued. */
    int (*wait)(struct plan *plan, struct error *why);
};

enum { DEVICE_IDENTITY = 128, DEVICE_MARKS = 4096 };

#endif
