#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

enum kind { TEXT, INTEGER, REAL, SWITCH, CHOICE };
enum { TRAIN = 1 << COMMAND_TRAIN, EVAL = 1 << COMMAND_EVAL, PACK = 1 << COMMAND_PACK,
       PREDICT = 1 << COMMAND_PREDICT, BENCH = 1 << COMMAND_BENCH };
enum { FLAG_VALUE = 256 }; /* getopt's value of the first row: above any character */

struct flag {
    const char *name;
    int commands; /* mask of those that know it */
    enum kind kind;
    const char *argument, *initial;
    double minimum, maximum; /* INTEGER, REAL */
    const char *words;       /* CHOICE: "a|b|c" */
    const char *help;
    size_t offset, size; /* in struct options */
};
#define AT(member) offsetof(struct options, member), sizeof(((struct options *)0)->member)

static const struct flag flags[] = {
    {"data", TRAIN | EVAL, TEXT, "FILE", "data/cifar10.h5", 0, 0, NULL, "packed data set", AT(data)},
    {"train-dir", TRAIN, TEXT, "DIR", "runs/cifar10", 0, 0, NULL, "checkpoints and logs go here", AT(train_dir)},
    {"model", TRAIN | BENCH, TEXT, "NAME", "tutorial", 0, 0, NULL, "layer table", AT(model)},
    {"batch-size", TRAIN | EVAL | BENCH, INTEGER, "N", "128", 1, 1e8, NULL, "images a rank and step", AT(batch_size)},
    {"max-steps", TRAIN, INTEGER, "N", "100000", 1, 1e9, NULL, "last step, from 0 on also when continued",
     AT(max_steps)},
    {"epochs", TRAIN, REAL, "X", "0", 0, 1e6, NULL, "last epoch, instead of --max-steps", AT(epochs)},
    {"max-seconds", TRAIN, INTEGER, "N", "0", 0, 1e9, NULL, "ends, saved, within so many seconds, 0 = never",
     AT(max_seconds)},
    {"split", EVAL, CHOICE, "NAME", "test", 0, 0, "test|train", "images to count", AT(split)},
    {"checkpoint-dir", EVAL | PREDICT, TEXT, "DIR", "runs/cifar10", 0, 0, NULL, "its newest checkpoint is used",
     AT(checkpoint_dir)},
    {"checkpoint", EVAL | PREDICT, TEXT, "FILE", "", 0, 0, NULL, "this one, instead of --checkpoint-dir",
     AT(checkpoint)},
    {"run-once", EVAL, SWITCH, NULL, "no", 0, 0, NULL, "once, without waiting for the next checkpoint",
     AT(run_once)},
    {"eval-interval-secs", EVAL, INTEGER, "N", "300", 1, 1e9, NULL, "seconds between looks for a newer one",
     AT(eval_interval_secs)},
    {"no-ema", EVAL | PREDICT, SWITCH, NULL, "no", 0, 0, NULL, "the raw parameters, not their moving averages",
     AT(no_ema)},
    {"num-examples", EVAL, INTEGER, "N", "0", 0, 1e9, NULL, "images to count, 0 = all of them", AT(num_examples)},
    {"tower", TRAIN | EVAL | PREDICT | BENCH, CHOICE, "NAME", "auto", 0, 0, "auto|cudnn|onednn|openblas",
     "computes with", AT(tower)},
    {"conv", TRAIN | EVAL | PREDICT | BENCH, CHOICE, "HOW", "auto", 0, 0, "auto|direct|winograd",
     "convolves (onednn)", AT(conv)},
    {"precision", TRAIN | EVAL | PREDICT | BENCH, CHOICE, "HOW", "fp32", 0, 0, "fp32|tf32|bf16", "computes in (cudnn)",
     AT(precision)},
    {"workspace-mib", TRAIN | BENCH, INTEGER, "N", "0", 0, 1 << 20, NULL, "MiB for one operation of cuDNN, 0 = by the batch",
     AT(workspace_mib)},
    {"deterministic", TRAIN | BENCH, SWITCH, NULL, "no", 0, 0, NULL, "the same bits every time (cudnn)",
     AT(deterministic)},
    {"no-graph", TRAIN, SWITCH, NULL, "no", 0, 0, NULL, "do not replay the step as a graph (cudnn)", AT(no_graph)},
    {"share-devices", TRAIN, SWITCH, NULL, "no", 0, 0, NULL, "several ranks may have one GPU", AT(share_devices)},
    {"allreduce", TRAIN, CHOICE, "HOW", "auto", 0, 0, "auto|mpi|mpi-cuda|nccl|tree", "gradients", AT(allreduce)},
    {"threads", TRAIN | EVAL | PREDICT | BENCH, INTEGER, "N", "1", 1, 1024, NULL, "CPU threads of one tower",
     AT(threads)},
    {"loader-threads", TRAIN, INTEGER, "N", "1", 1, 256, NULL, "threads that prepare batches, a rank",
     AT(loader_threads)},
    {"slices", TRAIN | BENCH, INTEGER, "N", "0", 0, 65536, NULL, "of a global batch, 0 = one a rank, fastest",
     AT(slices)},
    {"seed", TRAIN, INTEGER, "N", "1", 0, 1e18, NULL, "of parameters, order and distortions", AT(seed)},
    {"learning-rate", TRAIN, REAL, "X", "0.1", 1e-12, 1e3, NULL, "at the start", AT(learning_rate)},
    {"lr-decay-factor", TRAIN, REAL, "X", "0.1", 0, 1, NULL, "the rate is multiplied by this", AT(lr_decay_factor)},
    {"lr-decay-epochs", TRAIN, REAL, "X", "350", 1e-3, 1e9, NULL, "every so many epochs", AT(lr_decay_epochs)},
    {"ema-decay", TRAIN, REAL, "X", "0.9999", 0, 1, NULL, "of the parameters' moving averages", AT(ema_decay)},
    {"log-frequency", TRAIN, INTEGER, "N", "10", 1, 1e9, NULL, "steps between log lines", AT(log_frequency)},
    {"checkpoint-secs", TRAIN, INTEGER, "N", "600", 1, 1e9, NULL, "seconds between checkpoints", AT(checkpoint_secs)},
    {"checkpoint-steps", TRAIN, INTEGER, "N", "0", 0, 1e9, NULL, "and at every N-th step, 0 = none",
     AT(checkpoint_steps)},
    {"keep", TRAIN, INTEGER, "N", "5", 0, 1e6, NULL, "newest checkpoints kept, 0 = all", AT(keep)},
    {"resume", TRAIN, TEXT, "HOW", "auto", 0, 0, NULL, "auto, never, or a checkpoint FILE", AT(resume)},
    {"force", TRAIN, SWITCH, NULL, "no", 0, 0, NULL, "go on although settings have changed", AT(force)},
    {"parity-steps", TRAIN, INTEGER, "N", "100", 0, 1e9, NULL, "steps between parity checks, 0 = none",
     AT(parity_steps)},
    {"on-nan", TRAIN, CHOICE, "HOW", "stop", 0, 0, "stop|skip|rollback", "loss or gradient is NaN", AT(on_nan)},
    {"stall-seconds", TRAIN, INTEGER, "N", "300", 0, 1e6, NULL, "seconds in a phase that end the job, 0 = never",
     AT(stall_seconds)},
    {"bucket-kib", TRAIN, INTEGER, "N", "1024", 1, 1 << 20, NULL, "gradient KiB that start a message", AT(bucket_kib)},
    {"from", PACK, TEXT, "PATH", "", 0, 0, NULL, "directory or archive: binary files or image folders", AT(from)},
    {"download", PACK, SWITCH, NULL, "no", 0, 0, NULL, "fetch the original archive instead", AT(download)},
    {"url", PACK, TEXT, "URL", "", 0, 0, NULL, "mirror to download from (http, https, file)", AT(url)},
    {"md5", PACK, TEXT, "DIGEST", "", 0, 0, NULL, "of the download if not the published, or none", AT(md5)},
    {"image-size", PACK, INTEGER, "N", "32", 4, 1024, NULL, "height and width of a packed image, pixels", AT(image_size)},
    {"image-size", PREDICT, INTEGER, "N", "0", 0, 1024, NULL, "pixels, 0 = as in training", AT(predict_size)},
    {"resize", PACK, CHOICE, "HOW", "crop", 0, 0, "crop|squash", "images that are not square", AT(resize)},
    {"resize", PREDICT, CHOICE, "HOW", "auto", 0, 0, "auto|crop|squash", "auto = as in training", AT(predict_resize)},
    {"bench-steps", BENCH, INTEGER, "N", "20", 1, 10000, NULL, "steps measured", AT(bench_steps)},
};
enum { FLAGS = sizeof flags / sizeof *flags };

