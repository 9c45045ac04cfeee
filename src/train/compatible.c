/* What a run's trajectory depends on, compared with what a checkpoint's run had. The rest may change: when it ends, what it logs
 * and saves; ranks, with the same global batch; threads, unless bits are promised; and the tower, whose sums only round
 * otherwise. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

/* By their names in /provenance. */
static const char *const settings[] = {"slices", "seed", "learning-rate", "lr-decay-factor", "lr-decay-epochs", "ema-decay",
                                       "precision"};

static void list_add(struct differences *all, const char *name, const char *then, const char *now)
{
    error_add(&all->list, "%s%s %s, not %s", all->list.text[0] ? "; " : "", name, then, now);
}

static void remedy_add(struct differences *all, const char *flag, const char *value)
{
    char word[4 * OPTION_TEXT + 4] = "";
    if (*value)
        text_quote(value, word, sizeof word);
    error_add(&all->remedy, "%s %s%s%s", all->remedy.text[0] ? "" : " with", flag, *value ? " " : "", word);
}

/* A switch has no value, and the only one of the settings comes last: "without" holds for no other. */
static void setting_add(struct differences *all, const char *setting, const char *then, const char *now)
{
    char name[64];
    snprintf(name, sizeof name, "--%s", setting);
    list_add(all, name, then, now);
    if (!strcmp(then, "no"))
        error_add(&all->remedy, " without %s", name);
    else
        remedy_add(all, name, strcmp(then, "yes") ? then : "");
}

/* Of a setting that an older program did not have yet nothing is known: no difference. */
static int setting_compare(const struct run *run, struct h5 *h5, const char *setting, struct differences *all, struct error *why)
{
    char then[OPTION_TEXT], now[OPTION_TEXT];
    if (!h5_has(h5, "/provenance", setting))
        return 0;
    if (h5_get_text(h5, "/provenance", setting, then, sizeof then, why))
        return -1;
    options_value(run->options, setting, now, sizeof now);
    if (strcmp(then, now))
        setting_add(all, setting, then, now);
    return 0;
}

/* Where these ranks cannot share it evenly, the next smaller number that can. */
static int batch_compare(const struct run *run, struct h5 *h5, struct differences *all, struct error *why)
{
    char text[32], now[96];
    int ranks = run->world->size;
    if (!h5_has(h5, "/provenance", "global_batch"))
        return 0;
    if (h5_get_text(h5, "/provenance", "global_batch", text, sizeof text, why))
        return -1;
    int then = atoi(text);
    if (then == run->global_batch || then <= 0)
        return 0;
    snprintf(now, sizeof now, "%d (%d rank%s x %" PRId64 ")", run->global_batch, ranks, ranks > 1 ? "s" : "",
             run->options->batch_size);
    list_add(all, "a global batch of", text, now);
    while (then % ranks)
        ranks--;
    snprintf(text, sizeof text, "%d", then / ranks);
    remedy_add(all, "--batch-size", text);
    all->ranks = ranks < run->world->size ? ranks : 0;
    return 0;
}

/* Where the file is another one, it may be there still. */
static int data_compare(const struct run *run, struct h5 *h5, const struct checkpoint *found, struct differences *all,
                        struct error *why)
{
    const struct dataset *own = &run->dataset;
    char then[160], now[160], file[OPTION_TEXT] = "";
    if (!strcmp(found->dataset_sha256, own->sha256))
        return 0;
    snprintf(then, sizeof then, "%s (SHA-256 %.12s...)", found->dataset, found->dataset_sha256);
    snprintf(now, sizeof now, "%s (%.12s...)", own->name, own->sha256);
    list_add(all, "the images, labels and classes of", then, now);
    if (h5_has(h5, "/provenance", "data") && h5_get_text(h5, "/provenance", "data", file, sizeof file, why))
        return -1;
    if (*file && strcmp(file, own->file))
        remedy_add(all, "--data", file);
    else
        all->gone = true;
    return 0;
}

/* --conv auto keeps what the run has had. */
static void ways_compare(const struct run *run, const struct checkpoint *found, struct differences *all)
{
    enum convolution_choice asked = run->options->conv;
    const char *other = asked == CONVOLUTION_DIRECT ? "=winograd" : "=direct";
    if (asked == CONVOLUTION_AUTO || !strstr(found->convolutions, other))
        return;
    list_add(all, "--conv", found->convolutions, asked == CONVOLUTION_DIRECT ? "direct" : "winograd");
    remedy_add(all, "--conv", "auto");
}

/* What changes bits only, which another tower changes anyway. Slices promise bits: a run with them is deterministic whatever was
 * asked for, but convolutions have two ways, sums over the threads of a CPU round by their number, and a device's library chooses
 * its engines by the workspace. */
static int bits_compare(const struct run *run, struct h5 *h5, const struct checkpoint *found, struct differences *all,
                        struct error *why)
{
    char tower[64];
    if (!h5_has(h5, "/provenance", "tower_backend"))
        return 0;
    if (h5_get_text(h5, "/provenance", "tower_backend", tower, sizeof tower, why))
        return -1;
    if (strcmp(tower, run->backend->name))
        return 0;
    if (!run->tree)
        return setting_compare(run, h5, "deterministic", all, why);
    ways_compare(run, found, all);
    return setting_compare(run, h5, run->backend->device ? "workspace-mib" : "threads", all, why);
}

int differences_find(const struct run *run, const struct checkpoint *found, const char *file, struct differences *all,
                     struct error *why)
{
    struct error ignored;
    struct h5 *h5 = h5_open(file, why);
    memset(all, 0, sizeof *all);
    int status = h5 ? data_compare(run, h5, found, all, why) : -1;
    for (size_t i = 0; !status && i < sizeof settings / sizeof *settings; i++)
        status = setting_compare(run, h5, settings[i], all, why);
    if (!status)
        status = batch_compare(run, h5, all, why);
    if (!status)
        status = bits_compare(run, h5, found, all, why);
    h5_close(h5, &ignored); /* was only read */
    if (all->ranks)
        error_add(&all->remedy, " on %d rank%s (mpirun -np %d)", all->ranks, all->ranks > 1 ? "s" : "", all->ranks);
    return status;
}
