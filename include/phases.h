/* Phases: what a rank is doing. phase_enter marks the beginning of a phase and informs all listeners. */
#ifndef PHASES_H
#define PHASES_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "trace.h"
#include "world.h"

enum phase_kind {
    PHASE_START,    /* set-up */
    PHASE_LOAD,     /* takes a batch from the loader; part: the slice */
    PHASE_FORWARD,  /* forward pass and loss; part: the stage, or the number of stages: the loss */
    PHASE_BACKWARD, /* backward pass; part: the stage */
    PHASE_DEVICE,   /* gives steps to a device, or waits for their results */
    PHASE_REDUCE,   /* waits for the gradients of all ranks (marked by the reducer); part: the bucket */
    PHASE_UPDATE,
    PHASE_REPORT,   /* log, metrics, progress */
    PHASE_SAVE,     /* takes a snapshot, or waits until the last one is written */
    PHASE_PARITY,   /* waits for the hashes of all ranks */
    PHASE_EVALUATE, /* classifies the test images, and waits for the other ranks' counts */
    PHASE_END,      /* waits for rank 0's last checkpoint */
    PHASE_KINDS
};

/* "start", "load", "forward", ...: the kind's name above, in small letters. */
const char *phase_name(enum phase_kind kind);

enum { PHASE_WHOLE = -1 }; /* the part of a phase that has no parts */

struct phase {
    enum phase_kind kind;
    int part;
};

/* ---- the stall watch: ends a job that makes no progress ----
 *
 * Each rank writes its phase into memory that the ranks of its node share; that costs one store. A thread of each rank watches
 * its own rank. The first thread that sees its rank in one phase for too long prints which ranks of its node the others wait for,
 * and ends the job. So if all threads of a rank are stopped, the ranks that wait for it name it.
 * Time in which the watch itself was stopped does not count: a suspended job continues when it is resumed. A dead rank is named
 * after 0.5 s; the job is ended after 3 s, unless its launcher has ended it by then. */

struct stall {
    const struct world *world;
    struct shared_memory memory;
    struct stall_slot *slot; /* this rank's; NULL: nothing is watched */
    struct stall_state *state;
};

/* Collective over the node. seconds: the longest that a phase may take; 0: nothing is watched. After -1 the watch is off. */
int stall_open(struct stall *stall, const struct world *world, double seconds, struct error *why);
/* Not collective. A zeroed watch may be closed too. */
void stall_close(struct stall *stall);

/* Not collective. Begins a phase. No effect if nothing is watched. */
void stall_phase(struct stall *stall, enum phase_kind kind);
/* Not collective. Begins a step. slow: its phases may take ten times as long, as in the first step. */
void stall_step(struct stall *stall, uint64_t step, bool slow);

/* What the watch sees of a rank on its node. */
struct stall_view {
    int rank;
    long process;
    char run_state; /* from /proc: 'T' stopped, 'D' in an uninterruptible system call; 0: no such process; '?': unknown */
    enum phase_kind phase;
    uint64_t step;
};
/* Writes the sentence about the `count` ranks of this node: those that have died or, if none has, those that the others have been
 * waiting for, for `seconds`. */
void stall_sentence(struct error *why, const struct world *world, const struct stall_view *views, int count, double seconds);

/* ---- phases ---- */

/* How long the phases of each kind took. A phase is added when the next one begins. */
struct phase_clock {
    double seconds[PHASE_KINDS]; /* since the owner of struct phases last set them to 0 */
    double since;                /* when the present phase began (clock_seconds); 0: nothing is measured */
};

/* A zeroed struct is closed: phase_enter works, but nothing is watched or measured. */
struct phases {
    struct phase now;
    struct stall stall;       /* the listeners: the stall watch, */
    struct phase_clock clock; /* the clock, */
    struct trace trace;       /* and the timeline; opened and closed by the owner */
    const char *const *part_names; /* (part_count), set by the owner: the parts of the forward and backward pass */
    int part_count;
};

/* Collective over the node. stall_seconds: the longest that a phase may take before the watch ends the job; 0: no watch. */
int phases_open(struct phases *phases, const struct world *world, double stall_seconds, struct error *why);
/* Not collective. */
void phases_close(struct phases *phases);

/* Not collective. Begins a phase, and returns the previous one. No effect if phases is NULL. */
struct phase phase_enter(struct phases *phases, enum phase_kind kind, int part);
/* The timeline; NULL if phases is NULL. */
struct trace *phases_trace(struct phases *phases);
/* Not collective. Begins a step, the same on all ranks. slow: its phases may take ten times as long, as in the first step. */
void phases_step(struct phases *phases, uint64_t step, bool slow);

#endif