static const struct {
    const char *name, *files; /* files: the words that are no flags, or NULL */
    int files_minimum, files_maximum;
    const char *about;
} commands[] = {
    [COMMAND_TRAIN] = {"train", NULL, 0, 0, "Trains a network on CIFAR-10, data-parallel: one tower a rank."},
    [COMMAND_EVAL] = {"eval", NULL, 0, 0, "Prints the precision of a checkpoint, once or for every new one."},
    [COMMAND_PACK] = {"pack", "OUT.h5", 1, 1, "Makes the packed data set from CIFAR-10's files or image folders."},
    [COMMAND_PREDICT] = {"predict", "IMAGE...", 1, INT32_MAX, "Classifies JPEG or PNG images with a checkpoint."},
    [COMMAND_INSPECT] = {"inspect", "FILE.h5", 1, 1, "Tells what a packed data set or a checkpoint holds."},
    [COMMAND_BENCH] = {"bench", NULL, 0, 0, "Measures this machine's towers, layer by layer, on synthetic images."},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void *value_of(const struct options *options, const struct flag *flag)
{
    return (char *)options + flag->offset;
}

static bool flag_known(const struct flag *flag, enum command command)
{
    return flag->commands >> command & 1;
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

static bool word_listed(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *next = words; next; next = strchr(next, '|'), next = next ? next + 1 : NULL)
        if (strcspn(next, "|") == length && strncmp(next, word, length) == 0)
            return true;
    return false;
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
        if (!flag_known(&flags[i], options->command) || index-- > 0)
            continue;
        *name = flags[i].name;
        value_print(options, &flags[i], value, size);
        *is_default = strcmp(value, flags[i].initial) == 0;
        return true;
    }
    return false;
}

