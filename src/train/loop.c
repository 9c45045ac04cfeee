/* How a run reads, top to bottom: steps, and what follows on them. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "finite.h"
#include "run.h"

/* What came of a step, the same on all ranks. */
struct step {
    double cross_entropy, penalty; /* of the loss, means over the global batch */
    double precision;
    float rate;
    bool stop;
    bool left_out; /* its update: the loss or a gradient was not finite */
};

/* ---- a step of a CPU ---- */

/* Gradient sums of all slices of all ranks. */
static int step_gradients(struct run *run, const float **sums, struct error *why)
{
    bool stop = stop_wanted(&run->stop, run->save_seconds);
    for (int slice = 0; slice < run->slices; slice++) {
        struct batch batch;
        float *parcel = reducer_begin(&run->reducer, slice);
        parcel[run->net.parameters + PARCEL_STOP] = stop;
        phase_enter(&run->phases, PHASE_LOAD, slice);
        if (loader_next(&run->loader, &batch, why))
            return -1;
        phase_enter(&run->phases, PHASE_FORWARD, PHASE_WHOLE);
        if (tower_gradients(&run->tower, &batch, &run->reducer, parcel, why) || reducer_end(&run->reducer, why))
            return -1;
    }
    return reducer_finish(&run->reducer, sums, why);
}

/* The step is done: where the run is now. */
static void advance(struct run *run)
{
    run->state.step++;
    run->state.position += (uint64_t)run->global_batch;
}

/* From the sums over the global batch. */
static void note(struct step *step, float loss, float correct, float count, float stop)
{
    step->cross_entropy = loss / count;
    step->precision = correct / count;
    step->stop = stop > 0;
}

static int train_step(struct run *run, struct step *step, struct error *why)
{
    const float *sums;
    if (step_gradients(run, &sums, why))
        return -1;
    const float *tail = sums + run->net.parameters;
    float samples = tail[PARCEL_COUNT];
    note(step, tail[PARCEL_LOSS], tail[PARCEL_CORRECT], samples, tail[PARCEL_STOP]);
    step->left_out = tail[PARCEL_FAULT] > 0 || !floats_finite(sums, run->net.parameters) || !isfinite(tail[PARCEL_LOSS]);
    if (step->left_out)
        return run_fault(run, run->state.step + 1, why);
    step->rate = schedule_rate(&run->schedule, run->state.position);
    phase_enter(&run->phases, PHASE_UPDATE, PHASE_WHOLE);
    float decay = ema_decay((float)run->options->ema_decay, run->state.step + 1);
    return tower_update(&run->tower, sums, samples, step->rate, decay, &step->penalty, why);
}

/* ---- steps of a device: blocks of them ---- */

static void at_most(uint64_t *number, uint64_t limit)
{
    *number = *number < limit ? *number : limit;
}

/* Steps from `step` on to the next multiple of `every`; 0: there is none. */
static void at_most_until(uint64_t *number, uint64_t step, int64_t every)
{
    if (every)
        at_most(number, (uint64_t)every - step % (uint64_t)every);
}

/* The next block: up to what is logged, compared or saved. */
static int block_length(const struct run *run)
{
    const struct options *o = run->options;
    uint64_t step = run->given, steps = run->last_step - step;
    at_most(&steps, DEVICE_AHEAD);
    at_most_until(&steps, step, o->log_frequency);
    at_most_until(&steps, step, o->parity_steps);
    at_most_until(&steps, step, o->checkpoint_steps);
    return (int)steps;
}

/* What was met while steps were given, once. */
static void tell_notice(struct run *run)
{
    struct error *notice = &run->ahead.notice;
    if (*notice->text && run->world->rank == 0)
        report_line(&run->report, "%s", notice->text);
    notice->text[0] = '\0';
}

/* Gives the device the next block, and asks for its results. */
static int give(struct run *run, struct error *why)
{
    struct device_pass passes[DEVICE_AHEAD];
    int count = block_length(run);
    bool stop = stop_wanted(&run->stop, run->save_seconds);
    for (int i = 0; i < count; i++, run->given++) {
        struct device_pass *pass = &passes[i];
        *pass = (struct device_pass){.step = run->given, .stop = stop};
        pass->position = run->state.position + (run->given - run->state.step) * (uint64_t)run->global_batch;
        pass->rate = schedule_rate(&run->schedule, pass->position);
        pass->ema_decay = ema_decay((float)run->options->ema_decay, pass->step + 1);
    }
    phase_enter(&run->phases, PHASE_DEVICE, PHASE_WHOLE);
    if (device_tower_steps(&run->ahead, passes, count, why))
        return -1;
    tell_notice(run);
    return run->backend->device->results_begin(&run->tower.plan, run->given, count, why);
}

