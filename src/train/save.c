/* Rank 0: what a run saves and when. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "run.h"

/* ---- provenance: all options, and the program, libraries and ranks that ran ---- */

enum { FACTS = 10 /* besides the options */, PROVENANCE_MAX = FACTS + OPTIONS_MAX };

struct run_provenance {
    struct provenance list[PROVENANCE_MAX];
    char texts[PROVENANCE_MAX][OPTION_TEXT];
    int count, last_step; /* last_step: its place in the list */
};

static void provenance_add(struct run_provenance *all, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void provenance_add(struct run_provenance *all, const char *name, const char *format, ...)
{
    va_list arguments;
    if (all->count == PROVENANCE_MAX)
        abort(); /* FACTS is too small: the options table is checked against OPTIONS_MAX elsewhere */
    va_start(arguments, format);
    vsnprintf(all->texts[all->count], sizeof all->texts[0], format, arguments);
    va_end(arguments);
    all->list[all->count] = (struct provenance){name, all->texts[all->count]};
    all->count++;
}

static void provenance_collect(struct run_provenance *all, const struct run *run)
{
    char value[OPTION_TEXT];
    const char *name;
    bool is_default;
    provenance_add(all, "program_version", "%s", VERSION);
    provenance_add(all, "tower_backend", "%s", run->backend->name);
    provenance_add(all, "tower_library", "%s", run->place.about);
    provenance_add(all, "mpi_library", "%s", run->world->library);
    provenance_add(all, "hdf5_library", "%s", h5_library(value, sizeof value));
    provenance_add(all, "host", "%s", run->world->host);
    provenance_add(all, "ranks", "%d", run->world->size);
    provenance_add(all, "nodes", "%d", run->world->nodes);
    provenance_add(all, "global_batch", "%d", run->global_batch);
    all->last_step = all->count;
    provenance_add(all, "last_step", "%" PRIu64, run->last_step); /* from --max-steps or --epochs; eval ends there */
    for (int i = 0; options_text(run->options, i, &name, value, sizeof value, &is_default); i++)
        provenance_add(all, name, "%s", value);
}

enum { SLOW_DISK = 20000000 }; /* bytes a second; assumed until a checkpoint is timed */

int run_save_open(struct run *run, struct error *why)
{
    run->provenance = memory_new(1, sizeof *run->provenance, "the provenance", why);
    if (!run->provenance)
        return -1;
    provenance_collect(run->provenance, run);
    size_t buffers = 1 + (size_t)run->state.optimizer->state_count; /* each as long as the parameters */
    run->save_seconds = (double)(buffers * run->net.parameters * sizeof(float)) / SLOW_DISK;
    struct saver_request request = {.net = &run->net, .optimizer = run->state.optimizer, .directory = run->options->train_dir,
                                    .lock = &run->lock, .keep = (int)run->options->keep, .provenance = run->provenance->list,
                                    .provenance_count = run->provenance->count, .trace = &run->phases.trace};
    return saver_init(&run->saver, &request, why);
}

void run_save_close(struct run *run)
{
    saver_free(&run->saver);
    free(run->provenance);
}

/* ---- collecting ---- */

/* Copies the current state to the saver's snapshot, and the run's last step, which --target-precision may have changed. */
static int collect(struct run *run, struct error *why)
{
    struct checkpoint *state = &run->state, *snapshot = &run->saver.snapshot;
    struct checkpoint own = *snapshot;
    double now = clock_seconds();
    state->wall_seconds += now - run->started;
    run->started = now;
    snprintf(run->provenance->texts[run->provenance->last_step], OPTION_TEXT, "%" PRIu64, run->last_step);
    *snapshot = *state;
    snapshot->parameters = own.parameters;
    memcpy(snapshot->states, own.states, sizeof own.states);
    return tower_get_parameters(&run->tower, snapshot->parameters, why) ||
           tower_get_states(&run->tower, snapshot->states, why) ? -1 : 0;
}

/* A failure that no later checkpoint can repair. The saver's thread detects it, so that training need not wait for the check. */
static bool is_final(const struct saved *saved)
{
    return saved->status == SAVED_NOT_FINITE || saved->status == SAVED_NOT_OURS;
}

static int tell_final(const struct run *run, const struct saved *saved, struct error *why)
{
    if (saved->status == SAVED_NOT_OURS)
        return error_set(why, "%s", saved->why.text);
    return error_set(why, "step %" PRIu64 ": the parameters are not finite: the model has diverged; nothing was "
                     "saved since step %" PRIu64 "; try a lower --learning-rate, with --force or in a new --train-dir", saved->step,
                     run->saved_step);
}

/* ---- saving ---- */

/* Reports an old checkpoint that could not be removed for --keep. */
static void tell_old(struct run *run, const struct saved *saved)
{
    if (saved->why.text[0])
        report_line(&run->report, "an old checkpoint stays: %s", saved->why.text);
}

/* A failed write does not end the run: the next checkpoint is tried when it is due. */
static int tell(struct run *run, const struct saved *saved, struct error *why)
{
    if (is_final(saved))
        return tell_final(run, saved, why);
    if (saved->status) {
        report_line(&run->report, "no checkpoint at step %" PRIu64 ": %s; training goes on", saved->step,
                    saved->why.text);
        return 0;
    }
    run->saved_step = saved->step;
    run->save_seconds = fmax(run->save_seconds / 2, run->save_pause + saved->seconds);
    report_line(&run->report, "checkpoint %" PRIu64 " saved in %.2f s, paused %.1f ms", saved->step, saved->seconds,
                1e3 * run->save_pause);
    tell_old(run, saved);
    return 0;
}

static int take_outcome(struct run *run, bool wait, struct error *why)
{
    struct saved saved;
    return run->saver.state && saver_take(&run->saver, wait, &saved) ? tell(run, &saved, why) : 0;
}

uint64_t run_saved_step(struct run *run)
{
    struct error ignored; /* the caller reports a fault already */
    take_outcome(run, true, &ignored);
    return run->saved_step;
}

bool run_save_is_due(const struct run *run)
{
    return clock_seconds() - run->saved_at >= (double)run->options->checkpoint_secs && !saver_busy(&run->saver);
}

/* --checkpoint-steps names exact steps, so it may have to wait for the writer; --checkpoint-secs never waits. */
int run_save(struct run *run, struct error *why)
{
    bool asked = is_multiple(run->state.step, run->options->checkpoint_steps);
    if (take_outcome(run, asked, why))
        return -1;
    if (run->given > run->state.step || !(asked || run_save_is_due(run)))
        return 0;
    double before = clock_seconds();
    if (collect(run, why))
        return -1;
    saver_start(&run->saver);
    run->saved_at = clock_seconds();
    run->save_pause = run->saved_at - before;
    return 0;
}

int run_save_last(struct run *run, struct error *why)
{
    struct saved saved;
    if (take_outcome(run, true, why))
        return -1;
    if (run->saved_step == run->state.step)
        return 0;
    if (collect(run, why))
        return -1;
    saver_write(&run->saver, &saved);
    if (is_final(&saved))
        return tell_final(run, &saved, why);
    if (saved.status)
        return error_set(why, "%s", saved.why.text);
    run->saved_step = saved.step;
    tell_old(run, &saved);
    return 0;
}
