/* --help. */
#include <stdio.h>
#include <string.h>

#include "flag.h"

enum { HELP_LEFT = 28, HELP_RIGHT = 52 }; /* columns */

/* Text too long to fit beside the flag is continued on a second line; the break comes before the choices or at a blank. */
static void print_flag(const struct flag *flag, const struct recipe *recipe)
{
    char left[64], right[256], value[64], initial[sizeof value + 4] = "";
    flag_default_text(flag, recipe, value, sizeof value);
    if (flag->kind != SWITCH && *value)
        snprintf(initial, sizeof initial, " [%s]", value);
    snprintf(left, sizeof left, "  --%s %s", flag->name, flag->argument ? flag->argument : "");
    snprintf(right, sizeof right, "%s%s%s%s", flag->help, flag->words ? ": " : "", flag->words ? flag->words : "", initial);
    size_t cut = strlen(right);
    if (cut > HELP_RIGHT)
        for (cut = flag->words ? strlen(flag->help) + 1 : HELP_RIGHT; cut && right[cut] != ' ';)
            cut--;
    printf("%-*s%.*s\n", HELP_LEFT, left, (int)cut, right);
    if (right[cut])
        printf("%*s%s\n", HELP_LEFT, "", right + cut + 1);
}

static void print_flags(const struct options *options, bool expert, const char *title)
{
    for (int i = 0; i < option_flag_count; i++) {
        if (!flag_known(&option_flags[i], options->command) || !(option_flags[i].commands & EXPERT) == expert)
            continue;
        printf("%s", title);
        title = "";
        print_flag(&option_flags[i], recipe_find(options->model));
    }
}

void help_print(const struct options *options, bool all_commands)
{
    enum command command = options->command;
    const char *files = option_commands[command].files;
    printf("Usage: [mpirun -np N] ./cifar10_mpi %s [FLAG [VALUE]]...%s%s\n",
           all_commands ? "[COMMAND]" : option_commands[command].name, files ? " " : "", files ? files : "");
    if (all_commands)
        for (int i = 0; i < option_command_count; i++)
            printf("  %-8s %s\n", option_commands[i].name, option_commands[i].about);
    else
        printf("%s\n", option_commands[command].about);
    print_flags(options, false,
                all_commands ? "\nUsual flags of train, the command where none is named:\n" : "\nUsual flags:\n");
    if (!all_commands)
        print_flags(options, true, "\nFlags for experts:\n");
    printf("\nMore: ./cifar10_mpi help%s, ./cifar10_mpi --version\n", all_commands ? " COMMAND (all its flags)" : "");
    if (command == COMMAND_TRAIN)
        printf("Exit codes: 0 done, 1 failed, 2 wrong usage, 75 stopped, 76 by the file `stop`\n");
}

