#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "options_table.h"

enum { FLAG_VALUE = 256 }; /* getopt's value of the first row: above any character */
#define AT(member) offsetof(struct options, member), sizeof(((struct options *)0)->member)

const struct flag option_flags[] = {
    {"data", TRAIN, TEXT, "FILE", "data/cifar10.h5", 0, 0, NULL, "packed data set", AT(data)},
    {"data", EVAL, TEXT, "FILE", "", 0, 0, NULL, "packed data set, default: the run's own", AT(eval_data)},
    {"train-dir", TRAIN | EVAL | PREDICT, TEXT, "DIR", "runs/cifar10", 0, 0, NULL, "directory of checkpoints and logs",
     AT(train_dir)},
    {"model", TRAIN | BENCH, TEXT, "NAME", "tutorial", 0, 0, NULL, "model to use, a layer table", AT(model)},
    {"batch-size", TRAIN | EVAL | BENCH, INTEGER, "N", "128", 1, 1e8, NULL, "images per rank and step", AT(batch_size)},
    {"max-steps", TRAIN, INTEGER, "N", "100000", 1, 1e9, NULL, "last step, counted from the run's first",
     AT(max_steps)},
    {"epochs", TRAIN, REAL, "X", "0", 0, 1e6, NULL, "epochs in all, instead of --max-steps", AT(epochs)},
    {"max-seconds", TRAIN, INTEGER, "N", "0", 0, 1e9, NULL, "saves and stops within N seconds, 0 = never",
     AT(max_seconds)},
    {"split", EVAL, CHOICE, "NAME", "test", 0, 0, "test|train", "images to evaluate", AT(split)},
    {"checkpoint-dir", EVAL | PREDICT | EXPERT, TEXT, "DIR", "runs/cifar10", 0, 0, NULL, "another name of --train-dir",
     AT(train_dir)},
    {"checkpoint", EVAL | PREDICT, TEXT, "FILE", "", 0, 0, NULL, "use this one, not the newest of --train-dir",
     AT(checkpoint)},
    {"run-once", EVAL, SWITCH, NULL, "no", 0, 0, NULL, "evaluate once, do not wait for new checkpoints",
     AT(run_once)},
    {"eval-interval-secs", EVAL, INTEGER, "N", "300", 1, 1e9, NULL, "seconds between looks for a new checkpoint",
     AT(eval_interval_secs)},
    {"keep-best", EVAL, SWITCH, NULL, "no", 0, 0, NULL, "keep the best checkpoint as best.h5 there", AT(keep_best)},
    {"verbose", EVAL, SWITCH, NULL, "no", 0, 0, NULL, "also print the precision of each class", AT(verbose)},
    {"no-ema", EVAL | PREDICT | EXPERT, SWITCH, NULL, "no", 0, 0, NULL,
     "use the raw parameters, not their moving averages", AT(no_ema)},
    {"num-examples", EVAL | EXPERT, INTEGER, "N", "0", 0, 1e9, NULL, "number of images to evaluate, 0 = all",
     AT(num_examples)},
    {"tower", TRAIN | EVAL | PREDICT | BENCH, CHOICE, "NAME", "auto", 0, 0, "auto|cudnn|onednn|openblas",
     "backend to use", AT(tower)},
    {"conv", TRAIN | EVAL | PREDICT | BENCH | EXPERT, CHOICE, "HOW", "auto", 0, 0, "auto|direct|winograd",
     "convolution algorithm (onednn)", AT(conv)},
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
     "how gradients are summed", AT(allreduce)},
    {"threads", TRAIN | EVAL | PREDICT | BENCH, INTEGER, "N", "1", 1, 1024, NULL, "CPU threads per rank that compute",
     AT(threads)},
    {"loader-threads", TRAIN | EXPERT, INTEGER, "N", "1", 1, 256, NULL, "CPU threads per rank that prepare images",
     AT(loader_threads)},
    {"slices", TRAIN | BENCH | EXPERT, INTEGER, "N", "0", 0, 65536, NULL,
     "slices of the global batch: the same bits on any ranks; 0 = one per rank, the fastest", AT(slices)},
    {"seed", TRAIN, INTEGER, "N", "1", 0, 1e18, NULL, "seed of parameters, order and distortions", AT(seed)},
    {"learning-rate", TRAIN, REAL, "X", "0.1", 1e-12, 1e3, NULL, "learning rate at the start", AT(learning_rate)},
    {"lr-decay-factor", TRAIN | EXPERT, REAL, "X", "0.1", 0, 1, NULL, "factor of each learning rate decay",
     AT(lr_decay_factor)},
    {"lr-decay-epochs", TRAIN | EXPERT, REAL, "X", "350", 1e-3, 1e9, NULL, "epochs from one decay to the next",
     AT(lr_decay_epochs)},
    {"ema-decay", TRAIN | EXPERT, REAL, "X", "0.9999", 0, 1, NULL, "decay of the parameters' averages", AT(ema_decay)},
    {"log-frequency", TRAIN, INTEGER, "N", "10", 1, 1e9, NULL, "steps between log lines", AT(log_frequency)},
    {"checkpoint-secs", TRAIN, INTEGER, "N", "600", 1, 1e9, NULL, "seconds between checkpoints", AT(checkpoint_secs)},
    {"checkpoint-steps", TRAIN | EXPERT, INTEGER, "N", "0", 0, 1e9, NULL, "also save at every N-th step, 0 = not",
     AT(checkpoint_steps)},
    {"keep", TRAIN, INTEGER, "N", "5", 0, 1e6, NULL, "number of newest checkpoints kept, 0 = all", AT(keep)},
    {"resume", TRAIN, TEXT, "HOW", "auto", 0, 0, NULL, "continue: auto, never, or a checkpoint FILE", AT(resume)},
    {"force", TRAIN | EXPERT, SWITCH, NULL, "no", 0, 0, NULL, "continue although settings have changed", AT(force)},
    {"parity-steps", TRAIN | EXPERT, INTEGER, "N", "100", 0, 1e9, NULL,
     "steps between checks that all ranks have the same parameters, 0 = none", AT(parity_steps)},
    {"on-nan", TRAIN | EXPERT, CHOICE, "HOW", "stop", 0, 0, "stop|skip|rollback", "on a NaN loss or gradient", AT(on_nan)},
    {"stall-seconds", TRAIN | EXPERT, INTEGER, "N", "300", 0, 1e6, NULL,
     "end a job that stalls for N seconds, 0 = never", AT(stall_seconds)},
    {"verbose", TRAIN, SWITCH, NULL, "no", 0, 0, NULL, "print the whole start block",
     AT(verbose)},
    {"bucket-kib", TRAIN | EXPERT, INTEGER, "N", "1024", 1, 1 << 20, NULL, "KiB of gradients in one message", AT(bucket_kib)},
    {"from", PACK, TEXT, "PATH", "", 0, 0, NULL, "directory or archive: binary files or image folders", AT(from)},
    {"download", PACK, SWITCH, NULL, "no", 0, 0, NULL, "download the original archive instead", AT(download)},
    {"url", PACK | EXPERT, TEXT, "URL", "", 0, 0, NULL, "mirror to download from (http, https, file)", AT(url)},
    {"md5", PACK | EXPERT, TEXT, "DIGEST", "", 0, 0, NULL, "MD5 of the download if it is another one, or none", AT(md5)},
    {"image-size", PACK, INTEGER, "N", "32", 4, 1024, NULL, "height and width of a packed image, pixels", AT(image_size)},
    {"resize", PACK, CHOICE, "HOW", "crop", 0, 0, "crop|squash", "how pictures become square", AT(resize)},
    {"test-share", PACK, REAL, "X", "0", 0, 1, NULL, "share of images for testing, if there is no test/", AT(test_share)},
    {"classes", PACK, TEXT, "FILE", "", 0, 0, NULL, "class names in the labels' order, one a line", AT(classes)},
    {"allow-missing-classes", PACK, SWITCH, NULL, "no", 0, 0, NULL, "classes may lack training or test images",
     AT(allow_missing_classes)},
    {"skip-bad", PACK, SWITCH, NULL, "no", 0, 0, NULL, "leave out images that cannot be decoded", AT(skip_bad)},
    {"image-size", PREDICT | EXPERT, INTEGER, "N", "0", 0, 1024, NULL, "height and width, pixels, 0 = as in training",
     AT(predict_size)},
    {"resize", PREDICT | EXPERT, CHOICE, "HOW", "auto", 0, 0, "auto|crop|squash",
     "how pictures become square, auto = as in training", AT(predict_resize)},
    {"bench-steps", BENCH, INTEGER, "N", "20", 1, 10000, NULL, "number of steps to measure", AT(bench_steps)},
};
enum { FLAGS = sizeof option_flags / sizeof *option_flags };
const int option_flag_count = FLAGS;

