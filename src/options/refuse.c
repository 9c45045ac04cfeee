/* The sentence about a word that is not an option or a command, with a suggestion if there is one. */
#include <stdio.h>
#include <string.h>

#include "flag.h"
#include "suggest.h"

/* Flags of other programs (the tutorial, PyTorch's examples), and their names here. */
static const struct translation {
    const char *words; /* "a|b|c" */
    const char *flag;  /* NULL: no command has such a flag */
    const char *rest;
} translations[] = {
    {"data-dir|data-path|dataset|input", "data", " FILE, which './cifar10_mpi pack' makes"},
    {"num-gpus|gpus|gpu|np|n|nproc|ranks|nproc-per-node|world-size", NULL,
     "the number of ranks, one GPU each: mpirun -np N ./cifar10_mpi"},
    {"weight-decay|wd|l2", NULL, "fixed for each layer by the model (the tutorial's 0.004 for local3 and local4)"},
    {"momentum|nesterov|optimizer|optim", NULL, "fixed: SGD without momentum, as in the tutorial"},
    {"use-fp16|fp16|bf16|amp", "precision", " bf16"},
    {"device|cuda|no-cuda|cpu|backend", "tower", " cudnn|onednn|openblas"},
    {"log-device-placement", NULL, "in the first lines that train prints"},
    {"eval-data", "split", " test|train"},
    {"eval-dir|checkpoint-dir|model-dir|logdir|log-dir|output-dir|output|out|save-dir|job-dir", "train-dir", " DIR"},
    {"split|val-share|test-split|test-size|val-split|validation-split", "test-share", " X, a share such as 0.1"},
    {"arch|a|network|net", "model", " NAME"},
    {"b|per-device-batch-size", "batch-size", " N"},
    {"iterations|iters|max-iter|max-iters|train-steps", "max-steps", " N"},
    {"workers|num-workers|j", "loader-threads", " N"},
    {"gamma", "lr-decay-factor", " X"},
    {"log-interval|print-freq|log-every|log-steps", "log-frequency", " N"},
    {"eval-interval|eval-every|eval-frequency|val-interval|validate-every", "eval-steps", " N"},
    {"target-accuracy|target-acc|target", "target-precision", " P"},
    {"save-steps|save-interval|save-every|save-freq", "checkpoint-steps", " N"},
};
enum { TRANSLATIONS = sizeof translations / sizeof *translations };

/* The flag of one of these commands (a mask) that is nearest to the word, within `farthest`. */
static const struct flag *flag_nearest(int mask, const char *plain, int farthest)
{
    const struct flag *nearest = NULL;
    for (int i = 0; i < option_flag_count; i++) {
        int distance = option_flags[i].commands & mask ? suggest_distance(plain, option_flags[i].name) : SUGGEST_FAR;
        if (distance <= farthest) {
            nearest = &option_flags[i];
            farthest = distance - 1;
        }
    }
    return nearest;
}

static const struct translation *translation_find(enum command command, const char *plain)
{
    for (int i = 0; i < TRANSLATIONS; i++) {
        const struct translation *t = &translations[i];
        if (word_place(t->words, plain) >= 0 && (!t->flag || flag_nearest(1 << command, t->flag, SUGGEST_SAME)))
            return t;
    }
    return NULL;
}

int flag_refuse(enum command command, const char *word, struct error *why)
{
    char name[64], plain[64];
    const char *of = option_commands[command].name;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    suggest_plain(word, plain, sizeof plain);
    const struct flag *own = flag_nearest(1 << command, plain, SUGGEST_SAME);
    const struct translation *here = own ? NULL : translation_find(command, plain);
    const struct flag *others = flag_nearest(ALL, plain, SUGGEST_SAME);
    if (here)
        return error_set(why, "%s has no flag %s; here it is %s%s%s", of, name, here->flag ? "--" : "",
                         here->flag ? here->flag : "", here->rest);
    if (!own && others) {
        int other = 0;
        while (!flag_known(others, other))
            other++;
        return error_set(why, "%s has no flag %s, but %s has: './cifar10_mpi %s --help' lists its flags", of, name,
                         option_commands[other].name, option_commands[other].name);
    }
    if (!own)
        own = flag_nearest(1 << command, plain, SUGGEST_FAR - 1);
    if (own)
        return error_set(why, "%s has no flag %s; did you mean --%s?", of, name, own->name);
    return error_set(why, "%s has no flag %s; './cifar10_mpi %s --help' lists them", of, name, of);
}

int command_find(const char *word, enum command *command, struct error *why)
{
    char plain[64];
    int nearest = 0, least = SUGGEST_FAR;
    suggest_plain(word, plain, sizeof plain);
    for (int i = 0; i < option_command_count; i++) {
        const struct command_about *about = &option_commands[i];
        int distance = word_place(about->elsewhere, plain) >= 0 ? SUGGEST_SAME : suggest_distance(plain, about->name);
        if (strcmp(word, about->name) == 0) {
            *command = i;
            return 0;
        }
        if (distance < least) {
            nearest = i;
            least = distance;
        }
    }
    if (least < SUGGEST_FAR)
        return error_set(why, "there is no command '%s'; did you mean %s?", word, option_commands[nearest].name);
    return error_set(why, "there is no command '%s', only train, eval, pack, predict, inspect, bench, report and "
                     "compare: './cifar10_mpi help' describes them", word);
}
