/* A loss or gradient that is not finite: which rank had it, and whether the run continues (--on-nan). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "finite.h"
#include "run.h"

enum { FAULTS_IN_A_ROW = 3 }; /* consecutive faults tolerated */
enum { FILE_NAME = sizeof ((struct run *)0)->resumed_from };

/* ---- which rank, which layer ---- */

/* The first layer with a parameter that is not finite; NULL: none. */
static const char *spoilt_layer(struct run *run)
{
    struct error ignored; /* the sentence then names no layer */
    if (tower_get_parameters(&run->tower, run->state.parameters, &ignored))
        return NULL;
    for (const struct tensor *t = run->net.tensors; t < run->net.tensors + run->net.tensor_count; t++)
        if (!floats_finite(run->state.parameters + t->offset, t->count))
            return run->net.layers[t->layer].layer.name;
    return NULL;
}

static int bad_loss(struct run *run, struct error *why)
{
    const char *layer = spoilt_layer(run);
    error_set(why, "the loss is not finite");
    return layer ? error_add(why, ", nor are the parameters of layer %s", layer) : -1;
}

/* -1 with a sentence if this rank's own gradients or loss are not finite. It names the last such layer, as the backward pass spread
 * the fault to the layers before it. */
static int check_own(struct run *run, struct error *why)
{
    const struct reducer *reducer = &run->reducer;
    if (!reducer_finite(reducer, run->net.gradients + PARCEL_LOSS, 1))
        return bad_loss(run, why);
    for (const struct tensor *t = run->net.tensors + run->net.tensor_count - 1; t >= run->net.tensors; t--)
        if (t->role != TENSOR_FROZEN && !reducer_finite(reducer, t->offset, t->count))
            return error_set(why, "layer %s's gradient is not finite", run->net.layers[t->layer].layer.name);
    return 0;
}

/* Collective. All ranks get the sentence of the lowest rank with the fault. On a device later steps have begun since, so the
 * sentence names no layer. */
static void find_source(struct run *run, uint64_t step, struct error *why)
{
    struct error source;
    if (run->backend->device)
        error_set(&source, "loss, gradient or parameter not finite");
    else if (!world_agree(run->world, check_own(run, &source), &source))
        error_set(&source, "the sum of all ranks' gradients is not finite, though each of them is");
    error_set(why, "step %" PRIu64 ": %s", step, source.text);
}

/* ---- --on-nan: stop, skip or roll back ---- */

/* Rank 0: the last checkpoint of this run, or the one that it was resumed from; "" if there is none. */
static void last_good(struct run *run, char file[FILE_NAME])
{
    checkpoint_name(run->options->train_dir, run_saved_step(run), file, FILE_NAME);
    if (access(file, R_OK))
        memcpy(file, run->resumed_from, FILE_NAME);
}

static int stop(struct run *run, struct error *why)
{
    char file[FILE_NAME] = "";
    error_add(why, ": the model has diverged; nothing was saved since step %" PRIu64, run_saved_step(run));
    if (run->world->rank == 0)
        last_good(run, file);
    error_add(why, "%s%s%s; try a lower --learning-rate, with --force or in a new --train-dir",
              file[0] ? " (" : "", file, file[0] ? ")" : "");
    return ALL_FAILED;
}

/* Rank 0: loads parameters and states of the last good checkpoint into run->state. Fails after FAULTS_IN_A_ROW rollbacks with
 * neither a good step nor a newer checkpoint between them. */
static int load_good(struct run *run, bool in_a_row, struct error *why)
{
    struct checkpoint found = {.parameters = run->state.parameters, .optimizer = run->state.optimizer};
    char file[FILE_NAME];
    memcpy(found.states, run->state.states, sizeof found.states);
    last_good(run, file);
    if (!file[0])
        return error_set(why, "there is no checkpoint to go back to");
    if (run->saved_step != run->fault_checkpoint && !in_a_row)
        run->faults = 0;
    run->fault_checkpoint = run->saved_step;
    if (++run->faults > FAULTS_IN_A_ROW)
        return error_set(why, "going back %d times did not help", FAULTS_IN_A_ROW);
    if (checkpoint_load(&found, &run->net, file, why))
        return -1;
    free(found.class_names);
    return 0;
}

/* Collective. Restores only parameters and states. Samples and step numbers continue, so that the same fault does not recur. */
static int roll_back(struct run *run, bool in_a_row, struct error *why)
{
    const struct world *world = run->world;
    struct error reason = {""};
    if (world->rank == 0 && !load_good(run, in_a_row, &reason))
        reason.text[0] = '\0';
    if (world_broadcast(world, &reason, sizeof reason, why))
        return -1;
    if (reason.text[0]) {
        error_add(why, ", and %s", reason.text);
        return stop(run, why);
    }
    if (run_share_state(run, &reason) || run_load_tower(run, &reason)) {
        *why = reason;
        return -1;
    }
    if (world->rank == 0) {
        report_line(&run->report, "%s", why->text);
        report_line(&run->report, "back to the parameters of step %" PRIu64, run->saved_step);
    }
    return 0;
}

static int skip(struct run *run, bool in_a_row, struct error *why)
{
    run->faults = in_a_row ? run->faults : 0;
    if (++run->faults > FAULTS_IN_A_ROW) {
        error_add(why, ", as in the %d steps before, which were skipped", FAULTS_IN_A_ROW);
        return stop(run, why);
    }
    if (run->world->rank == 0) {
        report_line(&run->report, "%s", why->text);
        report_line(&run->report, "the update of this step is left out");
    }
    return 0;
}

int run_fault(struct run *run, uint64_t step, struct error *why)
{
    phases_step(&run->phases, step, true); /* rank 0 may have to wait for the disk */
    phase_enter(&run->phases, run->world->rank == 0 ? PHASE_SAVE : PHASE_END, PHASE_WHOLE);
    find_source(run, step, why);
    bool in_a_row = step == run->fault_step + 1;
    run->fault_step = step;
    switch (run->options->on_nan) {
    case ON_NAN_SKIP: return skip(run, in_a_row, why);
    case ON_NAN_ROLLBACK: return roll_back(run, in_a_row, why);
    case ON_NAN_STOP: break;
    }
    return stop(run, why);
}
