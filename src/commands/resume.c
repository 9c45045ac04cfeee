/* Initial or saved state. Rank 0 alone looks at files and decides; the others are told. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "train.h"

/* mkdir -p */
static int make_directories(const char *directory, struct error *why)
{
    char path[OPTION_TEXT];
    snprintf(path, sizeof path, "%s", directory);
    for (char *slash = path + 1;; slash++) {
        if (*slash != '/' && *slash)
            continue;
        char kept = *slash;
        *slash = 0;
        if (mkdir(path, 0777) && errno != EEXIST)
            return error_set(why, "--train-dir %s: %s cannot be made: %m", directory, path);
        *slash = kept;
        if (!kept)
            return 0;
    }
}

/* Loads one file into the state. What a run's trajectory hangs on must be the same. */
static int load_file(struct run *run, const char *file, struct error *why)
{
    struct checkpoint found = {.parameters = run->state.parameters, .shadows = run->state.shadows};
    if (checkpoint_load(&found, &run->net, file, why))
        return -1;
    free(found.class_names);
    found.class_names = run->state.class_names;
    if (found.seed != run->state.seed)
        return error_set(why, "%s was trained with --seed %" PRIu64 ", not %" PRIu64, file, found.seed, run->state.seed);
    if (strcmp(found.dataset_sha256, run->state.dataset_sha256))
        return error_set(why, "%s was trained on other images, labels or classes (%s) than those of %s", file,
                         found.dataset, run->dataset.file);
    run->state = found;
    run->saved_step = found.step;
    snprintf(run->resumed_from, sizeof run->resumed_from, "%s", file);
    return 0;
}

static int load_newest(struct run *run, struct error *why)
{
    char file[4096];
    struct error passed;
    if (checkpoint_newest(run->options->train_dir, file, sizeof file, &passed, why))
        return -1;
    if (passed.text[0])
        fprintf(stderr, "cifar10_mpi: passing by a checkpoint: %s\n", passed.text);
    return file[0] ? load_file(run, file, why) : 0;
}

/* The step of the newest checkpoint in --train-dir and its file, "" where there is none. */
static int find_run(const struct run *run, uint64_t *step, char *file, size_t size, struct error *why)
{
    uint64_t *steps;
    int count;
    *step = 0;
    file[0] = 0;
    if (checkpoint_list(run->options->train_dir, &steps, &count, why))
        return -1;
    if (count) {
        *step = steps[0];
        checkpoint_name(run->options->train_dir, *step, file, size);
    }
    free(steps);
    return 0;
}

static bool same_file(const char *left, const char *right)
{
    struct stat l, r;
    return !stat(left, &l) && !stat(right, &r) && l.st_dev == r.st_dev && l.st_ino == r.st_ino;
}

/* --resume FILE: a run that has gone on from there, or another one, would lose checkpoints to this one's, and a plain
 * restart would take up the wrong one. */
static int load_given(struct run *run, struct error *why)
{
    const char *given = run->options->resume, *directory = run->options->train_dir;
    char newest[4096];
    uint64_t step;
    if (load_file(run, given, why) || find_run(run, &step, newest, sizeof newest, why))
        return -1;
    if (!newest[0] || same_file(newest, given))
        return 0;
    return error_set(why, "--train-dir %s holds a run (checkpoint of step %" PRIu64 ") that --resume %s is not the "
                     "newest of: name another --train-dir; nothing was changed", directory, step, given);
}

/* --resume never: also a run that was killed before its first checkpoint has left a log. */
static int refuse_run(const struct run *run, struct error *why)
{
    const char *directory = run->options->train_dir;
    char newest[4096], log[OPTION_TEXT + 16];
    uint64_t step;
    struct stat found;
    if (find_run(run, &step, newest, sizeof newest, why))
        return -1;
    snprintf(log, sizeof log, "%s/train.log", directory);
    if (!newest[0] && (stat(log, &found) || !found.st_size))
        return 0;
    return error_set(why, "--train-dir %s holds a run (%s), and --resume never was asked for: name another directory; "
                     "nothing was changed", directory, newest[0] ? newest : log);
}

/* Found out before hours of training, and by trying: permissions say little to root or of a read-only disk. */
static int check_writable(const char *directory, struct error *why)
{
    char trial[OPTION_TEXT + 32];
    snprintf(trial, sizeof trial, "%s/.writable.XXXXXX", directory);
    int descriptor = mkstemp(trial);
    if (descriptor < 0)
        return error_set(why, "--train-dir %s: no file can be made there: %m", directory);
    close(descriptor);
    unlink(trial);
    return 0;
}

/* Rank 0: the state to begin with, on this rank. */
static int find_state(struct run *run, struct error *why)
{
    const char *resume = run->options->resume;
    int status = !strcmp(resume, "auto") ? load_newest(run, why)
               : !strcmp(resume, "never") ? refuse_run(run, why)
                                          : load_given(run, why);
    if (!status && !run->resumed_from[0]) {
        net_parameters(&run->net, run->state.seed, run->state.parameters);
        memcpy(run->state.shadows, run->state.parameters, run->net.parameters * sizeof(float));
    }
    return status;
}

int run_begin(struct run *run, struct error *why)
{
    const char *directory = run->options->train_dir;
    return make_directories(directory, why) || check_writable(directory, why) ||
                   report_open(&run->report, directory, run->state.step, why) ? -1 : 0;
}

int run_resume(struct run *run, struct error *why)
{
    const struct world *world = run->world;
    size_t parameters = run->net.parameters;
    struct checkpoint *state = &run->state;
    int status = world->rank == 0 ? find_state(run, why) : 0;
    if (world_agree(world, status, why))
        return -1;
    uint64_t places[3] = {state->step, state->position, run->saved_step};
    if (world_broadcast(world, places, sizeof places, why) ||
        world_broadcast(world, state->parameters, parameters * sizeof(float), why))
        world_abort(world, why->text);
    state->step = places[0];
    state->position = places[1];
    run->saved_step = places[2];
    return 0;
}
