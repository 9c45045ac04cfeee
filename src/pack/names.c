#include <fnmatch.h>
#include <string.h>
#include <strings.h>

#include "parts.h"

const char *const split_names[SPLITS] = {"train", "test"}, *const split_adjectives[SPLITS] = {"training", "test"};

const struct split_word split_words[SPLIT_WORDS] = {
    {"train", TRAIN}, {"training", TRAIN}, {"test", TEST},       {"testing", TEST},
    {"val", TEST},    {"valid", TEST},     {"validation", TEST},
};

enum { CIFAR100_RECORD = CIFAR_RECORD + 1 }; /* a coarse and a fine label */

/* fnmatch patterns: for the file name, or, with a slash, for the whole path. */
static const struct {
    const char *pattern;
    enum entry_kind kind;
} patterns[] = {
    {"batches.meta.txt", ENTRY_NAMES},
    {"test_batch.bin", ENTRY_BATCH},
    {"data_batch_*.bin", ENTRY_BATCH},
    {"data_batch_[1-5]", ENTRY_PYTHON},
    {"test_batch", ENTRY_PYTHON},
    {"batches.meta", ENTRY_PYTHON},
    {"data_batch_[1-5].mat", ENTRY_MATLAB},
    {"test_batch.mat", ENTRY_MATLAB},
    {"batches.meta.mat", ENTRY_MATLAB},
    {"cifar-10-python.tar.gz", ENTRY_PYTHON},
    {"cifar-10-matlab.tar.gz", ENTRY_MATLAB},
    {"cifar-100-*.tar.gz", ENTRY_CIFAR100},
    {"fine_label_names.txt", ENTRY_CIFAR100},
    {"thumbs.db", ENTRY_HIDDEN},
    {"desktop.ini", ENTRY_HIDDEN},
    {"*.jpg", ENTRY_IMAGE},
    {"*.jpeg", ENTRY_IMAGE},
    {"*.jfif", ENTRY_IMAGE},
    {"*.png", ENTRY_IMAGE},
    {"*.webp", ENTRY_PICTURE},
    {"*.gif", ENTRY_PICTURE},
    {"*.bmp", ENTRY_PICTURE},
    {"*.tif", ENTRY_PICTURE},
    {"*.tiff", ENTRY_PICTURE},
    {"*.heic", ENTRY_PICTURE},
    {"*.avif", ENTRY_PICTURE},
    {"*.jp2", ENTRY_PICTURE},
    {"*.p[pgbn]m", ENTRY_PICTURE},
    {"*.tar", ENTRY_ARCHIVE},
    {"*.tar.*", ENTRY_ARCHIVE},
    {"*.t[gbx]z", ENTRY_ARCHIVE},
    {"*.zip", ENTRY_ARCHIVE},
    {"*cifar-100-python/*", ENTRY_CIFAR100},
    {"*cifar-100-matlab/*", ENTRY_CIFAR100},
};

static bool is_hidden_part(const char *part, size_t length)
{
    static const char *const names[] = {"__MACOSX", "@eaDir"};
    size_t dots = strspn(part, ".");
    if (dots && (dots < length || dots > 2))
        return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == length && !memcmp(part, names[i], length))
            return true;
    return false;
}

/* Whether any part of the path is hidden: ".x", but not "." or "..". */
static bool is_hidden(const char *name)
{
    while (*name) {
        name += strspn(name, "/");
        size_t length = strcspn(name, "/");
        if (is_hidden_part(name, length))
            return true;
        name += length;
    }
    return false;
}

static enum entry_kind find_kind(const char *name, const char *base)
{
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        bool whole = strchr(patterns[i].pattern, '/');
        if (!fnmatch(patterns[i].pattern, whole ? name : base, FNM_CASEFOLD))
            return patterns[i].kind;
    }
    return ENTRY_OTHER;
}

static const char *base_of(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

void entry_find(const char *name, int64_t size, struct entry_place *place)
{
    *place = (struct entry_place){.kind = ENTRY_HIDDEN, .base = base_of(name)};
    if (is_hidden(name))
        return;
    bool is_cifar100 = (!strcmp(place->base, "train.bin") || !strcmp(place->base, "test.bin")) && size > 0 &&
                       size % CIFAR100_RECORD == 0;
    place->kind = !*place->base ? ENTRY_FOLDER : is_cifar100 ? ENTRY_CIFAR100 : find_kind(name, place->base);
    place->split = place->kind == ENTRY_BATCH && !strncasecmp(place->base, "test", 4) ? TEST : TRAIN;
}

/* The part of `name` that ends at the slash before `end`: its start and length; NULL if there is none. */
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

static int find_word(const char *part, int length)
{
    for (int i = 0; i < SPLIT_WORDS; i++)
        if ((int)strlen(split_words[i].name) == length && !strncasecmp(part, split_words[i].name, (size_t)length))
            return i;
    return NO_WORD;
}

bool class_folder_is_in(const struct class_folder *folder, const char *name, const char *top)
{
    return top && (int)strlen(top) == folder->top && !strncmp(top, name, (size_t)folder->top);
}

bool class_is_split_word(const char *class_name)
{
    return find_word(class_name, (int)strlen(class_name)) != NO_WORD;
}

bool class_folder_find(const char *name, enum layout layout, struct class_folder *found)
{
    int length = 0, length_above = 0;
    const char *folder = part_before(name, base_of(name), &length), *above = folder;
    *found = (struct class_folder){.word = NO_WORD};
    if (!folder || (int)strspn(folder, ".") == length) /* none, "/", "./", "../" */
        return false;
    if (layout == LAYOUT_SPLITS)
        while ((above = part_before(name, folder, &length_above)) &&
               (found->word = find_word(above, length_above)) == NO_WORD) {
            folder = above;
            length = length_above;
        }
    if (!above)
        return false;
    found->top = (int)(above - name);
    if (length < NAME_TEXT)
        memcpy(found->class_name, folder, (size_t)length);
    return true;
}
