/* What the steps since the last row of metrics.csv took, on all ranks. */
#include <string.h>

#include "clock.h"
#include "run.h"

/* Seconds in which this rank itself worked. In the other phases it waits for other ranks, or for rank 0, which writes files. */
static double own_seconds(const double *phases)
{
    return phases[PHASE_LOAD] + phases[PHASE_FORWARD] + phases[PHASE_BACKWARD] + phases[PHASE_DEVICE] + phases[PHASE_UPDATE];
}

/* Collective. Collects each rank's own seconds on rank 0. */
static int gather_seconds(struct run *run, struct error *why)
{
    double own = own_seconds(run->phases.clock.seconds);
    if (run->world->size > 1)
        return world_gather(run->world, &own, sizeof own, run->rank_seconds, why);
    *run->rank_seconds = own;
    return 0;
}

/* The phases of rank 0, and the slowest rank: seconds per step. */
static void fill_times(struct run *run, struct interval *interval)
{
    const double *ranks = run->rank_seconds;
    double steps = run->tally.steps, sum = 0;
    for (int i = 0; i < PHASE_KINDS; i++)
        interval->phases[i] = run->phases.clock.seconds[i] / steps;
    for (int i = 0; i < run->world->size; i++) {
        sum += ranks[i];
        if (ranks[i] > ranks[interval->slowest_rank])
            interval->slowest_rank = i;
    }
    interval->slowest_seconds = ranks[interval->slowest_rank] / steps;
    interval->mean_rank_seconds = sum / run->world->size / steps;
}

/* Rank 0 only. */
static int report_interval(struct run *run, const struct step_result *result, struct error *why)
{
    struct tally *tally = &run->tally;
    double seconds = (clock_seconds() - tally->started) / tally->steps, n = tally->steps;
    struct interval interval = {
        .step = run->state.step,
        .epoch = (double)run->state.position / (double)run->dataset.count,
        .total_loss = tally->total_loss / n,
        .cross_entropy = tally->cross_entropy / n,
        .precision = tally->precision / n,
        .last_loss = tally->last_loss,
        .average_loss = run->state.total_loss_average,
        .examples_per_second = run->global_batch / seconds,
        .seconds_per_batch = seconds,
        .data_wait = run->loader.wait_seconds / n,
        .reduce_wait = run->reducer.wait_seconds / n,
        .rate = result->rate,
        .logged = is_multiple(run->state.step, run->options->log_frequency),
    };
    fill_times(run, &interval);
    run->loader.wait_seconds = run->reducer.wait_seconds = 0;
    *tally = (struct tally){.started = clock_seconds()};
    report_step(&run->report, &interval);
    return run_summary_end(run, &interval, result, why);
}

int run_report(struct run *run, const struct step_result *result, struct error *why)
{
    phase_enter(&run->phases, PHASE_REDUCE, PHASE_WHOLE);
    if (gather_seconds(run, why))
        return -1;
    phase_enter(&run->phases, PHASE_REPORT, PHASE_WHOLE);
    int status = run->world->rank == 0 ? report_interval(run, result, why) : 0;
    memset(run->phases.clock.seconds, 0, sizeof run->phases.clock.seconds);
    return status;
}
