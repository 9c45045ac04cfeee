/* The state that training begins with, initial or saved. Rank 0 reads files and decides, then sends the state to all ranks. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "run.h"

/* Everything that the trajectory depends on must be as before, unless --force is given: then this run's settings apply. */
static int check_differences(const struct run *run, const struct differences *all, const char *file, struct error *why)
{
    if (!all->list.text[0] || run->options->force)
        return 0;
    return error_set(why, "%s was trained with %s: %s%s%sfor a new run give another --train-dir; --force goes on all the same",
                     file, all->list.text, all->gone ? "" : "to go on, train", all->gone ? "" : all->remedy.text,
                     all->gone ? "" : "; ");
}

/* Loads a file into the state, except seed and data set, which stay this run's. Checks differences first: other data may need
 * another net, and the error from loading would name no remedy. */
static int load_file(struct run *run, const char *file, struct error *why)
{
    struct checkpoint *state = &run->state;
    struct checkpoint found = {.parameters = state->parameters, .optimizer = state->optimizer};
    struct differences all;
    memcpy(found.states, state->states, sizeof found.states);
    if (checkpoint_peek(&found, file, why))
        return -1;
    free(found.class_names);
    if (differences_find(run, &found, file, &all, why) || check_differences(run, &all, file, why) ||
        checkpoint_load(&found, &run->net, file, why))
        return -1;
    free(found.class_names);
    if (all.list.text[0])
        line_print(stderr, "cifar10_mpi: going on by --force: %s was trained with %s", file, all.list.text);
    state->step = run->saved_step = found.step;
    state->position = found.position;
    state->loss_average = found.loss_average;
    state->total_loss_average = found.total_loss_average;
    state->wall_seconds = found.wall_seconds;
    state->evaluation_seconds = found.evaluation_seconds;
    memcpy(state->convolutions, found.convolutions, sizeof state->convolutions);
    snprintf(run->resumed_from, sizeof run->resumed_from, "%s", file);
    return 0;
}

/* The newest complete checkpoint in --train-dir; "" if there is none. Prints which damaged ones were skipped. */
static int find_newest(const struct run *run, char *file, size_t size, struct error *why)
{
    struct error skipped;
    int status = checkpoint_newest(run->options->train_dir, file, size, &skipped, why);
    if (!status && skipped.text[0])
        fprintf(stderr, "cifar10_mpi: %s\n", skipped.text);
    return status;
}

static int load_newest(struct run *run, struct error *why)
{
    char file[4096];
    if (find_newest(run, file, sizeof file, why))
        return -1;
    return file[0] ? load_file(run, file, why) : 0;
}

/* A file that shows that --train-dir holds a run: its newest checkpoint, complete or not, or the log of a run that was killed
 * before its first checkpoint. "" if there is none. */
static int find_run(const struct run *run, char *file, size_t size, struct error *why)
{
    const char *directory = run->options->train_dir;
    uint64_t *steps;
    int count;
    struct stat found;
    if (checkpoint_list(directory, &steps, &count, why))
        return -1;
    snprintf(file, size, "%s/train.log", directory);
    if (count)
        checkpoint_name(directory, steps[0], file, size);
    else if (stat(file, &found) || !found.st_size)
        file[0] = '\0';
    free(steps);
    return 0;
}

static bool same_file(const char *left, const char *right)
{
    struct stat l, r;
    return !stat(left, &l) && !stat(right, &r) && l.st_dev == r.st_dev && l.st_ino == r.st_ino;
}

/* --resume FILE. Refused if --train-dir holds newer checkpoints or another run: they would be overwritten, and a later restart
 * would continue the wrong run. A directory that has only damaged checkpoints is not refused. */
