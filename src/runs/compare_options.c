/* The options that differ between runs, and other settings such as the number of ranks: a line for each value. */
#include <stdio.h>
#include <string.h>

#include "compare.h"
#include "sheet.h"

/* Settings whose differences mean nothing for the comparison. */
static bool is_incidental(const char *name)
{
    static const char *const names[] = {"train-dir", "config", "resume", "force", "verbose", "trace", "trace-steps", "progress"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

/* NULL: unknown, because the run has no checkpoint or was made by a version without the option. */
static const char *value_of_run(const struct comparison *c, int run, const char *name)
{
    for (int i = 0; i < c->runs[run].setting_count; i++)
        if (!strcmp(c->runs[run].settings[i].name, name))
            return c->runs[run].settings[i].value;
    return NULL;
}

/* Whether the run is the first one with its value. */
static bool is_first_value(const struct comparison *c, int run, const char *name)
{
    const char *value = value_of_run(c, run, name);
    for (int i = 0; i < run && value; i++)
        if (value_of_run(c, i, name) && !strcmp(value, value_of_run(c, i, name)))
            return false;
    return value != NULL;
}

/* Prints "NAME  VALUE: RUN, RUN". */
static void print_value(const struct comparison *c, int first, const char *name, int width)
{
    const char *value = value_of_run(c, first, name);
    char text[4096];
    int length = snprintf(text, sizeof text, "%s:", *value ? value : "(none)");
    for (int i = first; i < c->count; i++) {
        const char *found = value_of_run(c, i, name);
        if (found && !strcmp(found, value) && length < (int)sizeof text)
            length += snprintf(text + length, sizeof text - (size_t)length, "%s %s", i > first ? "," : "", comparison_name(c, i));
    }
    text_printable(text);
    text[text_fit(text, sizeof text - 1)] = 0;
    sheet_line(name, text, stdout, width);
}

/* Prints the setting's values if there are several. */
static void print_setting(const struct comparison *c, const char *name, int width, bool *any)
{
    int values = 0;
    for (int i = 0; i < c->count; i++)
        values += is_first_value(c, i, name);
    if (values < 2 || is_incidental(name))
        return;
    if (!*any)
        printf("\nOptions that differ\n");
    *any = true;
    for (int i = 0; i < c->count; i++)
        if (is_first_value(c, i, name))
            print_value(c, i, name, width);
}

/* Prints the names of the runs whose options are unknown. */
static void print_unknown(const struct comparison *c, int width)
{
    bool any = false;
    for (int run = 0; run < c->count; run++) {
        char text[1024];
        if (c->runs[run].setting_count)
            continue;
        printf("%s", any ? "" : "\nOptions unknown: no whole checkpoint\n");
        any = true;
        snprintf(text, sizeof text, "%s", comparison_name(c, run));
        text_printable(text);
        sheet_line("", text, stdout, width);
    }
}

void compare_options(const struct comparison *c, int width)
{
    bool any = false;
    for (int run = 0; run < c->count; run++)
        for (int i = 0; i < c->runs[run].setting_count; i++) {
            const char *name = c->runs[run].settings[i].name;
            bool is_known = false; /* from an earlier run */
            for (int earlier = 0; earlier < run && !is_known; earlier++)
                is_known = value_of_run(c, earlier, name);
            if (!is_known)
                print_setting(c, name, width, &any);
        }
    print_unknown(c, width);
}
