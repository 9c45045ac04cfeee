/* DIR/best.h5: the checkpoint that classified the most images correctly; the first of several equal ones. A run in DIR does not
 * count it among its checkpoints. A later eval first evaluates it again, so that it compares checkpoints on the same images. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "eval.h"
#include "file.h"

static int best_name(const struct evaluation *e, char *file, size_t size, struct error *why)
{
    if (snprintf(file, size, "%s/best.h5", e->options->train_dir) >= (int)size)
        return error_set(why, "%.64s...: the directory's name is too long", e->options->train_dir);
    return 0;
}

/* Rank 0. *any: whether there is a best.h5; *step: its step. */
static int load_best(struct evaluation *e, bool *any, uint64_t *step, struct error *why)
{
    char file[4096];
    struct checkpoint best = {0};
    if (best_name(e, file, sizeof file, why))
        return -1;
    *any = !access(file, F_OK);
    if (!*any)
        return 0;
    if (checkpoint_peek(&best, file, why) || eval_load_file(e, file, why)) {
        free(best.class_names);
        return error_add(why, "; --keep-best would replace it: remove it first");
    }
    free(best.class_names);
    *step = best.step;
    return 0;
}

int eval_best_begin(struct evaluation *e, struct error *why)
{
    struct {
        bool any;
        uint64_t step;
    } there = {false, 0};
    struct evaluated evaluated;
    if (e->best_known)
        return 0;
    if (world_agree(e->world, e->world->rank == 0 ? load_best(e, &there.any, &there.step, why) : 0, why))
        return -1;
    if (world_broadcast(e->world, &there, sizeof there, why))
        world_abort(e->world, why->text);
    e->best_known = true;
    e->best = -1;
    if (!there.any)
        return 0;
    if (eval_share(e, why) || eval_count(e, there.step, &evaluated, why))
        return -1;
    e->best = evaluated.right;
    if (e->world->rank == 0)
        report_line(&e->report, "best so far: step %" PRIu64 " in %s/best.h5, %" PRId64 " of %" PRId64 " images right", there.step,
                    e->options->train_dir, evaluated.right, evaluated.images);
    return 0;
}

static int keep(struct evaluation *e, int64_t right, struct error *why)
{
    char file[4096];
    if (best_name(e, file, sizeof file, why) || file_keep(e->newest_open, file, why))
        return -1;
    e->best = right;
    report_line(&e->report, "the best so far, kept as %s", file);
    return 0;
}

int eval_best_keep(struct evaluation *e, const struct evaluated *evaluated, struct error *why)
{
    int status = evaluated->right > e->best ? keep(e, evaluated->right, why) : 0;
    close(e->newest_open);
    e->newest_open = -1;
    return status;
}
