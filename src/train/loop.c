/* The training loop: steps, and what happens after them. */
#include <errno.h>
#include <inttypes.h>

#include "clock.h"
#include "run.h"

/* ---- giving steps, and taking their results ---- */

static void at_most(uint64_t *number, uint64_t limit)
{
    *number = *number < limit ? *number : limit;
}

/* Limits a number of steps so that they end no later than the next multiple of `every` after `step`; every = 0: no limit. */
static void at_most_until(uint64_t *number, uint64_t step, int64_t every)
{
    if (every)
        at_most(number, (uint64_t)every - step % (uint64_t)every);
}

/* A block is recorded (--trace) as a whole, or not at all. */
static void at_most_traced(const struct run *run, uint64_t *steps)
{
    uint64_t first = run->given + 1;
    if (run_traces(run, first))
        at_most(steps, DEVICE_AT_ONCE);
    for (uint64_t i = 1; i < *steps; i++)
        if (run_traces(run, first + i) != run_traces(run, first))
            *steps = i;
}

/* The length of the next block of steps, which ends no later than the next log line, parity check, checkpoint or evaluation. */
static int block_length(const struct run *run)
{
    const struct options *o = run->options;
    uint64_t step = run->given, steps = run->last_step - step;
    at_most(&steps, (uint64_t)tower_steps_at_once(&run->tower));
    at_most_until(&steps, step, o->log_frequency);
    at_most_until(&steps, step, o->summary_frequency);
    at_most_until(&steps, step + 1, o->summary_frequency); /* for the parameters before the summary's step */
    at_most_until(&steps, step, o->parity_steps);
    at_most_until(&steps, step, o->checkpoint_steps);
    at_most_until(&steps, step, run->trial.every);
    at_most_traced(run, &steps);
    return (int)steps;
}

/* Prints the tower's notice once. */
static void print_notice(struct run *run)
{
    struct error *notice = &run->tower.training.notice;
    if (*notice->text && run->world->rank == 0)
        report_line(&run->report, "%s", notice->text);
    notice->text[0] = '\0';
}

/* Gives the tower the next block. */
static int give(struct run *run, struct error *why)
{
    struct step steps[STEPS_AT_ONCE];
    int count = block_length(run);
    bool stop = stop_wanted(&run->stop, run->save_seconds);
    for (int i = 0; i < count; i++) {
        struct step *step = &steps[i];
        *step = (struct step){.number = ++run->given, .stop = stop};
        step->position = run->state.position + (step->number - 1 - run->state.step) * (uint64_t)run->global_batch;
        step->rate = schedule_rate(&run->schedule, step->position);
        step->ema_decay = ema_decay((float)run->options->ema_decay, step->number);
    }
    if (tower_give(&run->tower, steps, count, why))
        return -1;
    print_notice(run);
    if (run->world->rank == 0)
        run_summary_choose(run);
    return 0;
}

/* Whether the state after a step is needed, to compare the ranks, save it or evaluate it; or a step next to it is recorded. */
static bool needs_state(const struct run *run, uint64_t step)
{
    const struct options *o = run->options;
    return run_traces(run, step) || run_traces(run, step + 1) || is_multiple(step, o->checkpoint_steps) ||
           is_multiple(step, run->trial.every) || (run->world->size > 1 && is_multiple(step, o->parity_steps));
}

/* Collective. *ahead: whether to give the next block before the results of the last one are read, so that a device stays busy.
 * False if the state between the blocks is needed. Rank 0 decides for all, as only it knows when a checkpoint is due. */
static int goes_ahead(struct run *run, bool stopped, bool *ahead, struct error *why)
{
    *ahead = tower_runs_ahead(&run->tower) && !stopped && run->given < run->last_step && !needs_state(run, run->given);
    if (!*ahead)
        return 0;
    *ahead = run->world->rank > 0 || (!run_save_is_due(run) && !run_summary_reads(run));
    if (run->world->size == 1)
        return 0;
    phase_enter(&run->phases, PHASE_REDUCE, PHASE_WHOLE);
    return world_broadcast(run->world, ahead, sizeof *ahead, why);
}

/* A step that was enqueued before a rollback used discarded parameters: it is treated as faulty, and not counted. */
static int take_result(struct run *run, struct step_result *result, struct error *why)
{
    bool gone = result->step <= run->gone;
    if (gone) {
        result->fault = 1;
        run->fault_step = result->step;
    }
    if (gone || result->fault <= 0)
        return 0;
    int status = run_fault(run, result->step, why);
    if (run->options->on_nan == ON_NAN_ROLLBACK)
        run->gone = run->given;
    return status;
}

/* Waits for the results of the oldest block. */
static int take_results(struct run *run, struct step_result *results, int count, struct error *why)
{
    int status = tower_results(&run->tower, results, count, why);
    for (int i = 0; i < count && !status; i++)
        status = take_result(run, &results[i], why);
    return status;
}

/* ---- after the steps ---- */

/* Starts at the first loss. (The tutorial's average starts at 0, and is far too low for the first dozens of steps.) */
static double moving_average(double average, double value)
{
    return average == 0 ? value : 0.9 * average + 0.1 * value;
}

/* The epochs that begin before a position of the sample stream. */
static uint64_t epochs_begun(const struct run *run, uint64_t position)
{
    uint64_t images = (uint64_t)run->dataset.count;
    return (position + images - 1) / images;
}

static void show_progress(struct run *run)
{
    const struct checkpoint *state = &run->state;
    uint64_t last_position = state->position + (run->last_step - state->step) * (uint64_t)run->global_batch;
    struct advance advance = {.step = state->step, .last_step = run->last_step, .epoch = epochs_begun(run, state->position),
                              .last_epoch = epochs_begun(run, last_position), .loss = state->total_loss_average,
                              .precision = run->precision_average};
    report_progress(&run->report, &advance);
}

