/* Shared by the files in this folder: the tables of options and of commands. */
#ifndef FLAG_H
#define FLAG_H

#include "error.h"
#include "options.h"
#include "recipe.h"

/* TEXT: any text, or one of `words` if there are any. CHOICE: one of `words`, stored as an enum. */
enum flag_kind { TEXT, INTEGER, REAL, SWITCH, CHOICE };
enum { TRAIN = 1 << COMMAND_TRAIN, EVAL = 1 << COMMAND_EVAL, PACK = 1 << COMMAND_PACK,
       PREDICT = 1 << COMMAND_PREDICT, INSPECT = 1 << COMMAND_INSPECT, BENCH = 1 << COMMAND_BENCH,
       REPORT = 1 << COMMAND_REPORT, COMPARE = 1 << COMMAND_COMPARE,
       ALL = TRAIN | EVAL | PACK | PREDICT | BENCH, /* those that compute: they have --config */
       EXPERT = 1 << 16 /* --help lists it after the usual ones */ };

/* The default is in the model's recipe, not in the table. */
#define FROM_RECIPE NULL

struct flag {
    const char *name;
    int commands; /* mask of the commands that have it; | EXPERT */
    enum flag_kind kind;
    const char *argument, *initial; /* initial: the default, or FROM_RECIPE */
    double minimum, maximum; /* INTEGER, REAL: the range. CHOICE: minimum is the first word's value; the next ones count up */
    const char *words;       /* "a|b|c" */
    const char *help;
    size_t offset, size; /* in struct options */
    size_t recipe;       /* FROM_RECIPE: offset in struct recipe */
};

struct command_about {
    const char *name, *files; /* files: the arguments it takes besides flags, or NULL */
    int files_minimum, files_maximum;
    const char *example;   /* of such arguments */
    const char *elsewhere; /* names of this command in other programs, "a|b|c" */
    const char *about;
};

extern const struct flag option_flags[];
extern const int option_flag_count;
extern const struct command_about option_commands[]; /* by enum command */
extern const int option_command_count;

static inline bool flag_known(const struct flag *flag, enum command command)
{
    return flag->commands >> command & 1;
}

/* The position of the word in "a|b|c", counted from 0; -1: it is not there. */
int word_place(const char *words, const char *word);

/* The command's flag of that name; NULL if it has none. */
const struct flag *flag_find(enum command command, const char *name);

/* Checks a value and stores it. */
int flag_set(struct options *options, const struct flag *flag, const char *text, struct error *why);
/* Stores the default. */
void flag_reset(struct options *options, const struct flag *flag, const struct recipe *recipe);

/* The current value as text, and the default as text. */
void flag_text(const struct options *options, const struct flag *flag, char *text, size_t size);
void flag_default_text(const struct flag *flag, const struct recipe *recipe, char *text, size_t size);

/* Reads the file of --config, in libconfig's format: NAME = VALUE; for each option, in a group named after a command (eval: {...})
 * or outside of any group. Sets only options that the command line has not set. An error's sentence names the file and line. */
int options_read_file(struct options *options, const char *file, struct error *why);

/* Prints the help of options->command to standard output. all_commands: prints the list of commands and train's usual flags. */
void help_print(const struct options *options, bool all_commands);

/* Sets the sentence about a flag that the command does not have, with this program's name for it or a suggestion. Returns -1. */
int flag_refuse(enum command command, const char *word, struct error *why);

/* Finds the command of that name; -1 with a similar sentence if there is none. */
int command_find(const char *word, enum command *command, struct error *why);

#endif
