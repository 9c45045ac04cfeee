/* A command line as the program parses it, and what it prints. */
#ifndef TESTS_UNIT_OPTIONS_FIXTURE_H
#define TESTS_UNIT_OPTIONS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "recipe.h"

static struct options options;
static char printed[8192]; /* what the last parse printed to standard output and error */

/* Parses the words of `line`, split at blanks, after the program's name. */
static enum options_outcome parse(const char *line)
{
    static char words[1 << 14];
    static char *argv[128] = {"cifar10_mpi"}; /* options.files point into it */
    int argc = 1;
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    FILE *caught = tmpfile();
    assert_non_null(caught);
    fflush(stdout);
    int out = dup(STDOUT_FILENO), error = dup(STDERR_FILENO);
    dup2(fileno(caught), STDOUT_FILENO);
    dup2(fileno(caught), STDERR_FILENO);
    enum options_outcome outcome = options_parse(&options, argc, argv);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    dup2(error, STDERR_FILENO);
    close(out);
    close(error);
    rewind(caught);
    printed[fread(printed, 1, sizeof printed - 1, caught)] = '\0';
    fclose(caught);
    return outcome;
}

/* Replaces the function in src/model/model.c: adds a second model with its own recipe. */
const struct recipe *recipe_find(const char *model)
{
    extern const struct recipe recipe_tutorial;
    static const struct recipe other = {.batch_size = 1024, .epochs = 9.9, .max_steps = 7, .learning_rate = 1.5,
                                        .lr_decay_factor = 1, .lr_decay_epochs = 1, .ema_decay = 0.5};
    return strcmp(model, "other") ? &recipe_tutorial : &other;
}

static bool is_default(const char *wanted)
{
    const char *name;
    char value[OPTION_TEXT];
    bool found = false;
    for (int i = 0; options_text(&options, i, &name, value, sizeof value, &found); i++)
        if (!strcmp(name, wanted))
            return found;
    fail_msg("there is no --%s", wanted);
    return false;
}

#endif
