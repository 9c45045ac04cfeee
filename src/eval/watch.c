/* Evaluates the newest checkpoint, or each new one until the training has ended. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "eval.h"

static bool is_once(const struct evaluation *e)
{
    return e->options->run_once || e->options->checkpoint[0];
}

/* Rank 0. If one of the files cannot be written, eval --run-once fails. An eval that watches reports it and continues: the next
 * checkpoint may succeed. */
static int tell_unwritten(struct evaluation *e, const char *what, int status, struct error *why)
{
    if (!status || is_once(e))
        return status;
    report_line(&e->report, "%s: %s", what, why->text);
    return 0;
}

/* Rank 0. A failure to write events, like one to write a row of eval.csv, is reported once. */
static void write_events(struct evaluation *e, const struct evaluated *evaluated)
{
    struct error why;
    if (!eval_events_write(e, evaluated, &why) || e->report.lost)
        return;
    line_print(stderr, "cifar10_mpi: no events of this evaluation: %s", why.text);
    e->report.lost = true;
}

/* Rank 0. */
static int report_evaluated(struct evaluation *e, const struct evaluated *evaluated, struct error *why)
{
    report_evaluation(&e->report, eval_writes_files(e) ? e->options->train_dir : NULL, evaluated);
    write_events(e, evaluated);
    if (e->options->verbose)
        eval_print_classes(e);
    if (tell_unwritten(e, "no predictions", predictions_close(&e->predictions, why), why))
        return -1;
    if (!e->options->keep_best || !eval_writes_files(e))
        return 0;
    return tell_unwritten(e, "the best so far, but not kept", eval_best_keep(e, evaluated, why), why);
}

/* Rank 0. */
static int open_predictions(struct evaluation *e, struct error *why)
{
    const char *file = e->options->predictions;
    return file[0] && !e->world->copy ? predictions_open(&e->predictions, file, why) : 0;
}

/* Collective. */
static int evaluate(struct evaluation *e, uint64_t step, struct error *why)
{
    struct evaluated evaluated;
    if (world_agree(e->world, e->world->rank == 0 ? open_predictions(e, why) : 0, why) ||
        eval_count(e, step, &evaluated, why))
        return -1;
    return world_agree(e->world, e->world->rank == 0 ? report_evaluated(e, &evaluated, why) : 0, why);
}

/* Whether no later checkpoint can follow: find.c checked the run's lock before it searched for checkpoints, and a run releases its
 * lock after it has saved the last one. */
static bool has_ended(const struct found *found)
{
    return !found->training && found->last_step && found->step >= found->last_step;
}

static void say_what_comes(const struct evaluation *e, const struct found *found, struct error *what)
{
    if (!found->training && found->last_step)
        error_set(what, "waiting: training stopped at step %" PRIu64 " of %" PRIu64, found->step, found->last_step);
    else if (found->last_step && found->step >= found->last_step)
        error_set(what, "waiting for the run that has %s/lock to end", e->options->train_dir);
    else
        error_set(what, "waiting for a checkpoint newer than step %" PRIu64, found->step);
}

/* Rank 0. Reports what eval is waiting for when that changes; a terminal also shows the time of the next look. */
static void say_wait(struct evaluation *e, const struct error *what)
{
    char next[64] = "";
    time_t then = time(NULL) + (time_t)e->options->eval_interval_secs;
    struct tm local;
    if (localtime_r(&then, &local))
        strftime(next, sizeof next, "next look at %H:%M:%S", &local);
    if (strcmp(e->waits_for.text, what->text)) {
        report_line(&e->report, "%s", what->text);
        report_line(&e->report, "%s, then every %" PRId64 " s", next, e->options->eval_interval_secs);
    } else {
        progress_text(&e->report.progress, next);
    }
    e->waits_for = *what;
}

/* Collective. */
static bool is_training(const struct evaluation *e)
{
    struct error why;
    bool held = e->world->rank == 0 && lock_is_held(e->options->train_dir);
    if (world_broadcast(e->world, &held, sizeof held, &why))
        world_abort(e->world, why.text);
    return held;
}

/* Collective. Waits until the next look is due, or until the run in the directory ends. */
static void wait_for_next_look(const struct evaluation *e)
{
    enum { LOCK_SECONDS = 5 }; /* between checks of the run's lock */
    bool training = is_training(e);
    for (int64_t left = e->options->eval_interval_secs; left > 0; left -= LOCK_SECONDS) {
        sleep((unsigned)(left < LOCK_SECONDS ? left : LOCK_SECONDS));
        bool before = training;
        training = is_training(e);
        if (before && !training)
            return;
    }
}

/* Collective. Evaluates the newest checkpoint, unless it is that of step `last`. NOT_NOW: there is none yet. */
static int evaluate_newest(struct evaluation *e, struct found *found, uint64_t *last, struct error *why)
{
    if (eval_find(e, found, why))
        return NOT_NOW;
    if (found->step == *last)
        return 0;
    if (eval_prepare(e, found, why) || (e->options->keep_best && eval_best_begin(e, why)))
        return -1;
    if (eval_load(e, found, why))
        return NOT_NOW;
    *last = found->step;
    return evaluate(e, found->step, why);
}

/* Collective. Evaluates once, or each new checkpoint until training has ended. */
static int evaluate_all(struct evaluation *e, struct error *why)
{
    for (uint64_t last = UINT64_MAX;;) {
        struct found found;
        struct error what;
        int status = evaluate_newest(e, &found, &last, why);
        if (status < 0 || is_once(e))
            return status;
        if (!status && has_ended(&found)) {
            if (e->world->rank == 0)
                report_line(&e->report, "training has ended at its last step, %" PRIu64, found.step);
            return 0;
        }
        if (status)
            error_set(&what, "waiting: %s", why->text);
        else
            say_what_comes(e, &found, &what);
        if (e->world->rank == 0)
            say_wait(e, &what);
        wait_for_next_look(e);
    }
}

static int eval_begin(struct evaluation *e, struct error *why)
{
    if (e->world->rank == 0 && (eval_check_names(e->options, why) || report_open(&e->report, NULL, 0, why)))
        return -1;
    if (e->world->rank == 0)
        progress_open(&e->report.progress, e->options->progress);
    return backend_find(e->options->tower, why) ? 0 : -1; /* before a checkpoint tells the model */
}

static void eval_release(struct evaluation *e)
{
    if (e->newest_open >= 0)
        close(e->newest_open);
    tower_free(&e->tower);
    net_free(&e->net);
    predictions_drop(&e->predictions);
    eval_events_free(&e->events);
    free(e->peeked.class_names);
    free(e->parameters);
    free(e->by_class);
    counter_free(&e->counter);
    dataset_close(&e->dataset);
}

int eval_run(const struct options *options, const struct world *world, struct error *why)
{
    struct evaluation e = {.options = options, .world = world, .newest_open = -1, .events.file.descriptor = -1};
    int status = world_agree(world, eval_begin(&e, why), why);
    if (!status && options->eval_data[0]) /* a mistake in --data is reported at once, not with the first checkpoint */
        status = eval_open_data(&e, options->eval_data, why);
    if (!status)
        status = evaluate_all(&e, why);
    report_close(&e.report);
    eval_release(&e);
    return status;
}