/* Whether the next block is given before the last one's results are read, so that the device goes on meanwhile. Not where
 * something is to see the state between them: the comparison of ranks, a checkpoint. The same on all ranks, though rank 0
 * alone has the clock that says when a checkpoint is due. */
static int goes_ahead(struct run *run, bool stopped, bool *ahead, struct error *why)
{
    const struct options *o = run->options;
    *ahead = device_tower_runs_ahead(&run->ahead) && !stopped && run->given < run->last_step &&
             !is_multiple(run->given, o->checkpoint_steps) && !(run->world->size > 1 && is_multiple(run->given, o->parity_steps));
    if (!*ahead)
        return 0;
    *ahead = run->world->rank > 0 || !run_save_is_due(run);
    if (run->world->size == 1)
        return 0;
    phase_enter(&run->phases, PHASE_REDUCE, PHASE_WHOLE);
    return world_broadcast(run->world, ahead, sizeof *ahead, why);
}

/* Steps that were given before a rollback came from parameters that are gone: they do not count either. */
static int take_result(struct run *run, struct step *step, const struct device_result *r, struct error *why)
{
    bool gone = r->step <= run->gone, fault = r->fault > 0 || !isfinite(r->loss);
    note(step, r->loss, r->correct, r->count, r->stop);
    step->penalty = r->penalty;
    step->left_out = gone || fault;
    if (gone)
        run->fault_step = r->step;
    if (gone || !fault)
        return 0;
    int status = run_fault(run, r->step, why);
    if (!strcmp(run->options->on_nan, "rollback"))
        run->gone = run->given;
    return status;
}

/* Waits for the results of the block that was given first. */
static int take(struct run *run, struct step *steps, int count, struct error *why)
{
    struct device_result results[DEVICE_AHEAD];
    int status = 0;
    phase_enter(&run->phases, PHASE_DEVICE, PHASE_WHOLE);
    if (run->backend->device->results_end(&run->tower.plan, results, why))
        return -1;
    for (int i = 0; i < count && !status; i++) {
        steps[i].rate = schedule_rate(&run->schedule, run->state.position + (uint64_t)i * (uint64_t)run->global_batch);
        status = take_result(run, &steps[i], &results[i], why);
    }
    return status;
}

/* ---- what follows on steps ---- */

/* From the first loss on. The tutorial's starts at 0, and so shows a loss for its first dozens of steps that never was. */
static double moving_average(double average, double value)
{
    return average == 0 ? value : 0.9 * average + 0.1 * value;
}

/* Sums over the steps since the last log line. */
struct tally {
    int steps;
    double total_loss, cross_entropy, precision, started;
};

static void report_interval(struct run *run, const struct step *step, struct tally *tally)
{
    double seconds = (clock_seconds() - tally->started) / tally->steps, n = tally->steps;
    struct interval interval = {
        .step = run->state.step,
        .epoch = (double)run->state.position / (double)run->dataset.count,
        .total_loss = tally->total_loss / n,
        .cross_entropy = tally->cross_entropy / n,
        .precision = tally->precision / n,
        .last_loss = step->cross_entropy + step->penalty,
        .average_loss = run->state.total_loss_average,
        .examples_per_second = run->global_batch / seconds,
        .seconds_per_batch = seconds,
        .data_wait = run->loader.wait_seconds / n,
        .reduce_wait = run->reducer.wait_seconds / n,
        .rate = step->rate,
    };
    run->loader.wait_seconds = run->reducer.wait_seconds = 0;
    *tally = (struct tally){.started = clock_seconds()};
    report_step(&run->report, &interval);
}

/* Rank 0: averages, log line, progress. A step without an update has had a line of its own. */
static void after_step(struct run *run, const struct step *step, struct tally *tally)
{
    struct checkpoint *state = &run->state;
    if (step->left_out)
        return;
    phase_enter(&run->phases, PHASE_REPORT, PHASE_WHOLE);
    double total = step->cross_entropy + step->penalty;
    state->loss_average = moving_average(state->loss_average, step->cross_entropy);
    state->total_loss_average = moving_average(state->total_loss_average, total);
    tally->steps++;
    tally->total_loss += total;
    tally->cross_entropy += step->cross_entropy;
    tally->precision += step->precision;
    if (is_multiple(state->step, run->options->log_frequency))
        report_interval(run, step, tally);
    report_progress(&run->report, state->step, run->last_step, (double)state->position / (double)run->dataset.count,
                    state->total_loss_average);
}