/* ---- help ---- */

static void print_flag(const struct flag *flag)
{
    char left[64];
    snprintf(left, sizeof left, "--%s %s", flag->name, flag->argument ? flag->argument : "");
    printf("  %-25s %s%s%s", left, flag->help, flag->words ? ": " : "", flag->words ? flag->words : "");
    if (flag->kind != SWITCH && *flag->initial)
        printf(" [%s]", flag->initial);
    printf("\n");
}

static void print_help(enum command command, bool all_commands)
{
    const char *files = commands[command].files;
    printf("Usage: [mpirun -np N] cifar10_mpi %s [FLAG [VALUE]]...%s%s\n",
           all_commands ? "[COMMAND]" : commands[command].name, files ? " " : "", files ? files : "");
    if (all_commands)
        for (int i = 0; i < COMMANDS; i++)
            printf("  %-8s %s\n", commands[i].name, commands[i].about);
    else
        printf("%s\n", commands[command].about);
    printf("%s\n", all_commands ? "\nFlags of train, the command where none is named (others: COMMAND --help):" : "");
    for (int i = 0; i < FLAGS; i++)
        if (flag_known(&flags[i], command))
            print_flag(&flags[i]);
    printf("  %-25s %s\n  %-25s %s\n", "--help", "this text", "--version", "the program's version");
    if (command == COMMAND_TRAIN)
        printf("Exit codes: 0 done, 1 failed, 2 wrong usage, 75 stopped, 76 by the file `stop`\n");
}

