/* The table of options, the table of commands, and values as text. */
#include "flag.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) offsetof(struct options, member), sizeof(((struct options *)0)->member), 0
#define RECIPE(member) \
    offsetof(struct options, member), sizeof(((struct options *)0)->member), offsetof(struct recipe, member)

const struct flag option_flags[] = {
    {"data", TRAIN, TEXT, "FILE", "data/cifar10.h5", 0, 0, NULL, "packed data set", AT(data)},
    {"data", EVAL, TEXT, "FILE", "", 0, 0, NULL, "packed data set, default: the run's own", AT(eval_data)},
    {"train-dir", TRAIN | EVAL | PREDICT, TEXT, "DIR", "runs/cifar10", 0, 0, NULL, "directory of checkpoints and logs",
     AT(train_dir)},
    {"config", ALL, TEXT, "FILE", "", 0, 0, NULL, "read options from FILE: batch-size = 64;", AT(config)},
    {"model", TRAIN | BENCH, TEXT, "NAME", "tutorial", 0, 0, NULL, "model to use", AT(model)},
    {"batch-size", TRAIN | EVAL | BENCH, INTEGER, "N", FROM_RECIPE, 1, 1e8, NULL, "images per rank and step", RECIPE(batch_size)},
    {"max-steps", TRAIN, INTEGER, "N", FROM_RECIPE, 1, 1e9, NULL, "last step, counted from the run's first",
     RECIPE(max_steps)},
    {"epochs", TRAIN, REAL, "X", FROM_RECIPE, 0, 1e6, NULL, "epochs in all, instead of --max-steps", RECIPE(epochs)},
    {"max-seconds", TRAIN, INTEGER, "N", "0", 0, 1e9, NULL, "save and stop within N seconds, 0 = never",
     AT(max_seconds)},
    {"split", EVAL, TEXT, "NAME", "test", 0, 0, "test|train", "images to evaluate", AT(split)},
    {"checkpoint-dir", EVAL | PREDICT | EXPERT, TEXT, "DIR", "runs/cifar10", 0, 0, NULL, "another name of --train-dir",
     AT(train_dir)},
    {"checkpoint", EVAL | PREDICT, TEXT, "FILE", "", 0, 0, NULL, "checkpoint to use, not the newest of --train-dir",
     AT(checkpoint)},
    {"run-once", EVAL, SWITCH, NULL, "no", 0, 0, NULL, "evaluate once, do not wait for new checkpoints",
     AT(run_once)},
    {"eval-interval-secs", EVAL, INTEGER, "N", "300", 1, 1e9, NULL, "seconds between looks for a new checkpoint",
     AT(eval_interval_secs)},
    {"keep-best", EVAL, SWITCH, NULL, "no", 0, 0, NULL, "keep the best checkpoint as best.h5", AT(keep_best)},
    {"predictions", EVAL, TEXT, "FILE", "", 0, 0, NULL, "write the class of every image to FILE, as CSV", AT(predictions)},
    {"verbose", EVAL, SWITCH, NULL, "no", 0, 0, NULL, "also print the precision of each class", AT(verbose)},
    {"no-ema", EVAL | PREDICT | INSPECT | EXPERT, SWITCH, NULL, "no", 0, 0, NULL,
     "use the raw parameters, not their moving averages", AT(no_ema)},
    {"num-examples", EVAL | EXPERT, INTEGER, "N", "0", 0, 1e9, NULL, "number of images to evaluate, 0 = all",
     AT(num_examples)},
    {"tower", TRAIN | EVAL | PREDICT | BENCH, TEXT, "NAME", "auto", 0, 0, "auto|cudnn|onednn|openblas",
     "backend to use", AT(tower)},
    {"conv", TRAIN | EVAL | PREDICT | BENCH | EXPERT, CHOICE, "HOW", "auto", 0, 0, "auto|direct|winograd",
     "convolutions (onednn)", AT(conv)},
    {"precision", TRAIN | EVAL | PREDICT | BENCH | EXPERT, CHOICE, "HOW", "fp32", 0, 0, "fp32|tf32|bf16",
     "arithmetic precision (cudnn)", AT(precision)},
    {"workspace-mib", TRAIN | BENCH | EXPERT, INTEGER, "N", "0", 0, 1 << 20, NULL,
     "MiB for one cuDNN operation, 0 = by the batch", AT(workspace_mib)},
    {"deterministic", TRAIN | BENCH | EXPERT, SWITCH, NULL, "no", 0, 0, NULL, "the same bits in every run (cudnn)",
     AT(deterministic)},
    {"no-graph", TRAIN | EXPERT, SWITCH, NULL, "no", 0, 0, NULL, "do not replay the step as a CUDA graph (cudnn)",
     AT(no_graph)},
    {"share-devices", TRAIN | EXPERT, SWITCH, NULL, "no", 0, 0, NULL, "let several ranks share a GPU (cudnn)",
     AT(share_devices)},
    {"allreduce", TRAIN | EXPERT, CHOICE, "HOW", "auto", 0, 0, "auto|mpi|mpi-cuda|nccl|tree",
     "gradient sums", AT(allreduce)},
    {"threads", TRAIN | EVAL | PREDICT | BENCH, INTEGER, "N", "1", 1, 1024, NULL, "CPU threads per rank that compute",
     AT(threads)},
    {"loader-threads", TRAIN | EXPERT, INTEGER, "N", "1", 1, 256, NULL, "CPU threads per rank that prepare images",
     AT(loader_threads)},
    {"slices", TRAIN | BENCH | EXPERT, INTEGER, "N", "0", 0, 65536, NULL,
     "slices for the same bits on any ranks, 0 = none", AT(slices)},
    {"seed", TRAIN, INTEGER, "N", "1", 0, 1e18, NULL, "seed of parameters, order and distortions", AT(seed)},
    {"learning-rate", TRAIN, REAL, "X", FROM_RECIPE, 1e-12, 1e3, NULL, "learning rate at the start", RECIPE(learning_rate)},
    {"lr-decay-factor", TRAIN | EXPERT, REAL, "X", FROM_RECIPE, 0, 1, NULL, "factor of each learning rate decay",
     RECIPE(lr_decay_factor)},
    {"lr-decay-epochs", TRAIN | EXPERT, REAL, "X", FROM_RECIPE, 1e-3, 1e9, NULL, "epochs from one decay to the next",
     RECIPE(lr_decay_epochs)},
    {"ema-decay", TRAIN | EXPERT, REAL, "X", FROM_RECIPE, 0, 1, NULL, "decay of the parameters' averages", RECIPE(ema_decay)},
    {"log-frequency", TRAIN, INTEGER, "N", "10", 1, 1e9, NULL, "steps between log lines", AT(log_frequency)},
    {"summary-frequency", TRAIN, INTEGER, "N", "100", 0, 1e9, NULL, "steps between TensorBoard summaries, 0 = none",
     AT(summary_frequency)},
    {"checkpoint-secs", TRAIN, INTEGER, "N", "600", 1, 1e9, NULL, "seconds between checkpoints", AT(checkpoint_secs)},
    {"checkpoint-steps", TRAIN | EXPERT, INTEGER, "N", "0", 0, 1e9, NULL, "also save every N steps, 0 = never",
     AT(checkpoint_steps)},
    {"eval-steps", TRAIN, INTEGER, "N", "0", 0, 1e9, NULL, "steps between evaluations, 0 = none", AT(eval_steps)},
    {"target-precision", TRAIN, REAL, "P", "0", 0, 1, NULL, "stop when an evaluation reaches P, 0 = no stop", AT(target_precision)},
    {"keep", TRAIN, INTEGER, "N", "5", 0, 1e6, NULL, "number of newest checkpoints kept, 0 = all", AT(keep)},
    {"resume", TRAIN, TEXT, "HOW", "auto", 0, 0, NULL, "continue: auto, never, or a checkpoint FILE", AT(resume)},
    {"force", TRAIN | EXPERT, SWITCH, NULL, "no", 0, 0, NULL, "continue although settings have changed", AT(force)},
    {"parity-steps", TRAIN | EXPERT, INTEGER, "N", "100", 0, 1e9, NULL,
     "steps between parity checks, 0 = none", AT(parity_steps)},
    {"on-nan", TRAIN | EXPERT, CHOICE, "HOW", "stop", 0, 0, "stop|skip|rollback", "on a NaN loss or gradient", AT(on_nan)},
    {"progress", TRAIN | EVAL | PACK | EXPERT, CHOICE, "HOW", "auto", 0, 0, "auto|always|never", "progress line", AT(progress)},
    {"stall-seconds", TRAIN | EXPERT, INTEGER, "N", "300", 0, 1e6, NULL,
     "end a job that stalls for N seconds, 0 = never", AT(stall_seconds)},
    {"verbose", TRAIN, SWITCH, NULL, "no", 0, 0, NULL, "print the whole start block",
     AT(verbose)},
    {"bucket-kib", TRAIN | EXPERT, INTEGER, "N", "1024", 1, 1 << 20, NULL, "KiB of gradients in one message", AT(bucket_kib)},
    {"trace", TRAIN, TEXT, "FILE", "", 0, 0, NULL, "timeline of some steps, for ui.perfetto.dev", AT(trace)},
    {"trace-steps", TRAIN | EXPERT, TEXT, "A:B", "11:20", 0, 0, NULL, "steps of --trace, both included", AT(trace_steps)},
    {"from", PACK, TEXT, "PATH", "", 0, 0, NULL, "directory or archive: binary files or image folders", AT(from)},
    {"download", PACK, SWITCH, NULL, "no", 0, 0, NULL, "download the original archive instead", AT(download)},
    {"url", PACK | EXPERT, TEXT, "URL", "", 0, 0, NULL, "mirror to download from (http, https, file)", AT(url)},
    {"md5", PACK | EXPERT, TEXT, "DIGEST", "", 0, 0, NULL, "MD5 of another download; none = do not check", AT(md5)},
    {"image-size", PACK, INTEGER, "N", "32", 4, 1024, NULL, "height and width of a packed image, pixels", AT(image_size)},
    {"resize", PACK, CHOICE, "HOW", "crop", RESIZE_CROP, 0, "crop|squash", "how pictures become square", AT(resize)},
    {"test-share", PACK, REAL, "X", "0", 0, 1, NULL, "share of images for testing, if there is no test/", AT(test_share)},
    {"classes", PACK, TEXT, "FILE", "", 0, 0, NULL, "class names in the order of labels, one a line", AT(classes)},
    {"allow-missing-classes", PACK, SWITCH, NULL, "no", 0, 0, NULL, "classes may lack training or test images",
     AT(allow_missing_classes)},
    {"skip-bad", PACK, SWITCH, NULL, "no", 0, 0, NULL, "leave out images that cannot be decoded", AT(skip_bad)},
    {"json", PREDICT, SWITCH, NULL, "no", 0, 0, NULL, "print a JSON object a line for each image", AT(json)},
    {"image-size", PREDICT | EXPERT, INTEGER, "N", "0", 0, 1024, NULL, "height and width, pixels, 0 = as in training",
     AT(predict_size)},
    {"resize", PREDICT | EXPERT, CHOICE, "HOW", "auto", 0, 0, "auto|crop|squash",
     "how pictures become square, auto = as in training", AT(predict_resize)},
    {"diff", INSPECT, SWITCH, NULL, "no", 0, 0, NULL, "compare two files: what differs, and by how much", AT(diff)},
    {"filters", INSPECT, TEXT, "FILE", "", 0, 0, NULL, "draw a checkpoint's first filters to FILE, a PNG", AT(filters)},
    {"images", INSPECT, TEXT, "FILE", "", 0, 0, NULL, "draw images of each class to FILE, a PNG", AT(images)},
    {"bench-steps", BENCH, INTEGER, "N", "20", 1, 10000, NULL, "number of steps to measure", AT(bench_steps)},
    {"html", REPORT, TEXT, "FILE", "", 0, 0, NULL, "also write the page with curves, as one HTML file", AT(html)},
    {"svg", COMPARE, TEXT, "FILE", "", 0, 0, NULL, "also draw the curves of all runs", AT(svg)},
    {"target-precision", COMPARE, REAL, "P", "0", 0, 1, NULL, "show the time to precision P, 0 = all runs reached it",
     AT(target_precision)},
};
const int option_flag_count = sizeof option_flags / sizeof *option_flags;
_Static_assert(sizeof option_flags / sizeof *option_flags <= OPTIONS_MAX, "OPTIONS_MAX is too small for the table");

