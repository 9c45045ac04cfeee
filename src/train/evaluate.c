/* Evaluations during training: all ranks classify the test split with the moving averages, as cifar10_mpi eval does. */
#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "recipe.h"
#include "run.h"

/* ---- set-up ---- */

/* The steps from one evaluation to the next: --eval-steps or, if only a target is given, an epoch. */
static int64_t steps_between(const struct run *run)
{
    const struct options *o = run->options;
    if (o->eval_steps || o->target_precision <= 0)
        return o->eval_steps;
    return (run->dataset.count + run->global_batch - 1) / run->global_batch;
}

static int check_test_images(const struct run *run, struct error *why)
{
    const struct dataset *train = &run->dataset, *test = &run->trial.dataset;
    if (test->height == train->height && test->width == train->width && test->channels == train->channels)
        return 0;
    return error_set(why, "%s: its test images have another shape than its training images", test->file);
}

/* The batch is eval's own, and the convolutions are chosen as there: the same checkpoint gives the same counts. */
static int make_trial(struct run *run, struct error *why)
{
    struct trial *trial = &run->trial;
    int64_t share = (trial->dataset.count + run->world->size - 1) / run->world->size;
    int64_t batch = recipe_find(run->model->name)->batch_size;
    struct tower_request tower = {.backend = run->backend, .net = &run->net, .batch = (int)(batch < share ? batch : share),
                                  .convolution = run->options->conv, .precision = run->options->precision};
    struct counter_request counter = {.world = run->world, .dataset = &trial->dataset, .examples = trial->dataset.count,
                                      .tower = &trial->tower, .batch = tower.batch,
                                      .progress = run->world->rank == 0 ? &trial->progress : NULL};
    if (check_test_images(run, why) || tower_init(&trial->tower, &tower, why))
        return -1;
    return counter_init(&trial->counter, &counter, why);
}

int run_evaluate_open(struct run *run, struct error *why)
{
    run->trial.every = steps_between(run);
    if (!run->trial.every)
        return 0;
    if (dataset_open(&run->trial.dataset, run->world, run->dataset.file, "test", why))
        return error_in(why, "--eval-steps");
    return world_agree(run->world, make_trial(run, why), why);
}

void run_evaluate_close(struct run *run)
{
    counter_free(&run->trial.counter);
    tower_free(&run->trial.tower);
    dataset_close(&run->trial.dataset);
}

/* ---- an evaluation ---- */

bool run_evaluates_now(const struct run *run)
{
    return run->trial.every && (is_multiple(run->state.step, run->trial.every) || run->state.step == run->last_step);
}

/* Collective. Rank 0's moving averages, and its other parameters, go to all ranks' evaluating towers. */
static int share_averages(struct run *run, struct error *why)
{
    struct checkpoint *state = &run->state;
    if (run->world->rank == 0) {
        if (tower_get_parameters(&run->tower, state->parameters, why) || tower_get_states(&run->tower, state->states, why))
            return -1;
        memcpy(state->parameters, state->states[OPTIMIZER_EMA], run->net.trained * sizeof(float));
    }
    if (world_broadcast(run->world, state->parameters, run->net.parameters * sizeof(float), why))
        return -1;
    return tower_set_parameters(&run->trial.tower, state->parameters, why);
}

/* Returns the same on all ranks. */
static bool is_reached(const struct run *run, const struct evaluated *evaluated)
{
    double target = run->options->target_precision;
    return target > 0 && (double)evaluated->right >= target * (double)evaluated->images;
}

/* Rank 0. The steps of an earlier process that its last checkpoint does not hold are trained again; their time is lost. */
static void tell_time(struct run *run)
{
    double seconds = run->state.wall_seconds + clock_seconds() - run->started;
    report_line(&run->report, "time to accuracy %.1f s, %.1f s of it evaluations", seconds, run->state.evaluation_seconds);
    if (run->resumed_from[0])
        report_line(&run->report, "(of earlier runs only the time up to a checkpoint)");
}

/* Rank 0. again: the state is that of a checkpoint, and the time is already in the log. */
static void tell_evaluated(struct run *run, const struct evaluated *evaluated, bool again)
{
    const struct checkpoint *state = &run->state;
    double target = run->options->target_precision;
    report_evaluation(&run->report, run->options->train_dir, evaluated);
    run_summary_evaluated(run, evaluated);
    if (is_reached(run, evaluated))
        report_line(&run->report, "--target-precision %g %sreached at step %" PRIu64 ", epoch %.2f", target, again ? "was " : "",
                    state->step, (double)state->position / (double)run->dataset.count);
    else if (target > 0 && state->step == run->last_step)
        report_line(&run->report, "--target-precision %g was not reached", target);
    if (is_reached(run, evaluated) && !again)
        tell_time(run);
}

/* The time of an evaluation is not part of the interval in metrics.csv, so it does not lower the rate shown there. */
static void add_seconds(struct run *run, double seconds)
{
    run->state.evaluation_seconds += seconds;
    run->tally.started += seconds;
}

int run_evaluate(struct run *run, bool again, struct error *why)
{
    struct trial *trial = &run->trial;
    struct evaluated evaluated = {.step = run->state.step, .parameters = "EMA"};
    struct error reason;
    double began = clock_seconds();
    phases_step(&run->phases, run->state.step, true);
    phase_enter(&run->phases, PHASE_EVALUATE, PHASE_WHOLE);
    progress_clear(&run->report.progress);
    trial->progress = run->report.progress;
    if (share_averages(run, why))
        return -1;
    int status = counter_run(&trial->counter, &evaluated, &reason);
    add_seconds(run, clock_seconds() - began);
    if (run->world->rank == 0 && status)
        report_line(&run->report, "no evaluation at step %" PRIu64 ": %s", run->state.step, reason.text);
    else if (run->world->rank == 0)
        tell_evaluated(run, &evaluated, again);
    if (!status && is_reached(run, &evaluated))
        run->last_step = run->state.step;
    return 0;
}
