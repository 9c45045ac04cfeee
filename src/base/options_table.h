/* The command line's tables (options.c), what --help makes of them, and what is said of words that are not in them. */
#ifndef OPTIONS_TABLE_H
#define OPTIONS_TABLE_H

#include "error.h"
#include "options.h"

enum kind { TEXT, INTEGER, REAL, SWITCH, CHOICE };
enum { TRAIN = 1 << COMMAND_TRAIN, EVAL = 1 << COMMAND_EVAL, PACK = 1 << COMMAND_PACK,
       PREDICT = 1 << COMMAND_PREDICT, BENCH = 1 << COMMAND_BENCH, ALL = TRAIN | EVAL | PACK | PREDICT | BENCH,
       EXPERT = 1 << 16 /* --help lists it behind the usual ones */ };

struct flag {
    const char *name;
    int commands; /* mask of those that know it; | EXPERT */
    enum kind kind;
    const char *argument, *initial;
    double minimum, maximum; /* INTEGER, REAL */
    const char *words;       /* CHOICE: "a|b|c" */
    const char *help;
    size_t offset, size; /* in struct options */
};

struct command_about {
    const char *name, *files; /* files: the words that are no flags, or NULL */
    int files_minimum, files_maximum;
    const char *example;   /* of such words */
    const char *elsewhere; /* other programs' words for it, "a|b|c" */
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

/* words: "a|b|c" */
bool word_listed(const char *words, const char *word);

/* To standard output. all_commands: the list of them, and the usual flags of train. */
void help_print(enum command command, bool all_commands);

/* The sentence on a flag that the command does not have: what it is called here, where it is known, or what was meant. */
int flag_refuse(enum command command, const char *word, struct error *why);

/* -1 with such a sentence where the word is no command. */
int command_find(const char *word, enum command *command, struct error *why);

#endif
