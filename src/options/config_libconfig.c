/* --config: options from a file in libconfig's format, by the table of the command line. */
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_text.h"
#include "flag.h"

/* Prints 15 digits, or 17 if 15 do not read back as the same number. Adds ".0" to what would look like a whole number. */
static void real_print(double number, char *text, size_t size)
{
    snprintf(text, size, "%.15g", number);
    if (strtod(text, NULL) != number)
        snprintf(text, size, "%.17g", number);
    if (!strpbrk(text, ".en"))
        strcat(text, ".0");
}

/* The setting's value as the command line would give it; a switch is "yes" or "no". NULL: the setting is a list or a group. */
static const char *setting_text(const config_setting_t *setting, char *number, size_t size)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        snprintf(number, size, "%lld", config_setting_get_int64(setting));
        return number;
    case CONFIG_TYPE_FLOAT:
        real_print(config_setting_get_float(setting), number, size);
        return number;
    case CONFIG_TYPE_BOOL:
        return config_setting_get_bool(setting) ? "yes" : "no";
    case CONFIG_TYPE_STRING:
        return config_setting_get_string(setting);
    default:
        return NULL;
    }
}

/* Whether the command line sets this value, by any of its names (--train-dir and --checkpoint-dir are one value). */
static bool is_on_line(const struct options *options, const struct flag *flag)
{
    for (int i = 0; i < option_flag_count; i++)
        if (option_flags[i].offset == flag->offset && options->source[i] == SOURCE_LINE)
            return true;
    return false;
}

/* Refuses a value of a kind that the flag does not take. */
static int kind_check(const struct flag *flag, const config_setting_t *setting, struct error *why)
{
    bool is_bool = config_setting_type(setting) == CONFIG_TYPE_BOOL;
    if (!config_setting_is_scalar(setting))
        return error_set(why, "--%s needs one value, not a list or a group", flag->name);
    if (flag->kind == SWITCH && !is_bool)
        return error_set(why, "--%s is either true or false", flag->name);
    if (flag->kind != SWITCH && is_bool)
        return error_set(why, "--%s needs a value (%s: %s), not true or false", flag->name, flag->argument, flag->help);
    if (flag->kind == TEXT && config_setting_is_number(setting)) /* 007 would become 7 */
        return error_set(why, "--%s needs a text in quotes (%s: %s)", flag->name, flag->argument, flag->help);
    return 0;
}

/* Checks the value even if the command line overrides it. */
static int option_read(struct options *options, const config_setting_t *setting, struct error *why)
{
    char number[64], name[80];
    const struct flag *flag = flag_find(options->command, config_setting_name(setting));
    struct options changed = *options;
    snprintf(name, sizeof name, "--%s", config_setting_name(setting));
    if (!flag)
        return flag_refuse(options->command, name, why);
    if (flag->offset == offsetof(struct options, config))
        return error_set(why, "a file cannot name another one: --config is for the command line");
    if (kind_check(flag, setting, why) || flag_set(&changed, flag, setting_text(setting, number, sizeof number), why))
        return -1;
    if (is_on_line(options, flag))
        return 0;
    *options = changed;
    options->source[flag - option_flags] = SOURCE_CONFIG;
    return 0;
}

static int group_read(struct options *options, const config_setting_t *group, struct error *why)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        if (option_read(options, setting, why))
            return error_in(why, "line %u", (unsigned)config_setting_source_line(setting));
    }
    return 0;
}

/* A group named after a command holds options for that command only. */
static int file_read(struct options *options, const config_setting_t *root, struct error *why)
{
    for (int i = 0; i < config_setting_length(root); i++) {
        const config_setting_t *setting = config_setting_get_elem(root, (unsigned)i);
        enum command command = options->command;
        bool is_group = config_setting_is_group(setting);
        int status = is_group ? command_find(config_setting_name(setting), &command, why) : option_read(options, setting, why);
        if (status)
            return error_in(why, "line %u", (unsigned)config_setting_source_line(setting));
        if (is_group && command == options->command && group_read(options, setting, why))
            return -1;
    }
    return 0;
}

int options_read_file(struct options *options, const char *file, struct error *why)
{
    config_t config;
    int status;
    char *text = config_text_read(file, why);
    if (!text)
        return -1;
    config_init(&config);
    if (config_read_string(&config, text))
        status = file_read(options, config_root_setting(&config), why);
    else
        status = error_set(why, "line %d: %s", config_error_line(&config), config_error_text(&config));
    if (status)
        error_in(why, "%s", file);
    config_destroy(&config);
    free(text);
    return status;
}