const struct command_about option_commands[] = {
    [COMMAND_TRAIN] = {"train", NULL, 0, 0, NULL, "run|fit|start|cifar10-train",
                       "Trains a network on CIFAR-10, data-parallel: one tower a rank."},
    [COMMAND_EVAL] = {"eval", NULL, 0, 0, NULL, "test|validate|val|cifar10-eval",
                      "Prints the precision of a checkpoint, once or for every new one."},
    [COMMAND_PACK] = {"pack", "OUT.h5", 1, 1, "--download data/cifar10.h5", "download|prepare|convert|data",
                      "Makes the packed data set from CIFAR-10's files or image folders."},
    [COMMAND_PREDICT] = {"predict", "IMAGE... | - <LIST", 1, INT32_MAX, "cat.jpg", "infer|inference|classify",
                         "Names the five likeliest classes of JPEG or PNG images, by softmax."},
    [COMMAND_INSPECT] = {"inspect", "FILE.h5...", 1, 2, "data/cifar10.h5", "info|show|dump",
                         "Shows what a packed data set or a checkpoint holds."},
    [COMMAND_BENCH] = {"bench", NULL, 0, 0, NULL, "profile|speed|measure",
                       "Measures this machine's towers, layer by layer, on synthetic images."},
    [COMMAND_REPORT] = {"report", "DIR", 1, 1, "runs/cifar10", "summary|summarize|analyze|analyse|status",
                        "Shows how a run went: result, what limits it, where the time goes."},
    [COMMAND_COMPARE] = {"compare", "DIR...", 1, INT32_MAX, "runs/first runs/second", "diff|leaderboard|table|runs",
                         "Shows runs side by side: results, times, options that differ."},
};
const int option_command_count = sizeof option_commands / sizeof *option_commands;

