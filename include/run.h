/* A training run: set-up, start block, steps, resuming and saving. */
#ifndef RUN_H
#define RUN_H

#include "backend.h"
#include "counter.h"
#include "data.h"
#include "events.h"
#include "model.h"
#include "optimize.h"
#include "options.h"
#include "parallel.h"
#include "report.h"
#include "stop.h"
#include "store.h"
#include "summary.h"
#include "tower.h"

/* The hardware that two ranks share, in rising order; for a run, the most that any two ranks share. */
enum sharing {
    SHARING_NONE,
    SHARING_GPU,    /* different MIG instances of one GPU, which NCCL treats as one GPU */
    SHARING_DEVICE, /* the same device, on which they take turns */
};

/* Sums over the steps since the last row of metrics.csv. */
struct tally {
    int steps;
    double total_loss, cross_entropy, precision;
    double last_loss; /* total loss of the last step */
    double started;   /* seconds, monotonic */
};

/* For evaluations during training: --eval-steps (evaluate.c). */
struct trial {
    int64_t every; /* steps from one evaluation to the next; 0: none, and the rest is zeroed */
    struct dataset dataset; /* the test split */
    struct tower tower;
    struct counter counter;
    struct progress progress; /* rank 0: of the evaluation; the report's own keeps the time since training began */
};

/* --trace. */
struct timeline {
    bool open, on;          /* files are open; steps are being recorded */
    uint64_t first, last;   /* the steps to record */
    uint64_t before;        /* the step before the first one recorded */
    double started, block;  /* when recording and the present block began (clock_seconds) */
    double offset;          /* seconds to add to this rank's clock to get rank 0's, when recording began */
    const char **names;     /* of the parts of the forward and backward pass */
};

/* Rank 0's summaries for TensorBoard (summary.c). */
struct run_summary {
    struct summary_writer writer;
    struct tower observer; /* for activations */
    bool observes;
    struct loader_request samples; /* the images that it sees */
    struct shuffle shuffle;
    int32_t *labels;
    bool adapts;     /* --summary-frequency is at its default: a summary is left out if it would take over 1 % of the time */
    uint64_t wanted; /* the step of the next summary, chosen when the step before it has been given; 0: none yet */
    uint64_t begun;  /* the step of the last summary whose `before` was copied */
    double seconds, ended; /* how long the last summary took; when it ended */
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
    struct trial trial;
    enum exchange exchange;
    const char *exchange_why; /* why that one was chosen */
    enum sharing sharing;
    struct schedule schedule;
    int global_batch;
    int slices; /* of this rank, a step */
    bool tree;

    struct lock lock;        /* rank 0: on the train-dir */
    struct checkpoint state; /* its parameters and states: the initial ones at first, later scratch memory */
    uint64_t last_step, saved_step;
    uint64_t given;    /* the last step given to the tower; may be ahead of state.step */
    uint64_t gone;     /* steps up to this one were given before the last rollback */
    struct tally tally; /* rank 0 */
    double *rank_seconds; /* rank 0: of each rank (interval.c) */
    double precision_average; /* rank 0, of the progress line: moving average since the start of this process */
    struct run_summary summary; /* rank 0 */
    char *start_block; /* rank 0: its text */
    char resumed_from[4096]; /* the checkpoint, or "" */
    struct report report;    /* rank 0 */
    double started, saved_at;
    struct run_provenance *provenance; /* rank 0, like the saver */
    struct saver saver;
    double save_pause; /* seconds that training waited for the last snapshot */
    double save_seconds; /* rank 0: that a checkpoint takes: first an estimate, then the longest recent time */
    struct stop stop;
    struct timeline timeline;
    int faults; /* consecutive steps skipped, or consecutive rollbacks */
    uint64_t fault_step, fault_checkpoint; /* the step of the last fault, and of the last checkpoint restored */
    bool ready; /* set-up is complete */
};

/* Collective. Everything before the first step: data, model, tower, checkpoint, loader, reports.
 * -1 with one sentence on all ranks. Call run_close in either case. */
int run_open(struct run *run, const struct options *options, const struct world *world, struct error *why);
/* Collective. Trains up to the last step, or until a stop is requested: then *stopped is true. -1: perhaps only this rank failed;
 * ALL_FAILED: all ranks failed. */
int run_steps(struct run *run, bool *stopped, struct error *why);
/* Collective. Rank 0 saves the state reached; all ranks return the same status. */
int run_finish(struct run *run, bool stopped, struct error *why);
/* Not collective. */
void run_close(struct run *run);

/* Collective. Puts the initial or the saved state into run->state: parameters, and the optimizer's states that each rank keeps. */
int run_resume(struct run *run, struct error *why);
/* Collective. Broadcasts from rank 0's run->state the parameters, and the optimizer's states that every rank keeps. */
int run_share_state(struct run *run, struct error *why);
/* Not collective. Copies the parameters and states from run->state into the tower. */
int run_load_tower(struct run *run, struct error *why);
/* Rank 0 only. Prepares the train-dir for the run. Nothing in it is changed before this call. */
int run_begin(struct run *run, struct error *why);

/* How this run differs from the one that wrote a checkpoint, in what the trajectory depends on. */
struct differences {
    struct error list;   /* "--seed 1, not 2; ..."; "" if nothing differs */
    struct error remedy; /* how to restore the earlier settings: " with --seed 1 ...", then the number of ranks */
    int ranks;           /* a number of ranks that can share the earlier global batch; 0: the present number can */
    bool gone;           /* no flags can restore the data: the file was replaced */
};