/* Rank 0: averages, progress. A step without an update was already logged (run_fault). */
static void after_step(struct run *run, const struct step_result *result)
{
    struct checkpoint *state = &run->state;
    struct tally *tally = &run->tally;
    if (result->fault > 0)
        return;
    phase_enter(&run->phases, PHASE_REPORT, PHASE_WHOLE);
    double cross_entropy = result->loss / result->count, total = cross_entropy + result->penalty;
    state->loss_average = moving_average(state->loss_average, cross_entropy);
    state->total_loss_average = moving_average(state->total_loss_average, total);
    tally->steps++;
    tally->total_loss += total;
    tally->cross_entropy += cross_entropy;
    tally->precision += result->correct / result->count;
    tally->last_loss = total;
    run->precision_average = moving_average(run->precision_average, result->correct / result->count);
    show_progress(run);
}

/* Collective. Ends the run if the ranks' parameters differ in a bit. */
static int check_parity(struct run *run, struct error *why)
{
    if (run->world->size == 1)
        return 0;
    phase_enter(&run->phases, PHASE_PARITY, PHASE_WHOLE);
    if (tower_get_parameters(&run->tower, run->state.parameters, why))
        return -1;
    uint64_t hash = parity_hash(run->state.parameters, run->net.parameters);
    int status = parity_check(run->world, hash, run->state.step, why);
    return status == PARITY_DIFFERS ? ALL_FAILED : status;
}

/* Rank 0 saves. The others wait for it in the next step, which counts as slow if rank 0 may have to wait for the disk. */
static int save(struct run *run, struct error *why)
{
    uint64_t step = run->state.step;
    phases_step(&run->phases, step + 1, is_multiple(step, run->options->checkpoint_steps));
    if (run->world->rank > 0)
        return 0;
    phase_enter(&run->phases, PHASE_SAVE, PHASE_WHOLE);
    return run_save(run, why);
}

/* Every --parity-steps, and after the last step, whose parameters are saved. */
static bool compares_now(const struct run *run, bool stopped)
{
    int64_t every = run->options->parity_steps;
    bool last = run->given == run->state.step && (stopped || run->state.step == run->last_step);
    return is_multiple(run->state.step, every) || (every && last);
}

/* Whether the step has a row of metrics.csv. Only the last step of a block can have one. */
static bool reports_now(const struct run *run, const struct step_result *result)
{
    const struct options *o = run->options;
    uint64_t step = run->state.step;
    return result->fault <= 0 && (is_multiple(step, o->log_frequency) || is_multiple(step, o->summary_frequency));
}

/* After `count` steps: log, evaluation, parity check, checkpoint. */
static int look_at(struct run *run, const struct step_result *results, int count, bool *stopped, struct error *why)
{
    int status = 0;
    for (int i = 0; i < count; i++) {
        run->state.step++;
        run->state.position += (uint64_t)run->global_batch;
        *stopped = *stopped || results[i].stop > 0;
        if (run->world->rank == 0)
            after_step(run, &results[i]);
    }
    if (reports_now(run, &results[count - 1]))
        status = run_report(run, &results[count - 1], why);
    if (!status && !*stopped && run_evaluates_now(run))
        status = run_evaluate(run, false, why);
    if (!status && compares_now(run, *stopped))
        status = check_parity(run, why);
    if (!status)
        status = save(run, why);
    return status || run->world->rank > 0 ? status : run_summary_begin(run, why);
}

/* ---- a run ---- */

/* Gives a block unless one is under way, gives the next one if the tower can run ahead, then handles the results of the first. They
 * say whether to stop; a block that was already given is then the last one. */
static int train_block(struct run *run, bool *stopped, struct error *why)
{
    struct step_result results[STEPS_AT_ONCE];
    bool ahead;
    if (run_trace_start(run, why))
        return -1;
    if (run->given == run->state.step && give(run, why))
        return -1;
    int count = (int)(run->given - run->state.step);
    if (goes_ahead(run, *stopped, &ahead, why))
        return -1;
    if (ahead && give(run, why))
        return -1;
    int status = take_results(run, results, count, why);
    if (!status)
        status = look_at(run, results, count, stopped, why);
    return status ? status : run_trace_block(run, count, why);
}

static bool goes_on(const struct run *run, bool stopped)
{
    bool under_way = run->given > run->state.step;
    return under_way || (run->state.step < run->last_step && !stopped);
}

/* Whether the state that the run continues from is evaluated first: the target may have been reached there. */
static bool evaluates_first(const struct run *run)
{
    return run->options->target_precision > 0 && run->state.step > 0 && run_evaluates_now(run);
}

int run_steps(struct run *run, bool *stopped, struct error *why)
{
    *stopped = false;
    run->given = run->state.step;
    run->tally = (struct tally){.started = clock_seconds()};
    run->stop.under_way = tower_runs_ahead(&run->tower);
    int status = evaluates_first(run) ? run_evaluate(run, true, why) : 0;
    phases_step(&run->phases, run->state.step + 1, true);
    run_summary_choose(run);
    if (!status)
        status = run_summary_begin(run, why);
    while (!status && goes_on(run, *stopped))
        status = train_block(run, stopped, why);
    return status;
}

/* The log's last line says how the run ended; job scripts read it. */
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
    if (run_trace_finish(run, why))
        return -1;
    if (stopped)
        stop_tell(&run->stop, run->world, cause);
    if (run->world->rank == 0)
        run_summary_finish(run, !status && run->state.step == run->last_step);
    if (run->world->rank == 0 && !status)
        tell_end(run, cause);
    return world_agree(run->world, status, why);
}
