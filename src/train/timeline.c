/* --trace: which steps are recorded, and how the ranks' parts become one file. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "run.h"

/* ---- opening ---- */

static int count_messages(const struct run *run)
{
    size_t bucket = (size_t)run->options->bucket_kib * 1024 / sizeof(float);
    return run->exchange == EXCHANGE_BUCKETS ? (int)((run->net.gradients + PARCEL_SLOTS) / bucket) + 1 : 0;
}

int run_trace_open(struct run *run, struct error *why)
{
    const struct options *o = run->options;
    bool device = run->backend->device != NULL;
    struct trace_request request = {.file = o->trace, .host = run->world->host, .rank = run->world->rank, .device = device,
                                    .loaders = device ? 0 : (int)o->loader_threads, .messages = count_messages(run)};
    if (!o->trace[0])
        return 0;
    run->timeline.open = true;
    return options_trace_steps(o, &run->timeline.first, &run->timeline.last, why) ||
           trace_open(&run->phases.trace, &request, why) ? -1 : 0;
}

int run_trace_name_layers(struct run *run, struct error *why)
{
    const struct plan *plan = &run->tower.plan;
    const char **names = memory_new((size_t)plan->stage_count + 1, sizeof *names, "the layers' names", why);
    if (!names)
        return -1;
    for (int i = 0; i < plan->stage_count; i++)
        names[i] = plan->stages[i].name;
    names[plan->stage_count] = "loss";
    run->timeline.names = names;
    run->phases.part_names = names;
    run->phases.part_count = plan->stage_count + 1;
    return 0;
}

/* No step was recorded. */
static void drop_part(struct run *run)
{
    char part[OPTION_TEXT + 16];
    struct error ignored;
    trace_close(&run->phases.trace, &ignored);
    trace_part_name(run->options->trace, run->world->rank, part, sizeof part);
    unlink(part);
}

void run_trace_close(struct run *run)
{
    if (run->phases.trace.state && run->timeline.open && !run->timeline.on)
        drop_part(run);
    trace_free(&run->phases.trace);
    free(run->timeline.names);
}

/* ---- recording ---- */

bool run_traces(const struct run *run, uint64_t step)
{
    return run->timeline.open && step >= run->timeline.first && step <= run->timeline.last;
}

int run_trace_start(struct run *run, struct error *why)
{
    struct timeline *t = &run->timeline;
    if (t->on || !run_traces(run, run->state.step + 1))
        return 0;
    phase_enter(&run->phases, PHASE_REDUCE, PHASE_WHOLE);
    if (world_clock_offset(run->world, &t->offset, why))
        return -1;
    phase_enter(&run->phases, PHASE_REPORT, PHASE_WHOLE);
    t->on = run->tower.training.traced = true;
    t->before = run->state.step;
    t->started = t->block = clock_seconds();
    trace_start(&run->phases.trace, t->offset);
    return 0;
}

int run_trace_block(struct run *run, int count, struct error *why)
{
    struct timeline *t = &run->timeline;
    char name[48];
    if (!t->on)
        return 0;
    phase_enter(&run->phases, PHASE_REPORT, PHASE_WHOLE);
    double now = run->phases.clock.since;
    snprintf(name, sizeof name, "%" PRIu64 " to %" PRIu64, run->state.step + 1 - (uint64_t)count, run->state.step);
    trace_slice(&run->phases.trace, TRACE_STEPS, &(struct trace_slice){.category = count > 1 ? "steps" : "step",
                .name = count > 1 ? name : NULL, .number = (int64_t)run->state.step, .begin = t->block, .end = now});
    t->block = now;
    trace_flush(&run->phases.trace);
    return run->state.step >= t->last ? run_trace_finish(run, why) : 0;
}

/* ---- the whole file ---- */

/* How rank 0's clock gained on this rank's while the steps were recorded. */
static int measure_drift(struct run *run, struct trace_drift *drift, struct error *why)
{
    double offset, since = run->timeline.started;
    if (world_clock_offset(run->world, &offset, why))
        return -1;
    *drift = (struct trace_drift){.since = since + run->timeline.offset,
                                  .drift = (offset - run->timeline.offset) / (clock_seconds() - since)};
    return 0;
}

/* Rank 0. closed: the status of all ranks' parts. A trace that cannot be written does not end the run. */
static void merge(struct run *run, int closed, const struct trace_drift *drifts, struct error *why)
{
    const char *file = run->options->trace;
    if (closed || trace_merge(file, run->world->size, drifts, why))
        report_line(&run->report, "no trace %s, only its parts %s.rankN: %s", file, file, why->text);
    else
        report_line(&run->report, "trace of %" PRIu64 " steps in %s, for ui.perfetto.dev",
                    run->state.step - run->timeline.before, file);
}

static int merge_parts(struct run *run, struct error *why)
{
    const struct world *world = run->world;
    struct trace_drift mine, *all = NULL;
    if (measure_drift(run, &mine, why))
        return -1;
    if (world->rank == 0)
        all = memory_new((size_t)world->size, sizeof *all, "the ranks' clocks", why);
    if (world_agree(world, world->rank > 0 || all ? 0 : -1, why))
        return -1;
    int status = world_gather(world, &mine, sizeof mine, all, why);
    if (!status) {
        int closed = world_agree(world, trace_close(&run->phases.trace, why), why);
        if (world->rank == 0)
            merge(run, closed, all, why);
    }
    free(all);
    return status;
}

int run_trace_finish(struct run *run, struct error *why)
{
    struct timeline *t = &run->timeline;
    int status = 0;
    if (!t->open)
        return 0;
    if (t->on)
        status = merge_parts(run, why);
    else {
        drop_part(run);
        if (run->world->rank == 0)
            report_line(&run->report, "no trace: none of the steps %" PRIu64 " to %" PRIu64 " was run", t->first, t->last);
    }
    t->on = t->open = run->tower.training.traced = false;
    return status;
}
