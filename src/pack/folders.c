/* The layout, splits and classes of a source of images, found from the names of its files and folders. */
#include <stdlib.h>
#include <string.h>

#include "parts.h"

/* ---- a table for each layout, filled name by name ---- */

/* The row of the class; inserted in sorted order if it is missing. NULL if the table is full. */
static struct class_row *find_row(struct folder_table *table, const char *name)
{
    int at = 0, order = 1;
    while (at < table->count && (order = strcmp(table->rows[at].name, name)) < 0)
        at++;
    struct class_row *row = &table->rows[at];
    if (at < table->count && order == 0)
        return row;
    if (table->count == CLASSES_MAX)
        return NULL;
    memmove(row + 1, row, (size_t)(table->count - at) * sizeof *row);
    memset(row, 0, sizeof *row);
    strcpy(row->name, name);
    table->count++;
    return row;
}

/* Starts the table again for the folder's TOP/; until now it held only folders without images under another TOP/. */
static int begin_top(struct folder_table *table, const char *name, const struct class_folder *folder, struct error *why)
{
    free(table->top);
    table->count = 0;
    table->top = strndup(name, (size_t)folder->top);
    return table->top ? 0 : error_set(why, "no memory for its name");
}

static int add_image(struct folder_table *table, const char *name, const struct class_folder *folder, struct error *why)
{
    if (!class_folder_is_in(folder, name, table->top)) {
        if (table->images && folder->word == NO_WORD)
            return error_set(why, "lies beside the class folders in '%s': if those are a split, call the folder train or test",
                             table->top);
        if (table->images)
            return error_set(why, "lies beside %s%s/: there are several data sets; name one of them", table->top,
                             split_words[folder->word].name);
        if (begin_top(table, name, folder, why))
            return -1;
    }
    if (!folder->class_name[0])
        return error_set(why, "the class folder's name is longer than %d bytes", NAME_TEXT - 1);
    struct class_row *row = find_row(table, folder->class_name);
    if (!row)
        return error_set(why, "begins class %d, but labels are bytes: at most %d classes", CLASSES_MAX + 1, CLASSES_MAX);
    int word = folder->word == NO_WORD ? 0 : folder->word;
    row->folder[word] = true;
    row->images[word]++;
    table->images++;
    return 0;
}

/* Adds an empty class folder. A folder with the name of a split is not a class until it has images. */
static int add_folder(struct folder_table *table, const char *name, const struct class_folder *folder, struct error *why)
{
    if (!folder->class_name[0] || class_is_split_word(folder->class_name))
        return 0;
    if (!class_folder_is_in(folder, name, table->top) && (table->images || begin_top(table, name, folder, why)))
        return table->images ? 0 : -1;
    struct class_row *row = find_row(table, folder->class_name);
    if (row)
        row->folder[folder->word == NO_WORD ? 0 : folder->word] = true;
    return 0;
}

int table_add(struct folder_table *table, const char *name, bool is_image, struct error *why)
{
    struct class_folder folder;
    if (table->conflict.text[0] || !class_folder_find(name, table->layout, &folder))
        return 0;
    return is_image ? add_image(table, name, &folder, why) : add_folder(table, name, &folder, why);
}

/* ---- all names together ---- */

static int64_t word_images(const struct folder_table *table, int word)
{
    int64_t images = 0;
    for (int i = 0; i < table->count; i++)
        images += table->rows[i].images[word];
    return images;
}

static bool word_is_there(const struct folder_table *table, int word)
{
    for (int i = 0; i < table->count; i++)
        if (table->rows[i].folder[word])
            return true;
    return false;
}

/* The first word of the split that has images; if none has, the first that has class folders. */
static int choose_word(const struct folder_table *table, int split)
{
    int chosen = NO_WORD;
    for (int word = SPLIT_WORDS - 1; word >= 0; word--) {
        if (split_words[word].split != split || !word_is_there(table, word))
            continue;
        if (chosen == NO_WORD || word_images(table, word) || !word_images(table, chosen))
            chosen = word;
    }
    return chosen;
}

/* Chooses each split's folder. In LAYOUT_FLAT everything is in word 0, "train". */
static void choose_words(struct survey *survey, const struct folder_table *table)
{
    for (int split = 0; split < SPLITS; split++)
        survey->words[split] = choose_word(table, split);
    for (int word = 0; word < SPLIT_WORDS; word++)
        survey->word_images[word] = word_images(table, word);
}

/* Takes over the classes that have a folder in one of the chosen splits, and their image counts. */
static void take_classes(struct survey *survey, const struct folder_table *table)
{
    for (int i = 0; i < table->count; i++) {
        const struct class_row *row = &table->rows[i];
        bool is_class = false;
        int64_t *images = survey->class_images[survey->classes.count];
        for (int split = 0; split < SPLITS; split++) {
            int word = survey->words[split];
            images[split] = word == NO_WORD ? 0 : row->images[word];
            survey->images[split] += images[split];
            is_class = is_class || (word != NO_WORD && row->folder[word]);
        }
        if (is_class)
            strcpy(survey->classes.names[survey->classes.count++], row->name);
    }
}

static int check_share(const struct survey *survey, const char *from, double share, struct error *why)
{
    if (share > 0 && survey->images[TEST])
        return error_set(why, "%s: has test images of its own, in %s/: leave --test-share out", from,
                         split_words[survey->words[TEST]].name);
    if (share <= 0 && survey->layout == LAYOUT_FLAT)
        return error_set(why, "%s: its class folders are not in folders train and test (%s): --test-share 0.1 takes a tenth of "
                         "the images for the test", from, survey->first[ENTRY_IMAGE]);
    return 0;
}

/* Checks by names only; the effect of --test-share and --skip-bad is known only after packing. */
static int check_class_folders(struct survey *survey, const char *from, const struct pack_request *request, struct error *why)
{
    survey->tested = request->test_share <= 0 && survey->words[TEST] != NO_WORD;
    if (!request->allow_missing_classes && classes_check(survey, survey->class_images, from, request, why))
        return -1;
    survey->tested = survey->tested || request->test_share > 0;
    return 0;
}

int folders_choose(struct survey *survey, struct folder_table tables[LAYOUTS], const char *from,
                   const struct pack_request *request, struct error *why)
{
    survey->layout = tables[LAYOUT_SPLITS].images ? LAYOUT_SPLITS : LAYOUT_FLAT;
    struct folder_table *table = &tables[survey->layout];
    if (table->conflict.text[0])
        return error_set(why, "%s", table->conflict.text);
    survey->top = table->top;
    table->top = NULL;
    choose_words(survey, table);
    take_classes(survey, table);
    if (check_share(survey, from, request->test_share, why) ||
        (request->classes && classes_order(survey, request->classes, why)))
        return -1;
    if (!survey->images[TRAIN])
        return error_set(why, "%s: holds only test images: there is nothing to train on (train/CLASS/*.jpg or *.png)", from);
    return check_class_folders(survey, from, request, why);
}