/* ---- what is wrong with a word ---- */

static int smallest(int a, int b, int c)
{
    int least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein's: letters to insert, delete or replace. */
static int edit_distance(const char *a, const char *b)
{
    enum { LENGTH_MAX = 40 };
    int row[LENGTH_MAX + 1];
    int length = (int)strnlen(b, LENGTH_MAX);
    for (int j = 0; j <= length; j++)
        row[j] = j;
    for (int i = 1; a[i - 1] && i <= LENGTH_MAX; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= length; j++) {
            int above = row[j];
            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[length];
}

static int unknown_flag(enum command command, const char *word, struct error *why)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    const struct flag *nearest = NULL;
    int least = 4; /* farther is another word */
    for (int i = 0; i < FLAGS; i++) {
        char whole[64];
        snprintf(whole, sizeof whole, "--%s", flags[i].name);
        int distance = edit_distance(name, whole);
        if (distance < least && (flag_known(&flags[i], command) || distance == 0)) {
            nearest = &flags[i];
            least = distance;
        }
    }
    const char *of = commands[command].name;
    if (!nearest)
        return error_set(why, "%s has no flag %s; 'cifar10_mpi %s --help' lists them", of, name, of);
    if (!flag_known(nearest, command))
        return error_set(why, "%s has no flag %s (another command has); 'cifar10_mpi %s --help' lists them", of, name,
                         of);
    return error_set(why, "%s has no flag %s; did you mean --%s?", of, name, nearest->name);
}

static int command_find(const char *word, enum command *command, struct error *why)
{
    int nearest = 0;
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(word, commands[i].name) == 0) {
            *command = i;
            return 0;
        }
        if (edit_distance(word, commands[i].name) < edit_distance(word, commands[nearest].name))
            nearest = i;
    }
    if (edit_distance(word, commands[nearest].name) < 3)
        return error_set(why, "there is no command '%s'; did you mean %s?", word, commands[nearest].name);
    return error_set(why, "there is no command '%s', only train, eval, pack, predict, inspect and bench", word);
}

/* ---- the line ---- */

static bool was_given(const bool *given, const char *name)
{
    for (int i = 0; i < FLAGS; i++)
        if (strcmp(flags[i].name, name) == 0)
            return given[i];
    return false;
}

/* What no single value shows. given: which rows were on the line. */
static int options_check(const struct options *options, const bool *given, struct error *why)
{
    static const char *const exclusive[][2] = {
        {"max-steps", "epochs"}, {"checkpoint", "checkpoint-dir"}, {"from", "download"}};
    const char *name = commands[options->command].name;
    if (options->file_count < commands[options->command].files_minimum)
        return error_set(why, "%s needs a file: cifar10_mpi %s [FLAG [VALUE]]... %s", name, name,
                         commands[options->command].files);
    if (options->file_count > commands[options->command].files_maximum)
        return error_set(why, "%s has no use for the word '%s'; 'cifar10_mpi %s --help' shows what it takes", name,
                         options->files[commands[options->command].files_maximum], name);
    for (size_t i = 0; i < sizeof exclusive / sizeof *exclusive; i++)
        if (was_given(given, exclusive[i][0]) && was_given(given, exclusive[i][1]))
            return error_set(why, "--%s and --%s exclude each other: give one", exclusive[i][0], exclusive[i][1]);
    if (was_given(given, "epochs") && options->epochs <= 0) /* 0 stands for an option that was not given */
        return error_set(why, "--epochs '%g' is not a number above 0", options->epochs);
    if (options->command == COMMAND_PACK && !options->download && !*options->from)
        return error_set(why, "pack needs a source: --from DIRECTORY-OR-ARCHIVE, or --download");
    if (options->command == COMMAND_PACK && !options->download && (*options->url || *options->md5))
        return error_set(why, "--url and --md5 belong to --download, which was not given");
    return 0;
}

