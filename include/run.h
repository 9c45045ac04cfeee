/* A run: setting it up, its start block, its steps, resuming and saving it. */
#ifndef RUN_H
#define RUN_H

#include "backend.h"
#include "data.h"
#include "model.h"
#include "optimize.h"
#include "options.h"
#include "parallel.h"
#include "report.h"
#include "stop.h"
#include "store.h"
#include "tower.h"

/* The most that two ranks have in common. */
enum sharing {
    SHARING_NONE,
    SHARING_GPU,    /* each has an instance of its own (MIG) of one GPU, which NCCL takes for one */
    SHARING_DEVICE, /* they take turns on it */
};

/* Sums over the steps since the last log line. */
struct tally {
    int steps;
    double total_loss, cross_entropy, precision;
    double started; /* seconds, monotonic */
};

struct run {
    const struct options *options;
    const struct world *world;
    struct dataset dataset;
    const struct model *model;
    struct net net;
    const struct backend *backend;
    struct device_place place;
    struct convolution_ways ways;
    struct tower tower;
    struct reducer reducer;
    struct phases phases;
    struct loader loader;    /* of a CPU tower */
    enum exchange exchange;
    const char *exchange_why; /* why that one was chosen */
    enum sharing sharing;
    struct schedule schedule;
    int global_batch;
    int slices; /* of this rank, a step */
    bool tree;

    struct lock lock;        /* rank 0: on the train-dir */
    struct checkpoint state; /* step, position, seed, averages; parameters and states as it began, then for any use */
    uint64_t last_step, saved_step;
    uint64_t given;    /* steps in all that the tower was given: it may be ahead of the state */
    uint64_t gone;     /* steps up to this one were given before the last rollback */
    struct tally tally; /* rank 0 */
    char resumed_from[4096]; /* the checkpoint, or "" */
    struct report report;    /* rank 0 */
    double started, saved_at;
    struct run_provenance *provenance; /* rank 0, as the saver */
    struct saver saver;
    double save_pause; /* seconds that training waited for the last snapshot */
    double save_seconds; /* rank 0: that writing one takes: a guess, then the longest of late */
    struct stop stop;
    int faults; /* in a row: steps that were skipped, or rollbacks */
    uint64_t fault_step, fault_checkpoint; /* the last one's step, and that of the checkpoint it went back to */
    bool ready; /* the first step may come */
};

/* Collective. Everything before the first step: data, model, tower, checkpoint, loader, reports.
 * -1 with one sentence on all ranks; run_close is due in either case. */
int run_open(struct run *run, const struct options *options, const struct world *world, struct error *why);
/* Collective. Trains until --max-steps, or until something stops it: then *stopped is true. -1: perhaps only this rank failed;
 * ALL_FAILED: all did. */
int run_steps(struct run *run, bool *stopped, struct error *why);
/* Collective. Rank 0 saves what was reached; all ranks learn whether it could. */
int run_finish(struct run *run, bool stopped, struct error *why);
/* Not collective. */
void run_close(struct run *run);

/* Collective. Initial or saved state into run->state: parameters, and the optimizer's states that each rank keeps. */
int run_resume(struct run *run, struct error *why);
/* Collective. Rank 0's parameters in run->state, and those of its states that all ranks keep, to all. */
int run_share_state(struct run *run, struct error *why);
/* Not collective. What run->state holds of them into the tower. */
int run_load_tower(struct run *run, struct error *why);
/* Rank 0 only. Makes the train-dir ready for the run. Nothing is changed there before. */
int run_begin(struct run *run, struct error *why);

/* What of this run differs from the one that wrote a checkpoint, as far as its trajectory depends on it. */
struct differences {
    struct error list;   /* "--seed 1, not 2; ...", "" where nothing differs */
    struct error remedy; /* the flags that give what the run had: " with --seed 1 ...", then the number of ranks */
    int ranks;           /* that can share its global batch; 0: these can */
    bool gone;           /* no flags give it back: the data file has other contents */
};

/* Rank 0 only, compatible.c. Before the checkpoint becomes run->state. */
int differences_find(const struct run *run, const struct checkpoint *found, const char *file, struct differences *all,
                     struct error *why);

/* Rank 0 only, save.c. Takes memory and starts the thread that writes. run_save_close is due in either case; it waits for the
 * thread, and may be called on every rank. */
int run_save_open(struct run *run, struct error *why);
void run_save_close(struct run *run);
/* After each step: reports the last checkpoint once it is written, and begins the next one if it is due and the tower's parameters
 * are those of that step. -1 only where the state cannot be read, or was not finite. */
int run_save(struct run *run, struct error *why);
/* Whether it is time for one, and none is being written (--checkpoint-secs). */
bool run_save_is_due(const struct run *run);
/* At the end: waits for the last checkpoint, and saves the present step unless that was it. -1 also where saving fails. */
int run_save_last(struct run *run, struct error *why);
/* Waits for the checkpoint under way. The result is the step that was saved last. */
uint64_t run_saved_step(struct run *run);

/* Collective, fault.c. In `step` the loss or a gradient was not finite on some rank, and no update was made. 0: training goes
 * on as --on-nan has it, which the log tells; ALL_FAILED: it does not. */
int run_fault(struct run *run, uint64_t step, struct error *why);

/* Whether something is due that is done every `of` steps; 0: never. */
static inline bool is_multiple(uint64_t step, int64_t of)
{
    return of && step % (uint64_t)of == 0;
}

/* Pixels of packed pictures of which the model sees three quarters of a side: the tutorial's 32 for its 24. */
static inline int good_image_size(const struct model *model)
{
    return 4 * (model->height > model->width ? model->height : model->width) / 3;
}

/* Collective. Whether each rank has a device of its own, where the backend has devices; how gradients meet (exchange.c). */
int run_check_devices(struct run *run, struct error *why);
int run_choose_exchange(struct run *run, struct error *why);
/* Collective. The reducer; the exchange changes where ranks turn out not to share memory. */
int run_build_reducer(struct run *run, struct error *why);
/* An exchange in the words of --allreduce. */
const char *exchange_text(enum exchange exchange);
/* Collective, with EXCHANGE_NCCL: connects all ranks' devices. */
int run_join_devices(struct run *run, struct error *why);

/* Collective. Rank 0 prints what runs where, on what, and with which options. */
int start_block_print(struct run *run, struct error *why);

#endif
