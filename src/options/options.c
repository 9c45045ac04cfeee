/* Parses the command line, and decides which source each value comes from. */
#include "options.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "flag.h"

enum { FLAG_VALUE = 256 }; /* what getopt returns for the table's first row: above any character */

/* ---- queries ---- */

bool options_text(const struct options *options, int index, const char **name, char *value, size_t size,
                  bool *is_default)
{
    for (int i = 0; i < option_flag_count; i++) {
        const struct flag *flag = &option_flags[i];
        char initial[OPTION_TEXT];
        if (!flag_known(flag, options->command) || index-- > 0)
            continue;
        *name = flag->name;
        flag_text(options, flag, value, size);
        flag_default_text(flag, recipe_find(options->model), initial, sizeof initial);
        *is_default = options->source[i] == SOURCE_DEFAULT || strcmp(value, initial) == 0;
        return true;
    }
    return false;
}

void options_value(const struct options *options, const char *name, char *value, size_t size)
{
    const struct flag *flag = flag_find(options->command, name);
    *value = '\0';
    if (flag)
        flag_text(options, flag, value, size);
}

bool options_word(const struct options *options, int index, char word[OPTION_WORD])
{
    const char *name;
    char value[OPTION_TEXT], quoted[4 * OPTION_TEXT + 4];
    bool is_default;
    if (!options_text(options, index, &name, value, sizeof value, &is_default))
        return false;
    text_quote(value, quoted, sizeof quoted);
    if (is_default || !strcmp(name, "config"))
        *word = '\0';
    else if (flag_find(options->command, name)->kind != SWITCH)
        snprintf(word, OPTION_WORD, "--%s %s", name, quoted);
    else
        snprintf(word, OPTION_WORD, "--%s%s", name, strcmp(value, "yes") ? "=no" : "");
    return true;
}

/* ---- checks ---- */

static bool has_packed_name(const char *file)
{
    size_t length = strlen(file);
    return length > 3 && strcmp(file + length - 3, ".h5") == 0;
}

/* Checks the arguments that are not flags. */
static int check_files(const struct options *options, struct error *why)
{
    const struct command_about *about = &option_commands[options->command];
    char **files = options->files;
    enum command other;
    struct error ignored;
    if (options->file_count < about->files_minimum && *options->from)
        return error_set(why, "pack needs a file (OUT.h5): for example ./cifar10_mpi pack --from %s data/own.h5", options->from);
    if (options->file_count < about->files_minimum)
        return error_set(why, "%s needs a %s (%s): for example ./cifar10_mpi %s %s", about->name,
                         strncmp(about->files, "DIR", 3) ? "file" : "directory", about->files, about->name, about->example);
    if (options->file_count <= about->files_maximum)
        return 0;
    if (options->command == COMMAND_PACK && options->file_count == 2 && !*options->from)
        return error_set(why, "pack takes its source by a flag: ./cifar10_mpi pack --from %s %s", files[0], files[1]);
    const char *stray = files[about->files_maximum];
    if (command_find(stray, &other, &ignored) == 0)
        return error_set(why, "the command comes first: ./cifar10_mpi %s, then its flags", stray);
    if (has_packed_name(stray) && !about->files)
        return error_set(why, "%s takes a file by a flag: ./cifar10_mpi %s --%s %s", about->name, about->name,
                         options->command == COMMAND_EVAL ? "checkpoint" : "data", stray);
    return error_set(why, "%s has no use for the word '%s'; './cifar10_mpi %s --help' shows what it takes", about->name, stray,
                     about->name);
}

static int check_pack(const struct options *options, struct error *why)
{
    const char *file = options->files[0];
    if (!options->download && !*options->from && !has_packed_name(file))
        return error_set(why, "pack needs a source and the file to write: ./cifar10_mpi pack --from %s data/own.h5", file);
    if (!options->download && !*options->from)
        return error_set(why, "pack needs a source: ./cifar10_mpi pack --from DIRECTORY-OR-ARCHIVE %s, or --download", file);
    if (!options->download && (*options->url || *options->md5))
        return error_set(why, "--url and --md5 belong to --download, which was not given");
    return 0;
}

int options_trace_steps(const struct options *options, uint64_t *first, uint64_t *last, struct error *why)
{
    char rest;
    if (sscanf(options->trace_steps, "%" SCNu64 ":%" SCNu64 "%c", first, last, &rest) == 2 && *first >= 1 && *first <= *last)
        return 0;
    return error_set(why, "--trace-steps '%s' is not A:B, two steps such as 11:20", options->trace_steps);
}

static int check_trace(const struct options *options, struct error *why)
{
    uint64_t first, last;
    return options_trace_steps(options, &first, &last, why);
}

/* Puts the name of the --config file in front of an error about a value from that file. Returns -1. */
static int error_of(const struct options *options, enum option_source source, struct error *why)
{
    return source == SOURCE_CONFIG ? error_in(why, "%s", options->config) : -1;
}

/* A switch that is off excludes nothing. */
static bool excludes_other(const struct options *options, const struct flag *flag)
{
    char value[OPTION_TEXT];
    flag_text(options, flag, value, sizeof value);
    return options->source[flag - option_flags] != SOURCE_DEFAULT && !(flag->kind == SWITCH && strcmp(value, "no") == 0);
}