/* getopt refused a word: it tells why by `found` and, for flags it knows, by optopt. */
static int refused(enum command command, int found, char **argv, struct error *why)
{
    const char *word = argv[optind - 1];
    if (optopt >= FLAG_VALUE && optopt < FLAG_VALUE + FLAGS) {
        const struct flag *flag = &flags[optopt - FLAG_VALUE];
        if (found == ':')
            return error_set(why, "--%s needs a value (%s)", flag->name, flag->argument);
        return error_set(why, "--%s takes no value, not even '%s': leave the flag out for no", flag->name,
                         strchr(word, '=') ? strchr(word, '=') + 1 : word);
    }
    char letter[3] = {'-', (char)optopt, '\0'};
    return unknown_flag(command, optopt ? letter : word, why);
}

/* The rows that the command knows, for getopt; --help and --version behind them. */
static void list_flags(enum command command, struct option *list)
{
    int count = 0;
    for (int i = 0; i < FLAGS; i++)
        if (flag_known(&flags[i], command))
            list[count++] = (struct option){flags[i].name, flags[i].kind == SWITCH ? no_argument : required_argument,
                                            NULL, FLAG_VALUE + i};
    list[count++] = (struct option){"help", no_argument, NULL, 'h'};
    list[count++] = (struct option){"version", no_argument, NULL, 'V'};
    list[count] = (struct option){0};
}

/* Reads argv[1..]; argv[0] is the program's or the command's name. */
static enum options_outcome read_words(struct options *options, int argc, char **argv, bool all_commands,
                                       struct error *why)
{
    struct option list[FLAGS + 3];
    bool given[FLAGS] = {false};
    list_flags(options->command, list);
    optind = 0; /* glibc: start afresh */
    opterr = 0;
    for (int found; (found = getopt_long(argc, argv, ":h", list, NULL)) != -1;) {
        if (found == 'h') {
            print_help(options->command, all_commands);
            return OPTIONS_DONE;
        }
        if (found == 'V') {
            printf("cifar10_mpi %s\n", VERSION);
            return OPTIONS_DONE;
        }
        if (found < FLAG_VALUE) {
            refused(options->command, found, argv, why);
            return OPTIONS_WRONG;
        }
        const struct flag *flag = &flags[found - FLAG_VALUE];
        if (value_set(options, flag, flag->kind == SWITCH ? "yes" : optarg, why) != 0)
            return OPTIONS_WRONG;
        given[found - FLAG_VALUE] = true;
    }
    options->files = argv + optind;
    options->file_count = argc - optind;
    return options_check(options, given, why) == 0 ? OPTIONS_RUN : OPTIONS_WRONG;
}

enum options_outcome options_parse(struct options *options, int argc, char **argv)
{
    struct error why = {""};
    memset(options, 0, sizeof *options);
    for (int i = 0; i < FLAGS; i++)
        if (value_set(options, &flags[i], flags[i].initial, &why) != 0)
            abort(); /* a default out of its own range: the unit test meets every row */
    bool named = argc > 1 && argv[1][0] != '-';
    enum options_outcome outcome = OPTIONS_WRONG;
    if (!named)
        outcome = read_words(options, argc, argv, true, &why);
    else if (command_find(argv[1], &options->command, &why) == 0)
        outcome = read_words(options, argc - 1, argv + 1, false, &why);
    if (outcome == OPTIONS_WRONG)
        fprintf(stderr, "cifar10_mpi: %s\n", why.text);
    return outcome;
}
