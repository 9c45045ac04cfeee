/* Class lists: their order, and classes that lack images. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "parts.h"

enum { LIST_BYTES_MAX = 1 << 16, MISSING_TEXT = 768 }; /* bytes: of a file; of a part of a sentence */

int class_list_find(const struct class_list *list, const char *name)
{
    for (int i = 0; i < list->count; i++)
        if (!strcmp(list->names[i], name))
            return i;
    return -1;
}

/* Removes trailing blanks. */
static void trim(char *line)
{
    size_t length = strlen(line);
    while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        line[--length] = '\0';
}

int class_list_read(struct class_list *list, char *text, int count_max, struct error *why)
{
    static const char mark[] = "\xef\xbb\xbf"; /* the byte order mark that some editors put in front of UTF-8 */
    char *next = text + (strncmp(text, mark, strlen(mark)) ? 0 : strlen(mark)), *line;
    list->count = 0;
    while ((line = strsep(&next, "\r\n"))) {
        trim(line);
        if (!*line)
            continue;
        if (list->count == count_max || strlen(line) >= NAME_TEXT)
            return error_set(why, "is not a list of %d class names of at most %d bytes, one per line", count_max, NAME_TEXT - 1);
        strcpy(list->names[list->count++], line);
    }
    return 0;
}

static int read_file(struct class_list *list, const char *name, struct error *why)
{
    char text[LIST_BYTES_MAX + 1];
    FILE *file = fopen(name, "re");
    if (!file)
        return error_set(why, "cannot be opened: %s", strerror(errno));
    size_t bytes = fread(text, 1, sizeof text, file);
    int status = ferror(file) ? error_set(why, "cannot be read: %s", strerror(errno)) : 0;
    fclose(file);
    if (status)
        return -1;
    if (bytes > LIST_BYTES_MAX)
        return error_set(why, "is larger than %d bytes: not a list of class names", LIST_BYTES_MAX);
    text[bytes] = '\0';
    if (class_list_read(list, text, CLASSES_MAX, why))
        return -1;
    for (int i = 1; i < list->count; i++)
        if (class_list_find(list, list->names[i]) < i)
            return error_set(why, "names class '%s' twice", list->names[i]);
    return 0;
}

/* Refuses a list that lacks a folder with images: the images would be lost. */
static int check_listed(const struct survey *survey, const struct class_list *listed, struct error *why)
{
    for (int i = 0; i < survey->classes.count; i++) {
        const char *name = survey->classes.names[i];
        const int64_t *images = survey->class_images[i];
        if (images[TRAIN] + images[TEST] > 0 && class_list_find(listed, name) < 0)
            return error_set(why, "does not list the class folder '%s', which has %lld images", name,
                             (long long)(images[TRAIN] + images[TEST]));
    }
    return 0;
}

static void take_order(struct survey *survey, const struct class_list *listed)
{
    int64_t images[CLASSES_MAX][SPLITS] = {{0}};
    for (int i = 0; i < listed->count; i++) {
        int was = class_list_find(&survey->classes, listed->names[i]);
        if (was >= 0)
            memcpy(images[i], survey->class_images[was], sizeof images[i]);
    }
    survey->classes = *listed;
    memcpy(survey->class_images, images, sizeof images);
}

int classes_order(struct survey *survey, const char *file, struct error *why)
{
    struct class_list listed;
    if (read_file(&listed, file, why) || check_listed(survey, &listed, why))
        return error_in(why, "%s", file);
    take_order(survey, &listed);
    return 0;
}

/* Appends "without SPLIT images: a, b and 3 more" if there are such classes. */
static void add_missing(const struct survey *survey, int64_t counts[CLASSES_MAX][SPLITS], int split, char *text, size_t size)
{
    int missing = 0;
    for (int i = 0; i < survey->classes.count; i++) {
        size_t length = strlen(text);
        if (counts[i][split] > 0)
            continue;
        if (missing == 0)
            snprintf(text + length, size - length, "%swithout %s images: %s", length ? "; " : "", split_adjectives[split],
                     survey->classes.names[i]);
        else if (missing < NAMED_MAX)
            snprintf(text + length, size - length, ", %s", survey->classes.names[i]);
        missing++;
    }
    size_t length = strlen(text);
    if (missing > NAMED_MAX)
        snprintf(text + length, size - length, " and %d more", missing - NAMED_MAX);
}

int classes_check(const struct survey *survey, int64_t counts[CLASSES_MAX][SPLITS], const char *from,
                  const struct pack_request *request, struct error *why)
{
    char missing[MISSING_TEXT] = "";
    add_missing(survey, counts, TRAIN, missing, sizeof missing);
    if (survey->tested)
        add_missing(survey, counts, TEST, missing, sizeof missing);
    if (!missing[0])
        return 0;
    if (!request->allow_missing_classes)
        return error_set(why, "%s: %s classes %s (--allow-missing-classes packs it as it is)", from,
                         survey->tested && request->test_share > 0 ? "--test-share leaves" : "has", missing);
    line_print(stderr, "Classes %s", missing);
    return 0;
}