/* Of two options that exclude each other, the one from the stronger source counts; two from the same source are an error. */
static int settle_pair(struct options *options, const char *left, const char *right, struct error *why)
{
    const struct flag *flags[] = {flag_find(options->command, left), flag_find(options->command, right)};
    if (!flags[0] || !flags[1])
        return 0;
    unsigned char *sources[] = {&options->source[flags[0] - option_flags], &options->source[flags[1] - option_flags]};
    if (!excludes_other(options, flags[0]) || !excludes_other(options, flags[1]))
        return 0;
    if (*sources[0] == *sources[1]) {
        error_set(why, "--%s and --%s exclude each other: give one", left, right);
        return error_of(options, *sources[0], why);
    }
    int weaker = *sources[0] > *sources[1];
    *sources[weaker] = SOURCE_DEFAULT;
    flag_reset(options, flags[weaker], recipe_find(options->model));
    return 0;
}

static int settle_pairs(struct options *options, struct error *why)
{
    static const char *const exclusive[][2] = {
        {"max-steps", "epochs"}, {"checkpoint", "checkpoint-dir"}, {"checkpoint", "train-dir"},
        {"train-dir", "checkpoint-dir"}, {"checkpoint", "keep-best"}, {"from", "download"},
        {"diff", "filters"}, {"diff", "images"}, {"filters", "images"}};
    for (size_t i = 0; i < sizeof exclusive / sizeof *exclusive; i++)
        if (settle_pair(options, exclusive[i][0], exclusive[i][1], why))
            return -1;
    return 0;
}

static enum option_source source_of(const struct options *options, const char *name)
{
    const struct flag *flag = flag_find(options->command, name);
    return flag ? options->source[flag - option_flags] : SOURCE_DEFAULT;
}

/* Options that were not given take their values from the model's recipe. */
static int take_recipe(struct options *options, struct error *why)
{
    const struct recipe *recipe = recipe_find(options->model);
    for (int i = 0; i < option_flag_count; i++)
        if (option_flags[i].initial == FROM_RECIPE && options->source[i] == SOURCE_DEFAULT &&
            flag_find(options->command, option_flags[i].name))
            flag_reset(options, &option_flags[i], recipe);
    enum option_source epochs = source_of(options, "epochs");
    if (epochs && options->epochs <= 0) {
        error_set(why, "--epochs '%g' is not a number above 0", options->epochs);
        return error_of(options, epochs, why);
    }
    if (source_of(options, "max-steps"))
        options->epochs = 0; /* --max-steps overrides the recipe's epochs */
    return 0;
}

/* ---- the command line ---- */

/* Sets the sentence about a word that getopt refused. optopt is the flag if getopt knows it: then its value is missing. optind is
 * the index of the next word, unless getopt refused a letter in the middle of a word: then it still is that word's. */
static int refused(enum command command, char **argv, struct error *why)
{
    const char *word = argv[optind - 1], *letters = argv[optind];
    if (optopt >= FLAG_VALUE && optopt < FLAG_VALUE + option_flag_count) {
        const struct flag *flag = &option_flags[optopt - FLAG_VALUE];
        return error_set(why, "--%s needs a value (%s: %s)", flag->name, flag->argument, flag->help);
    }
    if (optopt && letters && letters[0] == '-' && letters[1] == optopt && letters[2])
        word = letters;
    return flag_refuse(command, word, why);
}

/* Lists the command's flags for getopt. A switch may have a value: --NAME=no overrides a file's. */
static void list_flags(enum command command, struct option *list)
{
    int count = 0;
    for (int i = 0; i < option_flag_count; i++)
        if (flag_known(&option_flags[i], command))
            list[count++] = (struct option){option_flags[i].name,
                                            option_flags[i].kind == SWITCH ? optional_argument : required_argument, NULL,
                                            FLAG_VALUE + i};
    list[count] = (struct option){0};
}

/* Reads argv[1..]; argv[0] is the program's or the command's name. */
static int read_words(struct options *options, int argc, char **argv, struct error *why)
{
    struct option list[OPTIONS_MAX + 1];
    list_flags(options->command, list);
    optind = 0; /* glibc: start afresh */
    opterr = 0;
    for (int found; (found = getopt_long(argc, argv, ":", list, NULL)) != -1;) {
        if (found < FLAG_VALUE)
            return refused(options->command, argv, why);
        const struct flag *flag = &option_flags[found - FLAG_VALUE];
        if (flag_set(options, flag, optarg ? optarg : "yes", why))
            return -1;
        options->source[found - FLAG_VALUE] = SOURCE_LINE;
    }
    options->files = argv + optind;
    options->file_count = argc - optind;
    return 0;
}

/* Reads one source after the other, then checks the options against each other. */
static int read_sources(struct options *options, int argc, char **argv, struct error *why)
{
    if (read_words(options, argc, argv, why))
        return -1;
    if (options->config[0] && options_read_file(options, options->config, why))
        return -1;
    if (check_files(options, why) || settle_pairs(options, why) || take_recipe(options, why))
        return -1;
    if (options->command == COMMAND_TRAIN && check_trace(options, why))
        return -1;
    return options->command == COMMAND_PACK ? check_pack(options, why) : 0;
}

/* Whether one of `flags` is among the words; the other words need not be valid. */
static bool is_asked(int argc, char **argv, const char *flags)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (word_place(flags, argv[i]) >= 0)
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
        help_print(options, !named);
        return OPTIONS_DONE;
    }
    return read_sources(options, argc - named, argv + named, why) == 0 ? OPTIONS_RUN : OPTIONS_WRONG;
}

enum options_outcome options_parse(struct options *options, int argc, char **argv)
{
    struct error why = {""};
    memset(options, 0, sizeof *options);
    const struct recipe *recipe = recipe_find(options->model);
    for (int i = 0; i < option_flag_count; i++)
        flag_reset(options, &option_flags[i], recipe);
    enum options_outcome outcome = read_line(options, argc, argv, &why);
    if (outcome == OPTIONS_WRONG)
        fprintf(stderr, "cifar10_mpi: %s\n", why.text);
    return outcome;
}
