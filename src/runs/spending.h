/* Where the time of a step goes, and what limits a run. */
#ifndef SPENDING_H
#define SPENDING_H

#include "history.h"

enum spending_kind {
    SPENDING_COMPUTING,     /* forward, backward, device, update */
    SPENDING_DATA,          /* waits for images */
    SPENDING_STRAGGLERS,    /* waits until the slowest rank has computed */
    SPENDING_COMMUNICATION, /* the rest of the wait for the gradients of all ranks */
    SPENDING_SAVING,        /* snapshots of checkpoints */
    SPENDING_CHECKING,      /* --parity-steps */
    SPENDING_EVALUATING,    /* --eval-steps */
    SPENDING_REPORTING,     /* log, metrics, summaries, progress */
    SPENDING_OTHER,         /* what the phases do not cover */
    SPENDING_KINDS
};

struct spending {
    double step;                    /* mean seconds of a step, as rank 0 sees it; NaN: there are no rows */
    double seconds[SPENDING_KINDS]; /* its parts, which add up to `step` */
    bool has_phases;                /* false: metrics.csv is of an older version, which has only data and communication */
    bool on_device;                 /* a GPU worked: computing may include waits for gradients, which NCCL sums */
    int slowest_rank;               /* the rank that was the slowest one most often; -1: unknown */
    double slowest_share;           /* of the steps */
    double slowest_seconds, mean_seconds; /* a step's own work: of the slowest rank, of all ranks on average; NaN: unknown */
    enum spending_kind limit;       /* what limits the run: the largest part */
};

void spending_find(struct spending *spending, const struct history *history);
/* Whether a part, besides the one that limits the run, is large enough to be worth mending. Computing never is. */
bool spending_matters(const struct spending *spending, enum spending_kind kind);
/* "computing", "data", ... */
const char *spending_name(enum spending_kind kind);
/* What each kind means, and what makes its part smaller: a phrase. */
const char *spending_meaning(enum spending_kind kind);
const char *spending_remedy(enum spending_kind kind);

#endif
