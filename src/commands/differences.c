/* What a run's trajectory depends on, compared with what a checkpoint's run had. The rest may change: when it ends, what it logs
 * and saves; ranks, with the same global batch; threads, unless bits are promised; and the tower, whose sums only round
 * otherwise. */
#include <stdio.h>
#include <string.h>

#include "train.h"

/* By their names in /provenance. */
static const char *const settings[] = {"global_batch", "slices", "seed", "learning-rate", "lr-decay-factor", "lr-decay-epochs",
                                       "ema-decay", "precision"};

static void list_add(struct error *list, const char *name, const char *then, const char *now)
{
    error_add(list, "%s%s %s, not %s", list->text[0] ? "; " : "", name, then, now);
}

/* As /provenance has it. */
static void setting_now(const struct run *run, const char *setting, char *text, size_t size)
{
    const char *name;
    bool is_default;
    for (int i = 0; options_text(run->options, i, &name, text, size, &is_default); i++)
        if (!strcmp(name, setting))
            return;
    snprintf(text, size, "%d", run->global_batch); /* the one that is no option */
}

/* Of a setting that an older program did not have yet nothing is known: no difference. */
static int setting_compare(const struct run *run, struct h5 *h5, const char *setting, struct error *list, struct error *why)
{
    char then[OPTION_TEXT], now[OPTION_TEXT], name[64];
    if (!h5_has(h5, "/provenance", setting))
        return 0;
    if (h5_get_text(h5, "/provenance", setting, then, sizeof then, why))
        return -1;
    setting_now(run, setting, now, sizeof now);
    snprintf(name, sizeof name, "--%s", setting);
    if (strcmp(then, now))
        list_add(list, strcmp(setting, "global_batch") ? name : "a global batch of", then, now);
    return 0;
}

static void data_compare(const struct run *run, const struct checkpoint *found, struct error *list)
{
    const struct dataset *own = &run->dataset;
    char then[160], now[160];
    snprintf(then, sizeof then, "%s (SHA-256 %.12s...)", found->dataset, found->dataset_sha256);
    snprintf(now, sizeof now, "%s (%.12s...)", own->name, own->sha256);
    if (strcmp(found->dataset_sha256, own->sha256))
        list_add(list, "the images, labels and classes of", then, now);
}

/* --conv auto keeps what the run has had. */
static void ways_compare(const struct run *run, const struct checkpoint *found, struct error *list)
{
    enum convolution_choice asked = convolution_choice_find(run->options->conv);
    const char *other = asked == CONVOLUTION_DIRECT ? "=winograd" : "=direct";
    if (asked != CONVOLUTION_AUTO && strstr(found->convolutions, other))
        list_add(list, "--conv", found->convolutions, run->options->conv);
}

/* What changes bits only, which another tower changes anyway. Slices promise bits: a run with them is deterministic whatever was
 * asked for, but convolutions have two ways, sums over the threads of a CPU round by their number, and a device's library chooses
 * its engines by the workspace. */
static int bits_compare(const struct run *run, struct h5 *h5, const struct checkpoint *found, struct error *list,
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
        return setting_compare(run, h5, "deterministic", list, why);
    ways_compare(run, found, list);
    return setting_compare(run, h5, run->backend->device ? "workspace-mib" : "threads", list, why);
}

int differences_find(const struct run *run, const struct checkpoint *found, const char *file, struct error *list,
                     struct error *why)
{
    struct error ignored;
    struct h5 *h5 = h5_open(file, why);
    int status = h5 ? 0 : -1;
    list->text[0] = '\0';
    data_compare(run, found, list);
    for (size_t i = 0; !status && i < sizeof settings / sizeof *settings; i++)
        status = setting_compare(run, h5, settings[i], list, why);
    if (!status)
        status = bits_compare(run, h5, found, list, why);
    h5_close(h5, &ignored); /* was only read */
    return status;
}