/* ---- words ---- */

int word_place(const char *words, const char *word)
{
    size_t length = strlen(word);
    int place = 0;
    for (const char *next = words; next; next = strchr(next, '|'), next = next ? next + 1 : NULL, place++)
        if (strcspn(next, "|") == length && strncmp(next, word, length) == 0)
            return place;
    return -1;
}

static void word_print(const char *words, int place, char *text, size_t size)
{
    while (place-- > 0)
        words = strchr(words, '|') + 1;
    snprintf(text, size, "%.*s", (int)strcspn(words, "|"), words);
}

/* ---- values ---- */

static void *value_of(const struct options *options, const struct flag *flag)
{
    return (char *)options + flag->offset;
}

static int value_set_integer(int64_t *value, const struct flag *flag, const char *text, struct error *why)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (strspn(text, "+-0123456789") != strlen(text) || end == text || *end || errno ||
        (double)number < flag->minimum || (double)number > flag->maximum)
        return error_set(why, "--%s '%s' is not a whole number from %.0f to %.0f", flag->name, text, flag->minimum,
                         flag->maximum);
    *value = number;
    return 0;
}

static int value_set_real(double *value, const struct flag *flag, const char *text, struct error *why)
{
    char *end;
    double number = strtod(text, &end);
    if (strspn(text, "+-.0123456789eE") != strlen(text) || end == text || *end || !isfinite(number) ||
        number < flag->minimum || number > flag->maximum)
        return error_set(why, "--%s '%s' is not a number from %g to %g", flag->name, text, flag->minimum,
                         flag->maximum);
    *value = number;
    return 0;
}

