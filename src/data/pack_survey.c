#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pack.h"

const char *const split_names[SPLITS] = {"train", "test"};

static const char cifar_classes[CIFAR_CLASSES][NAME_TEXT] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                                             "dog",      "frog",       "horse", "ship", "truck"};

enum { NAMES_BYTES_MAX = 4096 };

/* ---- what a name says ---- */

static bool is_image_name(const char *base)
{
    const char *dot = strrchr(base, '.');
    return dot && (!strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg") || !strcasecmp(dot, ".png"));
}

/* Whether a file or folder of the path is hidden: ".x", but not "." or "..". */
static bool is_hidden(const char *name)
{
    for (; name; name = strchr(name, '/')) {
        name += strspn(name, "/");
        size_t length = strcspn(name, "/"), dots = strspn(name, ".");
        if (dots && (dots < length || dots > 2))
            return true;
    }
    return false;
}

/* The part of `name` that ends with the slash before `end`: its length and start; NULL where there is none. */
static const char *part_before(const char *name, const char *end, int *length)
{
    if (end == name)
        return NULL;
    const char *start = end - 1; /* at the slash */
    while (start > name && start[-1] != '/')
        start--;
    *length = (int)(end - 1 - start);
    return start;
}

/* TOP/train/CLASS/FILE or the like, or a file that looks as if it should lie so. */
static void find_in_folders(const char *name, struct entry_place *place)
{
    int class_length = 0, split_length = 0;
    const char *class_name = part_before(name, place->base, &class_length);
    const char *split = class_name ? part_before(name, class_name, &split_length) : NULL;
    bool is_image = is_image_name(place->base), in_split = false;
    for (int i = 0; split && i < SPLITS && !in_split; i++) {
        in_split = (int)strlen(split_names[i]) == split_length && !strncmp(split, split_names[i], strlen(split_names[i]));
        place->split = i;
    }
    place->kind = is_image && in_split ? ENTRY_IMAGE : is_image || in_split ? ENTRY_STRAY : ENTRY_OTHER;
    if (place->kind != ENTRY_IMAGE)
        return;
    place->top = (int)(split - name);
    if (class_length < NAME_TEXT)
        memcpy(place->class_name, class_name, (size_t)class_length);
}

void entry_find(const char *name, struct entry_place *place)
{
    const char *slash = strrchr(name, '/');
    *place = (struct entry_place){.kind = ENTRY_OTHER, .base = slash ? slash + 1 : name};
    if (is_hidden(name))
        return;
    if (!strcmp(place->base, "batches.meta.txt"))
        place->kind = ENTRY_NAMES;
    else if (!strcmp(place->base, "test_batch.bin") || !fnmatch("data_batch_*.bin", place->base, 0)) {
        place->kind = ENTRY_BATCH;
        place->split = place->base[0] == 't' ? TEST : TRAIN;
    } else
        find_in_folders(name, place);
}

/* ---- what all names say ---- */

/* Puts a folder's name into the sorted classes unless it is there. */
static int add_class(struct survey *survey, const char *name, struct error *why)
{
    if (!name[0])
        return error_set(why, "the class folder's name is longer than %d bytes", NAME_TEXT - 1);
    int at = 0, order = 1;
    while (at < survey->class_count && (order = strcmp(survey->classes[at], name)) < 0)
        at++;
    if (at < survey->class_count && order == 0)
        return 0;
    if (survey->class_count == CLASSES_MAX)
        return error_set(why, "begins class %d, but labels are bytes: at most %d classes", CLASSES_MAX + 1, CLASSES_MAX);
    memmove(survey->classes[at + 1], survey->classes[at], (size_t)(survey->class_count - at) * NAME_TEXT);
    memset(survey->classes[at], 0, NAME_TEXT);
    memcpy(survey->classes[at], name, strlen(name));
    survey->class_count++;
    return 0;
}

/* All images lie under one top folder, or the source holds several data sets. */
static int add_image(struct survey *survey, const char *name, const struct entry_place *place, struct error *why)
{
    if (!survey->top)
        survey->top = strndup(name, (size_t)place->top);
    if (!survey->top)
        return error_set(why, "no memory for its name");
    if ((int)strlen(survey->top) != place->top || strncmp(survey->top, name, (size_t)place->top))
        return error_set(why, "lies beside %s%s/: there are several data sets; name one of them", survey->top,
                         split_names[place->split]);
    if (!survey->folders)
        survey->class_count = 0; /* a batches.meta.txt that lay before them says nothing about folders */
    survey->folders = true;
    survey->images[place->split]++;
    return add_class(survey, place->class_name, why);
}

const struct survey_batch *survey_find(const struct survey *survey, const char *name)
{
    for (int i = 0; i < survey->batch_count; i++)
        if (!strcmp(survey->batches[i].name, name))
            return &survey->batches[i];
    return NULL;
}

/* Whole records only: a cut file is named before anything is written. */
static int batch_check(int64_t size, struct error *why)
{
    if (size <= 0)
        return error_set(why, "is empty, not a file of records of %d bytes", CIFAR_RECORD);
    if (size % CIFAR_RECORD)
        return error_set(why, "record %lld (the first is 0) has %lld of its %d bytes: the file is cut, or none of CIFAR-10's",
                         (long long)(size / CIFAR_RECORD), (long long)(size % CIFAR_RECORD), CIFAR_RECORD);
    return 0;
}

static int add_batch(struct survey *survey, const struct entries *entries, const struct entry_place *place,
                     struct error *why)
{
    if (survey->batch_count == CIFAR_FILES_MAX || strlen(place->base) >= NAME_TEXT)
        return error_set(why, "is one binary file too many, or its name is too long: at most %d of %d bytes",
                         CIFAR_FILES_MAX, NAME_TEXT - 1);
    if (survey_find(survey, place->base))
        return error_set(why, "there are two files of this name: name the directory of one of them");
    if (batch_check(entries->size, why))
        return -1;
    struct survey_batch *batch = &survey->batches[survey->batch_count++];
    *batch = (struct survey_batch){.split = place->split, .images = entries->size / CIFAR_RECORD};
    strcpy(batch->name, place->base);
    return 0;
}

static int batch_order(const void *a, const void *b)
{
    return strcmp(((const struct survey_batch *)a)->name, ((const struct survey_batch *)b)->name);
}

/* In the order of their names each file gets its rows. */
static void place_batches(struct survey *survey)
{
    qsort(survey->batches, (size_t)survey->batch_count, sizeof *survey->batches, batch_order);
    for (int i = 0; i < survey->batch_count; i++) {
        struct survey_batch *batch = &survey->batches[i];
        batch->first = survey->images[batch->split];
        survey->images[batch->split] += batch->images;
    }
}

/* batches.meta.txt: a class a line, in the labels' order. */
static int read_classes(struct survey *survey, struct entries *entries, struct error *why)
{
    char text[NAMES_BYTES_MAX + 1];
    size_t got;
    if (entries_read(entries, text, NAMES_BYTES_MAX, &got, why))
        return -1;
    text[got] = '\0';
    survey->class_count = 0;
    char *next = text, *line;
    while ((line = strsep(&next, "\r\n"))) {
        if (!*line)
            continue;
        if (survey->class_count == CIFAR_CLASSES || strlen(line) >= NAME_TEXT)
            return error_set(why, "is not %d class names of at most %d bytes, one a line", CIFAR_CLASSES, NAME_TEXT - 1);
        strcpy(survey->classes[survey->class_count++], line);
    }
    if (survey->class_count != CIFAR_CLASSES)
        return error_set(why, "has %d class names, one a line, instead of %d", survey->class_count, CIFAR_CLASSES);
    return 0;
}

static bool entry_is_read(enum entry_kind kind)
{
    return kind == ENTRY_BATCH || kind == ENTRY_NAMES || kind == ENTRY_IMAGE;
}

static int add_entry(struct survey *survey, struct entries *entries, struct error *why)
{
    struct entry_place place;
    entry_find(entries->name, &place);
    size_t none;
    int status = entry_is_read(place.kind) ? entries_read(entries, NULL, 0, &none, why) : 0;
    if (!status)
        switch (place.kind) {
        case ENTRY_BATCH: status = add_batch(survey, entries, &place, why); break;
        case ENTRY_NAMES: status = survey->folders ? 0 : read_classes(survey, entries, why); break;
        case ENTRY_IMAGE: status = add_image(survey, entries->name, &place, why); break;
        case ENTRY_STRAY: survey->strays++; break;
        case ENTRY_OTHER: break;
        }
    return status ? entries_error(entries, why) : 0;
}

/* One kind of source, with images to train on. */
static int check(struct survey *survey, const char *from, struct error *why)
{
    if (survey->folders && survey->batch_count)
        return error_set(why, "%s: holds CIFAR-10's binary files and folders of images: name one of them", from);
    place_batches(survey);
    if (!survey->folders && !survey->batch_count)
        return error_set(why, "%s: holds neither CIFAR-10's binary files (data_batch_*.bin, test_batch.bin) nor images "
                         "(.jpg, .jpeg, .png) in folders train/CLASS and test/CLASS", from);
    if (!survey->images[TRAIN])
        return error_set(why, "%s: holds test images only: there is nothing to train on (%s)", from,
                         survey->folders ? "train/CLASS/*.jpg or *.png" : "data_batch_*.bin");
    if (!survey->folders && !survey->class_count) {
        memcpy(survey->classes, cifar_classes, sizeof cifar_classes);
        survey->class_count = CIFAR_CLASSES;
    }
    return 0;
}

int survey_take(struct survey *survey, const char *from, struct error *why)
{
    struct entries entries;
    memset(survey, 0, sizeof *survey);
    bool found = true;
    int status = entries_open(&entries, from, why);
    while (!status && !(status = entries_next(&entries, &found, why)) && found)
        status = add_entry(survey, &entries, why);
    entries_close(&entries);
    return status ? -1 : check(survey, from, why);
}

void survey_free(struct survey *survey)
{
    free(survey->top);
    survey->top = NULL;
}