/* Rank 0 only, compatible.c. Call before the checkpoint is loaded into run->state. */
int differences_find(const struct run *run, const struct checkpoint *found, const char *file, struct differences *all,
                     struct error *why);

/* Rank 0 only, save.c. Allocates memory and starts the thread that writes. Call run_save_close in either case: it waits for the
 * thread, and may be called on every rank. */
int run_save_open(struct run *run, struct error *why);
void run_save_close(struct run *run);
/* Call after each block of steps: reports the last checkpoint once it is written, and begins the next one if it is due and no
 * later steps are enqueued. -1 only if the state cannot be read, was not finite, or another run may own the train-dir. */
int run_save(struct run *run, struct error *why);
/* Whether a checkpoint is due by --checkpoint-secs, and none is being written. */
bool run_save_is_due(const struct run *run);
/* At the end: waits for the checkpoint under way, then saves the current step unless it is saved already. -1 also if that fails. */
int run_save_last(struct run *run, struct error *why);
/* Waits for the checkpoint under way. Returns the step that was saved last. */
uint64_t run_saved_step(struct run *run);

/* Collective, interval.c. Call after a step that has a row of metrics.csv, with its result. Rank 0 reports the steps since the last
 * row; then all ranks set their phases' times to 0. */
int run_report(struct run *run, const struct step_result *result, struct error *why);

/* Collective, evaluate.c. Opens the test split and makes another tower if the run is to evaluate itself. Call run_evaluate_close in
 * either case; it is collective over the node. */
int run_evaluate_open(struct run *run, struct error *why);
void run_evaluate_close(struct run *run);
/* Whether the run is to be evaluated after this step: every --eval-steps, and after the last one. */
bool run_evaluates_now(const struct run *run);
/* Collective. Call between blocks of steps. Evaluates the moving averages on the test split; rank 0 reports the result and writes a
 * row of eval.csv. If --target-precision is reached, the step becomes the run's last one. A loss that is not finite is only
 * reported. again: no step was trained since the checkpoint that the run continues from. */
int run_evaluate(struct run *run, bool again, struct error *why);
/* Collective, summary.c. After start_block_print. If summaries cannot be written, rank 0 logs why, and the run goes on without
 * them. run_summary_close: not collective; call it in either case. */
int run_summary_open(struct run *run, struct error *why);
void run_summary_close(struct run *run);
/* Rank 0 only. Call after steps were given, and before the first ones: chooses whether the next step has a summary. */
void run_summary_choose(struct run *run);
/* Rank 0 only. Whether a summary reads the state after the steps given, so that no later step may be given yet. */
bool run_summary_reads(const struct run *run);
/* Rank 0 only. If the step has a summary: begin, before the step, copies the parameters; end, after it, makes the summary. */
int run_summary_begin(struct run *run, struct error *why);
int run_summary_end(struct run *run, const struct interval *interval, const struct step_result *result, struct error *why);
/* Rank 0 only. Shows the result of an evaluation beside the summaries. */
void run_summary_evaluated(struct run *run, const struct evaluated *evaluated);
/* Rank 0 only, at the end of a run: waits for the thread that writes, a few seconds at most, and logs what was not written. */
void run_summary_finish(struct run *run, bool completed);

/* Collective, fault.c. Call after a step whose loss or gradient was not finite on some rank, and which therefore made no update.
 * 0: training continues as --on-nan says, and the log says how; ALL_FAILED: it ends. */
int run_fault(struct run *run, uint64_t step, struct error *why);

/* --trace, timeline.c. Not collective. Call run_trace_open before the threads that record are started, run_trace_name_layers when
 * the tower exists, and run_trace_close when these threads have ended. */
int run_trace_open(struct run *run, struct error *why);
int run_trace_name_layers(struct run *run, struct error *why);
void run_trace_close(struct run *run);
/* Whether the step is to be recorded. Blocks of steps begin and end with such steps, and are given one at a time. */
bool run_traces(const struct run *run, uint64_t step);
/* Collective. Before a block: starts recording when it is time. After a block of `count` steps: records it; after the last one the
 * ranks' parts become one file. -1: MPI failed; a file that cannot be written is only reported. */
int run_trace_start(struct run *run, struct error *why);
int run_trace_block(struct run *run, int count, struct error *why);
/* Collective. Call at the end of the run: if it ended before the last step to record, makes the file now. */
int run_trace_finish(struct run *run, struct error *why);

/* Whether something done every `of` steps is due after `step`; of = 0: never. */
static inline bool is_multiple(uint64_t step, int64_t of)
{
    return of && step % (uint64_t)of == 0;
}

/* The side, in pixels, of packed images of which the model's crop is three quarters: the tutorial's 32 for its 24. */
static inline int good_image_size(const struct model *model)
{
    return 4 * (model->height > model->width ? model->height : model->width) / 3;
}

/* Collective, exchange.c. -1 if only some ranks have devices, or if two share one without --share-devices. */
int run_check_devices(struct run *run, struct error *why);
/* Collective, exchange.c. Chooses how gradients are summed. */
int run_choose_exchange(struct run *run, struct error *why);
/* Collective. Makes the reducer. If the ranks cannot share memory, the exchange becomes EXCHANGE_TREE. */
int run_build_reducer(struct run *run, struct error *why);
/* The name of an exchange, as --allreduce has it. */
const char *exchange_text(enum exchange exchange);
/* Collective, EXCHANGE_NCCL only. Connects all ranks' devices. */
int run_join_devices(struct run *run, struct error *why);

/* Collective. Rank 0 prints the start block: ranks, hosts and hardware, data, model and options. */
int start_block_print(struct run *run, struct error *why);

#endif
