/* Rank 0 finds and reads the checkpoint and sends its parameters to the others. A run in the directory may remove the checkpoint in
 * the meantime; then there is a newer one. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eval.h"

static bool is_kind(const char *path, mode_t kind)
{
    struct stat found;
    return !stat(path, &found) && (found.st_mode & S_IFMT) == kind;
}

int eval_check_names(const struct options *options, struct error *why)
{
    const char *file = options->checkpoint, *directory = options->train_dir;
    if (file[0] && is_kind(file, S_IFDIR))
        return error_set(why, "--checkpoint %s: is a directory, and not a file; --train-dir %s takes its newest checkpoint", file,
                         file);
    if (!file[0] && is_kind(directory, S_IFREG))
        return error_set(why, "--train-dir %s: is a file, and not a directory; --checkpoint %s takes it", directory, directory);
    return 0;
}

static int no_checkpoint(const char *directory, bool training, struct error *why)
{
    if (training)
        return error_set(why, "there is no checkpoint in %s yet: the run there has saved none so far", directory);
    return error_set(why, "there is no checkpoint in %s%s: train first, with cifar10_mpi train --train-dir %s, or name another "
                     "--train-dir", directory, is_kind(directory, S_IFDIR) ? "" : ", which is no directory yet", directory);
}

/* Finds the newest checkpoint. Reports skipped, damaged checkpoints only when they change. */
static int find_in_directory(struct evaluation *e, bool training, struct error *why)
{
    const char *directory = e->options->train_dir;
    struct error skipped;
    if (checkpoint_newest(directory, e->file, sizeof e->file, &skipped, why))
        return -1;
    if (skipped.text[0] && strcmp(skipped.text, e->skipped.text))
        report_line(&e->report, "%s", skipped.text);
    e->skipped = skipped;
    return e->file[0] ? 0 : no_checkpoint(directory, training, why);
}

static int find_file(struct evaluation *e, bool training, struct error *why)
{
    const char *given = e->options->checkpoint;
    if (!given[0])
        return find_in_directory(e, training, why);
    strcpy(e->file, given);
    return 0;
}

/* Reads the checkpoint's attributes. */
static int peek(struct evaluation *e, struct found *found, struct error *why)
{
    struct checkpoint *peeked = &e->peeked;
    char last_step[32];
    free(peeked->class_names);
    *peeked = (struct checkpoint){0};
    if (checkpoint_peek(peeked, e->file, why) ||
        checkpoint_provenance(e->file, "last_step", last_step, sizeof last_step, why) ||
        checkpoint_provenance(e->file, "data", found->data, sizeof found->data, why))
        return -1;
    found->step = peeked->step;
    found->last_step = strtoull(last_step, NULL, 10);
    found->classes = peeked->classes;
    found->channels = peeked->channels;
    memcpy(found->model, peeked->model, sizeof found->model);
    return 0;
}

static bool has_gone(const struct evaluation *e)
{
    return !e->options->checkpoint[0] && e->file[0] && checkpoint_is_gone(e->file);
}

static int find(struct evaluation *e, struct found *found, struct error *why)
{
    int status;
    do {
        memset(found, 0, sizeof *found);
        e->file[0] = '\0';
        found->training = lock_is_held(e->options->train_dir); /* before the search for checkpoints: see has_ended in watch.c */
        status = find_file(e, found->training, why) || peek(e, found, why) ? -1 : 0;
    } while (status && has_gone(e));
    return status;
}

int eval_find(struct evaluation *e, struct found *found, struct error *why)
{
    int status = e->world->rank == 0 ? find(e, found, why) : 0;
    if (world_agree(e->world, status, why))
        return -1;
    if (world_broadcast(e->world, found, sizeof *found, why))
        world_abort(e->world, why->text);
    return 0;
}

int eval_load_file(struct evaluation *e, const char *file, struct error *why)
{
    return parameters_from_checkpoint(e->parameters, &e->net, file, e->options, why);
}

/* Keeps the file open, so that it can still be copied to best.h5 after the run has removed it. */
static int keep_open(struct evaluation *e, struct error *why)
{
    if (e->newest_open >= 0)
        close(e->newest_open);
    e->newest_open = open(e->file, O_RDONLY | O_CLOEXEC);
    return e->newest_open < 0 ? error_set(why, "%s: cannot be opened: %s", e->file, strerror(errno)) : 0;
}

static int load_once(struct evaluation *e, struct error *why)
{
    return (e->options->keep_best && keep_open(e, why)) || eval_load_file(e, e->file, why) ? -1 : 0;
}

static int load_found(struct evaluation *e, struct found *found, struct error *why)
{
    int status = load_once(e, why);
    while (status && has_gone(e))
        status = find(e, found, why) || eval_match(e, why) || load_once(e, why) ? -1 : 0;
    return status;
}

int eval_share(struct evaluation *e, struct error *why)
{
    if (world_broadcast(e->world, e->parameters, e->net.parameters * sizeof(float), why))
        world_abort(e->world, why->text);
    return world_agree(e->world, tower_set_parameters(&e->tower, e->parameters, why), why);
}

int eval_load(struct evaluation *e, struct found *found, struct error *why)
{
    if (world_agree(e->world, e->world->rank == 0 ? load_found(e, found, why) : 0, why))
        return -1;
    if (world_broadcast(e->world, found, sizeof *found, why))
        world_abort(e->world, why->text);
    return eval_share(e, why);
}