const struct command_about option_commands[] = {
    [COMMAND_TRAIN] = {"train", NULL, 0, 0, NULL, "run|fit|start|cifar10-train",
                       "Trains a network on CIFAR-10, data-parallel: one tower a rank."},
    [COMMAND_EVAL] = {"eval", NULL, 0, 0, NULL, "test|validate|val|cifar10-eval",
                      "Prints the precision of a checkpoint, once or for every new one."},
    [COMMAND_PACK] = {"pack", "OUT.h5", 1, 1, "--download data/cifar10.h5", "download|prepare|convert|data",
                      "Makes the packed data set from CIFAR-10's files or image folders."},
    [COMMAND_PREDICT] = {"predict", "IMAGE...", 1, INT32_MAX, "cat.jpg", "infer|inference|classify",
                         "Classifies JPEG or PNG images with a checkpoint."},
    [COMMAND_INSPECT] = {"inspect", "FILE.h5", 1, 1, "data/cifar10.h5", "info|show|dump",
                         "Tells what a packed data set or a checkpoint holds."},
    [COMMAND_BENCH] = {"bench", NULL, 0, 0, NULL, "profile|speed|measure",
                       "Measures this machine's towers, layer by layer, on synthetic images."},
};
const int option_command_count = sizeof option_commands / sizeof *option_commands;