static int load_given(struct run *run, struct error *why)
{
    const char *given = run->options->resume, *directory = run->options->train_dir;
    char newest[4096];
    struct stat there;
    if (stat(given, &there))
        return error_set(why, "--resume %s: is neither auto nor never, and no checkpoint file: %s", given, strerror(errno));
    if (load_file(run, given, why))
        return -1;
    int status = find_newest(run, newest, sizeof newest, why);
    if (status == CHECKPOINT_DAMAGED)
        fprintf(stderr, "cifar10_mpi: skipping %s\n", why->text);
    if (status == CHECKPOINT_DAMAGED || (!status && (!newest[0] || same_file(newest, given))))
        return 0;
    return status ? -1 : error_set(why, "--train-dir %s holds a run (%s), and %s is not its newest checkpoint: leave --resume out "
                                   "to go on with that run, or give another --train-dir; nothing was changed", directory, newest,
                                   given);
}

/* --resume never */
static int refuse_run(const struct run *run, struct error *why)
{
    const char *directory = run->options->train_dir;
    char found[4096];
    if (find_run(run, found, sizeof found, why))
        return -1;
    return !found[0] ? 0 : error_set(why, "--train-dir %s holds a run (%s), and --resume never was asked for: give another "
                                     "--train-dir for a new run, or leave --resume out to go on; nothing was changed", directory,
                                     found);
}

/* Locks the directory before it is read, so that no other run changes it. If it does not exist yet, run_begin makes it. */
static int lock_directory(struct run *run, struct error *why)
{
    const char *directory = run->options->train_dir;
    struct stat found;
    if (stat(directory, &found))
        return 0;
    if (!S_ISDIR(found.st_mode))
        return error_set(why, "--train-dir %s: is a file: give the name of a directory, which may be new", directory);
    return lock_take(&run->lock, directory, why);
}

/* Makes the directory. Another run may have made it in the meantime, and may even have ended. */
static int make_directory(struct run *run, struct error *why)
{
    const char *directory = run->options->train_dir;
    char found[4096];
    if (directory_make(directory, why))
        return error_in(why, "--train-dir %s", directory);
    if (lock_take(&run->lock, directory, why) || find_run(run, found, sizeof found, why))
        return -1;
    return !found[0] ? 0 : error_set(why, "--train-dir %s: another run has begun there meanwhile (%s): give another --train-dir; "
                                     "nothing was changed", directory, found);
}

/* Rank 0: finds the state to begin with. */
static int find_state(struct run *run, struct error *why)
{
    const char *resume = run->options->resume;
    if (lock_directory(run, why))
        return -1;
    int status = !strcmp(resume, "auto") ? load_newest(run, why)
               : !strcmp(resume, "never") ? refuse_run(run, why)
                                          : load_given(run, why);
    if (!status && !run->resumed_from[0]) {
        net_parameters(&run->net, run->state.seed, run->state.parameters);
        optimizer_begin(run->state.optimizer, run->state.parameters, run->net.parameters, run->state.states);
    }
    return status;
}

int run_begin(struct run *run, struct error *why)
{
    if (!run->lock.held && make_directory(run, why))
        return -1;
    if (report_open(&run->report, run->options->train_dir, run->state.step, why))
        return -1;
    progress_open(&run->report.progress, run->options->progress);
    return 0;
}

int run_share_state(struct run *run, struct error *why)
{
    const struct checkpoint *state = &run->state;
    size_t bytes = run->net.parameters * sizeof(float);
    if (world_broadcast(run->world, state->parameters, bytes, why))
        return -1;
    for (int i = 0; i < state->optimizer->state_count; i++)
        if (!state->optimizer->states[i].master_only && world_broadcast(run->world, state->states[i], bytes, why))
            return -1;
    return 0;
}

int run_load_tower(struct run *run, struct error *why)
{
    return tower_set_parameters(&run->tower, run->state.parameters, why) ||
           tower_set_states(&run->tower, run->state.states, why) ? -1 : 0;
}

int run_resume(struct run *run, struct error *why)
{
    const struct world *world = run->world;
    struct checkpoint *state = &run->state;
    int status = world->rank == 0 ? find_state(run, why) : 0;
    if (world_agree(world, status, why))
        return -1;
    uint64_t places[3] = {state->step, state->position, run->saved_step};
    if (world_broadcast(world, places, sizeof places, why))
        world_abort(world, why->text);
    if (run_share_state(run, why))
        world_abort(world, why->text);
    state->step = places[0];
    state->position = places[1];
    run->saved_step = places[2];
    return 0;
}
