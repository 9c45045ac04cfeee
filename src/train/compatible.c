/* Compares this run with the one that wrote a checkpoint, in everything that the trajectory depends on. The rest may change: when
 * the run ends, what it logs and saves; the number of ranks, with the same global batch; the number of threads, unless the run
 * promises the same bits; and the tower, since results of different towers differ by rounding only. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

/* Options that must be the same, by their names in /provenance. */
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

/* Only one setting is a switch, --deterministic. It comes last, so "without" cannot be misread as applying to another one. */
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

/* A setting that is missing from the checkpoint, written by an older version, counts as equal. */
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

/* If these ranks cannot share the batch evenly, all->ranks becomes the next smaller number that can. */
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

/* A data file of another name may still exist. One of the same name was replaced: all->gone. */
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

/* --conv auto keeps the earlier run's algorithms, so only --conv direct or winograd can differ from them. */
static void ways_compare(const struct run *run, const struct checkpoint *found, struct differences *all)
{
    enum convolution_choice asked = run->options->conv;
    const char *other = asked == CONVOLUTION_DIRECT ? "=winograd" : "=direct";
    if (asked == CONVOLUTION_AUTO || !strstr(found->convolutions, other))
        return;
    list_add(all, "--conv", found->convolutions, asked == CONVOLUTION_DIRECT ? "direct" : "winograd");
    remedy_add(all, "--conv", "auto");
}

/* Settings that affect rounding only; they do not matter if the tower differs, which changes rounding anyway. --slices promises the
 * same bits and implies --deterministic. Then the bits depend on the algorithms of convolutions; on a CPU also on the number of
 * threads, which changes the order of sums; on a device also on the workspace, which affects the library's choice of engines. */
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
    h5_close(h5, &ignored); /* the file was only read */
    if (all->ranks)
        error_add(&all->remedy, " on %d rank%s (mpirun -np %d)", all->ranks, all->ranks > 1 ? "s" : "", all->ranks);
    return status;
}