static void *value_of(const struct options *options, const struct flag *flag)
{
    return (char *)options + flag->offset;
}

/* ---- values ---- */

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

static int value_set(struct options *options, const struct flag *flag, const char *text, struct error *why)
{
    char *value = value_of(options, flag);
    switch (flag->kind) {
    case INTEGER:
        return value_set_integer((int64_t *)value, flag, text, why);
    case REAL:
        return value_set_real((double *)value, flag, text, why);
    case SWITCH:
        *(bool *)value = strcmp(text, "yes") == 0;
        return 0;
    case CHOICE:
        if (!word_listed(flag->words, text))
            return error_set(why, "--%s '%s' is none of %s", flag->name, text, flag->words);
        break;
    case TEXT:
        break;
    }
    if (!*text && *flag->initial)
        return error_set(why, "--%s needs a value that is not empty: %s", flag->name, flag->argument);
    if (strlen(text) >= flag->size)
        return error_set(why, "--%s: its value is %zu bytes long, %zu are allowed", flag->name, strlen(text),
                         flag->size - 1);
    strcpy(value, text);
    return 0;
}

static void value_print(const struct options *options, const struct flag *flag, char *text, size_t size)
{
    const char *value = value_of(options, flag);
    if (flag->kind == INTEGER)
        snprintf(text, size, "%" PRId64, *(const int64_t *)value);
    else if (flag->kind == REAL)
        snprintf(text, size, "%.15g", *(const double *)value);
    else if (flag->kind == SWITCH)
        snprintf(text, size, "%s", *(const bool *)value ? "yes" : "no");
    else
        snprintf(text, size, "%s", value);
}