/* All ranks hold the same bits, or the run stops. */
static int check_parity(struct run *run, struct error *why)
{
    uint64_t step = run->state.step;
    if (run->world->size == 1 || !(is_multiple(step, run->options->parity_steps) || step == run->last_step))
        return 0;
    phase_enter(&run->phases, PHASE_PARITY, PHASE_WHOLE);
    if (tower_get_parameters(&run->tower, run->state.parameters, why))
        return -1;
    uint64_t hash = parity_hash(run->state.parameters, run->net.parameters);
    int status = parity_check(run->world, hash, step, why);
    return status == PARITY_DIFFERS ? ALL_FAILED : status;
}

/* Rank 0 saves. The others wait for it in the next step, and know when it may have to wait for a disk. */
static int save(struct run *run, struct error *why)
{
    uint64_t step = run->state.step;
    phases_step(&run->phases, step + 1, is_multiple(step, run->options->checkpoint_steps));
    if (run->world->rank > 0)
        return 0;
    phase_enter(&run->phases, PHASE_SAVE, PHASE_WHOLE);
    return run_save(run, why);
}

/* `count` steps are done: log, parity check, checkpoint. */
static int look_at(struct run *run, const struct step *steps, int count, struct tally *tally, bool *stopped, struct error *why)
{
    for (int i = 0; i < count; i++) {
        advance(run);
        *stopped = *stopped || steps[i].stop;
        if (run->world->rank == 0)
            after_step(run, &steps[i], tally);
    }
    int status = check_parity(run, why);
    return status ? status : save(run, why);
}

/* ---- a run ---- */

/* On a CPU: a step, a look at it. */
static int train_singly(struct run *run, struct tally *tally, bool *stopped, struct error *why)
{
    int status = 0;
    while (!status && run->state.step < run->last_step && !*stopped) {
        struct step step = {0};
        status = train_step(run, &step, why);
        if (!status)
            status = look_at(run, &step, 1, tally, stopped, why);
    }
    return status;
}

/* On a device: while it works on one block, the host looks at the one before. What stops the run is found in that one, so the
 * block behind it is the last. */
static int train_blocks(struct run *run, struct tally *tally, bool *stopped, struct error *why)
{
    int status = 0;
    run->stop.under_way = device_tower_runs_ahead(&run->ahead);
    while (!status && (run->given > run->state.step || (run->state.step < run->last_step && !*stopped))) {
        struct step steps[DEVICE_AHEAD];
        bool ahead;
        if (run->given == run->state.step && give(run, why))
            return -1;
        int count = (int)(run->given - run->state.step);
        if (goes_ahead(run, *stopped, &ahead, why) || (ahead && give(run, why)))
            return -1;
        status = take(run, steps, count, why);
        if (!status)
            status = look_at(run, steps, count, tally, stopped, why);
    }
    return status;
}

int run_steps(struct run *run, bool *stopped, struct error *why)
{
    struct tally tally = {.started = clock_seconds()};
    *stopped = false;
    run->given = run->state.step;
    phases_step(&run->phases, run->state.step + 1, true);
    return run->backend->device ? train_blocks(run, &tally, stopped, why) : train_singly(run, &tally, stopped, why);
}

/* The log's last line says how it ended: job scripts read that. */
static void tell_end(struct run *run, const char *cause)
{
    const char *directory = run->options->train_dir;
    if (run->state.step < run->last_step) {
        report_line(&run->report, "checkpoint in %s: the same command goes on", directory);
        report_line(&run->report, "stopped at step %" PRIu64 ": %s", run->state.step, cause);
        return;
    }
    char word[4 * OPTION_TEXT + 4];
    text_quote(directory, word, sizeof word);
    report_line(&run->report, "done at step %" PRIu64 ", checkpoint in %s", run->state.step, directory);
    report_hint(&run->report, "evaluate it: %s eval --run-once --train-dir %s", program_invocation_name, word);
}

int run_finish(struct run *run, bool stopped, struct error *why)
{
    char cause[STOP_TEXT] = "";
    phases_step(&run->phases, run->state.step, true);
    phase_enter(&run->phases, run->world->rank == 0 ? PHASE_SAVE : PHASE_END, PHASE_WHOLE);
    int status = run->world->rank == 0 ? run_save_last(run, why) : 0;
    if (stopped)
        stop_tell(&run->stop, run->world, cause);
    if (run->world->rank == 0 && !status)
        tell_end(run, cause);
    return world_agree(run->world, status, why);
}
