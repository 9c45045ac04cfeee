/* Initial or saved state. Rank 0 alone looks at files and decides; the others are told. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "clock.h"
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
        return error_set(why, "%s was trained on other images (%s) than those of %s", file, found.dataset,
                         run->dataset.file);
    run->state = found;
    run->saved_step = found.step;
    snprintf(run->resumed_from, sizeof run->resumed_from, "%s", file);
    return 0;
}

/* The newest whole checkpoint of the directory; torn ones are named and passed by. Where there
 * are some but none can be used, the run stops: it would write over them. */
static int load_newest(struct run *run, struct error *why)
{
    const char *directory = run->options->train_dir;
    uint64_t *steps;
    int count, status = 0;
    if (checkpoint_list(directory, &steps, &count, why))
        return -1;
    for (int i = 0; i < count && !run->resumed_from[0]; i++) {
        char file[4096];
        checkpoint_name(directory, steps[i], file, sizeof file);
        status = load_file(run, file, why);
        if (status && i + 1 < count)
            fprintf(stderr, "cifar10_mpi: passing by a checkpoint: %s\n", why->text);
    }
    free(steps);
    return status ? error_in(why, "no checkpoint in --train-dir %s can be continued", directory) : 0;
}

static int refuse_old_run(const struct run *run, struct error *why)
{
    uint64_t *steps;
    int count;
    if (checkpoint_list(run->options->train_dir, &steps, &count, why))
        return -1;
    uint64_t newest = count ? steps[0] : 0;
    free(steps);
    if (!count)
        return 0;
    return error_set(why, "--train-dir %s holds a run (checkpoint of step %" PRIu64 "), and --resume never was asked "
                     "for: name another directory; nothing was changed", run->options->train_dir, newest);
}

/* Rank 0: the state to begin with, on this rank. */
static int find_state(struct run *run, struct error *why)
{
    const char *resume = run->options->resume;
    if (make_directories(run->options->train_dir, why))
        return -1;
    int status = !strcmp(resume, "auto") ? load_newest(run, why)
               : !strcmp(resume, "never") ? refuse_old_run(run, why)
                                          : load_file(run, resume, why);
    if (status)
        return -1;
    if (!run->resumed_from[0]) {
        net_parameters(&run->net, run->state.seed, run->state.parameters);
        memcpy(run->state.shadows, run->state.parameters, run->net.parameters * sizeof(float));
    }
    return report_open(&run->report, run->options->train_dir, run->state.step, why);
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
    status = tower_set_parameters(&run->tower, state->parameters, why);
    if (!status && world->rank == 0)
        status = run->backend->memory_upload(run->shadows, state->shadows, parameters, why);
    return world_agree(world, status, why);
}

/* All options as the checkpoint's provenance, and what ran it. */
static int save_with_provenance(struct run *run, struct error *why)
{
    enum { MOST = 64, FIXED = 5 };
    static char values[MOST][OPTION_TEXT];
    struct provenance provenance[MOST];
    int count = 0;
    bool is_default;
    snprintf(values[0], sizeof values[0], "%s", VERSION);
    snprintf(values[1], sizeof values[1], "%s", run->about);
    snprintf(values[2], sizeof values[2], "%s", run->world->library);
    snprintf(values[3], sizeof values[3], "%d", run->world->size);
    snprintf(values[4], sizeof values[4], "%d", run->world->nodes);
    static const char *const names[FIXED] = {"program_version", "tower_library", "mpi_library", "ranks", "nodes"};
    for (; count < FIXED; count++)
        provenance[count] = (struct provenance){names[count], values[count]};
    while (count < MOST && options_text(run->options, count - FIXED, &provenance[count].name, values[count],
                                        sizeof values[count], &is_default)) {
        provenance[count].text = values[count];
        count++;
    }
    return checkpoint_save(&run->state, &run->net, run->options->train_dir, (int)run->options->keep, provenance, count,
                           why);
}

int run_save(struct run *run, struct error *why)
{
    struct checkpoint *state = &run->state;
    double now = clock_seconds();
    state->wall_seconds += now - run->started;
    run->started = now;
    if (tower_get_parameters(&run->tower, state->parameters, why) ||
        run->backend->memory_download(state->shadows, run->shadows, run->net.parameters, why) ||
        save_with_provenance(run, why))
        return -1;
    run->saved_step = state->step;
    return 0;
}