bool options_text(const struct options *options, int index, const char **name, char *value, size_t size,
                  bool *is_default)
{
    for (int i = 0; i < FLAGS; i++) {
        if (!flag_known(&option_flags[i], options->command) || index-- > 0)
            continue;
        *name = option_flags[i].name;
        value_print(options, &option_flags[i], value, size);
        *is_default = strcmp(value, option_flags[i].initial) == 0;
        return true;
    }
    return false;
}

bool options_is_switch(const char *name)
{
    for (int i = 0; i < FLAGS; i++)
        if (strcmp(option_flags[i].name, name) == 0)
            return option_flags[i].kind == SWITCH;
    return false;
}

/* ---- the line ---- */

static bool was_given(const bool *given, const char *name)
{
    for (int i = 0; i < FLAGS; i++)
        if (given[i] && strcmp(option_flags[i].name, name) == 0)
            return true;
    return false;
}

static bool is_packed(const char *file)
{
    size_t length = strlen(file);
    return length > 3 && strcmp(file + length - 3, ".h5") == 0;
}

/* The words behind the flags. */
static int check_files(const struct options *options, struct error *why)
{
    const struct command_about *about = &option_commands[options->command];
    char **files = options->files;
    enum command other;
    struct error ignored;
    if (options->file_count < about->files_minimum && *options->from)
        return error_set(why, "pack needs a file (OUT.h5): for example ./cifar10_mpi pack --from %s data/own.h5", options->from);
    if (options->file_count < about->files_minimum)
        return error_set(why, "%s needs a file (%s): for example ./cifar10_mpi %s %s", about->name, about->files, about->name,
                         about->example);
    if (options->file_count <= about->files_maximum)
        return 0;
    if (options->command == COMMAND_PACK && options->file_count == 2 && !*options->from)
        return error_set(why, "pack takes its source by a flag: ./cifar10_mpi pack --from %s %s", files[0], files[1]);
    const char *stray = files[about->files_maximum];
    if (command_find(stray, &other, &ignored) == 0)
        return error_set(why, "the command comes first: ./cifar10_mpi %s, then its flags", stray);
    if (is_packed(stray) && !about->files)
        return error_set(why, "%s takes a file by a flag: ./cifar10_mpi %s --%s %s", about->name, about->name,
                         options->command == COMMAND_EVAL ? "checkpoint" : "data", stray);
    return error_set(why, "%s has no use for the word '%s'; './cifar10_mpi %s --help' shows what it takes", about->name, stray,
                     about->name);
}

static int check_pack(const struct options *options, struct error *why)
{
    const char *file = options->files[0];
    if (!options->download && !*options->from && !is_packed(file))
        return error_set(why, "pack needs a source and the file to write: ./cifar10_mpi pack --from %s data/own.h5", file);
    if (!options->download && !*options->from)
        return error_set(why, "pack needs a source: ./cifar10_mpi pack --from DIRECTORY-OR-ARCHIVE %s, or --download", file);
    if (!options->download && (*options->url || *options->md5))
        return error_set(why, "--url and --md5 belong to --download, which was not given");
    return 0;
}

/* What no single value shows. given: which rows were on the line. */
static int options_check(const struct options *options, const bool *given, struct error *why)
{
    static const char *const exclusive[][2] = {
        {"max-steps", "epochs"}, {"checkpoint", "checkpoint-dir"}, {"checkpoint", "train-dir"},
        {"train-dir", "checkpoint-dir"}, {"checkpoint", "keep-best"}, {"from", "download"}};
    if (check_files(options, why))
        return -1;
    for (size_t i = 0; i < sizeof exclusive / sizeof *exclusive; i++)
        if (was_given(given, exclusive[i][0]) && was_given(given, exclusive[i][1]))
            return error_set(why, "--%s and --%s exclude each other: give one", exclusive[i][0], exclusive[i][1]);
    if (was_given(given, "epochs") && options->epochs <= 0) /* 0 stands for an option that was not given */
        return error_set(why, "--epochs '%g' is not a number above 0", options->epochs);
    return options->command == COMMAND_PACK ? check_pack(options, why) : 0;
}