static int value_set_text(char *value, const struct flag *flag, const char *text, struct error *why)
{
    if (!*text && *flag->initial)
        return error_set(why, "--%s needs a value that is not empty: %s", flag->name, flag->argument);
    if (strlen(text) >= flag->size)
        return error_set(why, "--%s: its value is %zu bytes long, %zu are allowed", flag->name, strlen(text),
                         flag->size - 1);
    strcpy(value, text);
    return 0;
}

static int value_set_switch(bool *value, const struct flag *flag, const char *text, struct error *why)
{
    if (strcmp(text, "yes") && strcmp(text, "no"))
        return error_set(why, "--%s '%s' is neither yes nor no", flag->name, text);
    *value = strcmp(text, "yes") == 0;
    return 0;
}

int flag_set(struct options *options, const struct flag *flag, const char *text, struct error *why)
{
    void *value = value_of(options, flag);
    int place = flag->words ? word_place(flag->words, text) : 0;
    if (place < 0)
        return error_set(why, "--%s '%s' is none of %s", flag->name, text, flag->words);
    switch (flag->kind) {
    case TEXT:
        return value_set_text(value, flag, text, why);
    case INTEGER:
        return value_set_integer(value, flag, text, why);
    case REAL:
        return value_set_real(value, flag, text, why);
    case SWITCH:
        return value_set_switch(value, flag, text, why);
    case CHOICE:
        *(int *)value = (int)flag->minimum + place;
    }
    return 0;
}

void flag_reset(struct options *options, const struct flag *flag, const struct recipe *recipe)
{
    struct error why;
    if (flag->initial == FROM_RECIPE)
        memcpy(value_of(options, flag), (const char *)recipe + flag->recipe, flag->size);
    else if (flag_set(options, flag, flag->initial, &why))
        abort(); /* the default is outside its own range; the unit test checks every row */
}

static void value_text(const void *value, const struct flag *flag, char *text, size_t size)
{
    switch (flag->kind) {
    case TEXT:
        snprintf(text, size, "%s", (const char *)value);
        break;
    case INTEGER:
        snprintf(text, size, "%" PRId64, *(const int64_t *)value);
        break;
    case REAL:
        snprintf(text, size, "%.15g", *(const double *)value);
        break;
    case SWITCH:
        snprintf(text, size, "%s", *(const bool *)value ? "yes" : "no");
        break;
    case CHOICE:
        word_print(flag->words, *(const int *)value - (int)flag->minimum, text, size);
    }
}

void flag_text(const struct options *options, const struct flag *flag, char *text, size_t size)
{
    value_text(value_of(options, flag), flag, text, size);
}

void flag_default_text(const struct flag *flag, const struct recipe *recipe, char *text, size_t size)
{
    if (flag->initial == FROM_RECIPE)
        value_text((const char *)recipe + flag->recipe, flag, text, size);
    else
        snprintf(text, size, "%s", flag->initial);
}

const struct flag *flag_find(enum command command, const char *name)
{
    for (int i = 0; i < option_flag_count; i++)
        if (flag_known(&option_flags[i], command) && strcmp(option_flags[i].name, name) == 0)
            return &option_flags[i];
    return NULL;
}