/* getopt refused a word: it tells why by `found` and, for flags it knows, by optopt. For a letter it has not left the word yet
 * where others follow it. */
static int refused(enum command command, int found, char **argv, struct error *why)
{
    const char *word = argv[optind - 1], *letters = argv[optind];
    if (optopt >= FLAG_VALUE && optopt < FLAG_VALUE + FLAGS) {
        const struct flag *flag = &option_flags[optopt - FLAG_VALUE];
        if (found == ':')
            return error_set(why, "--%s needs a value (%s: %s)", flag->name, flag->argument, flag->help);
        return error_set(why, "--%s takes no value, not even '%s': leave the flag out for no", flag->name,
                         strchr(word, '=') ? strchr(word, '=') + 1 : word);
    }
    if (optopt && letters && letters[0] == '-' && letters[1] == optopt && letters[2])
        word = letters;
    return flag_refuse(command, word, why);
}

/* The rows that the command knows, for getopt. */
static void list_flags(enum command command, struct option *list)
{
    int count = 0;
    for (int i = 0; i < FLAGS; i++)
        if (flag_known(&option_flags[i], command))
            list[count++] = (struct option){option_flags[i].name, option_flags[i].kind == SWITCH ? no_argument : required_argument,
                                            NULL, FLAG_VALUE + i};
    list[count] = (struct option){0};
}

/* Reads argv[1..]; argv[0] is the program's or the command's name. */
static int read_words(struct options *options, int argc, char **argv, struct error *why)
{
    struct option list[FLAGS + 1];
    bool given[FLAGS] = {false};
    list_flags(options->command, list);
    optind = 0; /* glibc: start afresh */
    opterr = 0;
    for (int found; (found = getopt_long(argc, argv, ":", list, NULL)) != -1;) {
        if (found < FLAG_VALUE)
            return refused(options->command, found, argv, why);
        const struct flag *flag = &option_flags[found - FLAG_VALUE];
        if (value_set(options, flag, flag->kind == SWITCH ? "yes" : optarg, why) != 0)
            return -1;
        given[found - FLAG_VALUE] = true;
    }
    options->files = argv + optind;
    options->file_count = argc - optind;
    return options_check(options, given, why);
}

/* Whether one of the flags is among the words, whatever else is. */
static bool is_asked(int argc, char **argv, const char *flags)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (word_listed(flags, argv[i]))
            return true;
    return false;
}

static enum options_outcome read_line(struct options *options, int argc, char **argv, struct error *why)
{
    bool help = is_asked(argc, argv, "--help|-h") || (argc == 3 && strcmp(argv[2], "help") == 0);
    if (argc > 1 && strcmp(argv[1], "help") == 0) {
        help = true;
        argc--;
        argv++;
    }
    bool named = argc > 1 && argv[1][0] != '-';
    if (!help && is_asked(argc, argv, "--version|-v|-V")) {
        printf("cifar10_mpi %s\n", VERSION);
        return OPTIONS_DONE;
    }
    if (named && command_find(argv[1], &options->command, why) != 0)
        return OPTIONS_WRONG;
    if (help) {
        help_print(options->command, !named);
        return OPTIONS_DONE;
    }
    return read_words(options, argc - named, argv + named, why) == 0 ? OPTIONS_RUN : OPTIONS_WRONG;
}

enum options_outcome options_parse(struct options *options, int argc, char **argv)
{
    struct error why = {""};
    memset(options, 0, sizeof *options);
    for (int i = 0; i < FLAGS; i++)
        if (value_set(options, &option_flags[i], option_flags[i].initial, &why) != 0)
            abort(); /* a default out of its own range: the unit test meets every row */
    enum options_outcome outcome = read_line(options, argc, argv, &why);
    if (outcome == OPTIONS_WRONG)
        fprintf(stderr, "cifar10_mpi: %s\n", why.text);
    return outcome;
}
