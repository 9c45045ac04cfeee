#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

static const char cifar_classes[CIFAR_CLASSES][NAME_TEXT] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                                             "dog",      "frog",       "horse", "ship", "truck"};

enum { META_BYTES_MAX = 4096 }; /* size limit of batches.meta.txt */

/* ---- CIFAR-10's binary files ---- */

const struct survey_batch *survey_find(const struct survey *survey, const char *name)
{
    for (int i = 0; i < survey->batch_count; i++)
        if (!strcmp(survey->batches[i].name, name))
            return &survey->batches[i];
    return NULL;
}

/* Refuses a file that does not consist of whole records, before anything is written. */
static int batch_check(int64_t size, struct error *why)
{
    if (size <= 0)
        return error_set(why, "is empty, not a file of records of %d bytes", CIFAR_RECORD);
    if (size % CIFAR_RECORD)
        return error_set(why, "record %lld (the first is 0) has %lld of its %d bytes: the file is truncated, or not CIFAR-10's",
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

/* Assigns rows to the files in the order of their names. */
static void place_batches(struct survey *survey)
{
    qsort(survey->batches, (size_t)survey->batch_count, sizeof *survey->batches, batch_order);
    for (int i = 0; i < survey->batch_count; i++) {
        struct survey_batch *batch = &survey->batches[i];
        batch->first = survey->images[batch->split];
        survey->images[batch->split] += batch->images;
    }
}

/* batches.meta.txt: one class per line, in label order. */
static int read_names_file(struct survey *survey, struct entries *entries, struct error *why)
{
    char text[META_BYTES_MAX + 1];
    size_t got;
    if (entries_read(entries, text, META_BYTES_MAX, &got, why))
        return -1;
    text[got] = '\0';
    if (class_list_read(&survey->classes, text, CIFAR_CLASSES, why))
        return -1;
    if (survey->classes.count != CIFAR_CLASSES)
        return error_set(why, "has %d class names, one per line, instead of %d", survey->classes.count, CIFAR_CLASSES);
    return 0;
}

int survey_check_cifar(const char *from, const struct pack_request *request, struct error *why)
{
    if (!request->classes && request->test_share <= 0)
        return 0;
    return error_set(why, "%s: CIFAR-10's binary files have test images and classes of their own: leave --%s out", from,
                     request->classes ? "classes" : "test-share");
}

static int choose_batches(struct survey *survey, const char *from, const struct pack_request *request, struct error *why)
{
    if (survey_check_cifar(from, request, why))
        return -1;
    place_batches(survey);
    if (!survey->images[TRAIN])
        return error_set(why, "%s: holds only test images: there is nothing to train on (data_batch_*.bin)", from);
    if (!survey->classes.count) {
        memcpy(survey->classes.names, cifar_classes, sizeof cifar_classes);
        survey->classes.count = CIFAR_CLASSES;
    }
    return 0;
}

/* ---- sources without binary files or images in folders ---- */

static const char *other_cifar(const struct survey *survey)
{
    return survey->first[ENTRY_PYTHON][0] ? "Python" : survey->first[ENTRY_MATLAB][0] ? "Matlab" : NULL;
}

/* Sets a sentence that names the most informative kind of file found instead. */
static int nothing_found(const struct survey *survey, const char *from, struct error *why)
{
    const char *image = survey->first[ENTRY_IMAGE], *picture = survey->first[ENTRY_PICTURE];
    const char *archive = survey->first[ENTRY_ARCHIVE], *other = other_cifar(survey);
    if (other)
        return error_set(why, "%s: is CIFAR-10 for %s, but the binary version is needed, cifar-10-binary.tar.gz: "
                         "'cifar10_mpi pack --download OUT.h5' gets and packs it", from, other);
    if (survey->first[ENTRY_CIFAR100][0])
        return error_set(why, "%s: is CIFAR-100, of which only images in folders train/CLASS and test/CLASS can be packed; "
                         "'cifar10_mpi pack --download OUT.h5' gets CIFAR-10", from);
    if (image[0])
        return error_set(why, "%s: its images are not in class folders (%s): train/CLASS/*.jpg or *.png is needed, and "
                         "test/CLASS", from, image);
    if (picture[0])
        return error_set(why, "%s: holds only images in formats other than JPEG and PNG (%s): convert them", from, picture);
    if (archive[0])
        return error_set(why, "%s: holds no images, but an archive (%s): give that to --from, or unpack it", from, archive);
    return error_set(why, "%s: holds neither CIFAR-10's binary files (data_batch_*.bin, test_batch.bin) nor images "
                     "(.jpg, .jpeg, .png) in folders train/CLASS and test/CLASS", from);
}

/* ---- all names ---- */

/* Checks that the files can be read; with --skip-bad, unreadable images are found later. */
static int check_readable(struct entries *entries, enum entry_kind kind, bool skip_bad, struct error *why)
{
    size_t none;
    bool is_read = kind == ENTRY_BATCH || kind == ENTRY_NAMES || (kind == ENTRY_IMAGE && !skip_bad);
    return is_read ? entries_read(entries, NULL, 0, &none, why) : 0;
}

/* Adds an entry to the table of each layout if it is in a class folder or may be one. A conflict in the flat layout matters only if
 * that layout is chosen. */
static int add_in_folders(struct folder_table tables[LAYOUTS], struct entries *entries, enum entry_kind kind, struct error *why)
{
    struct folder_table *flat = &tables[LAYOUT_FLAT];
    if (table_add(flat, entries->name, kind == ENTRY_IMAGE, &flat->conflict))
        entries_error(entries, &flat->conflict);
    return table_add(&tables[LAYOUT_SPLITS], entries->name, kind == ENTRY_IMAGE, why);
}

/* Adds a dangling link as if it were a folder: it may have led to a class folder, and the class would then lack images. */
static int add_link(struct folder_table *splits, const struct entries *entries, struct error *why)
{
    char name[4096];
    snprintf(name, sizeof name, "%s/", entries->name);
    return table_add(splits, name, false, why);
}

static int add_entry(struct survey *survey, struct folder_table tables[LAYOUTS], struct entries *entries, bool skip_bad,
                     struct error *why)
{
    struct entry_place place;
    entry_find(entries->name, entries->size, &place);
    if (!survey->first[place.kind][0])
        snprintf(survey->first[place.kind], NAMED_TEXT, "%s", entries->name);
    int status = check_readable(entries, place.kind, skip_bad, why);
    if (!status)
        switch (place.kind) {
        case ENTRY_BATCH: status = add_batch(survey, entries, &place, why); break;
        case ENTRY_NAMES: status = read_names_file(survey, entries, why); break;
        case ENTRY_IMAGE:
        case ENTRY_PICTURE:
        case ENTRY_FOLDER: status = add_in_folders(tables, entries, place.kind, why); break;
        case ENTRY_OTHER: status = entries->is_link ? add_link(&tables[LAYOUT_SPLITS], entries, why) : 0; break;
        default: break;
        }
    return status ? entries_error(entries, why) : 0;
}

/* Whether there are class folders side by side. Folders without images do not count, nor do those with the name of a split. */
static bool flat_is_there(const struct folder_table *flat)
{
    for (int i = 0; i < flat->count; i++)
        if (flat->rows[i].images[0] && !class_is_split_word(flat->rows[i].name))
            return true;
    return false;
}

/* Chooses the kind of source: images in split folders or binary files, not both; otherwise class folders side by side. */
static int survey_choose(struct survey *survey, struct folder_table tables[LAYOUTS], const char *from,
                  const struct pack_request *request, struct error *why)
{
    bool splits = tables[LAYOUT_SPLITS].images;
    if (splits && survey->batch_count)
        return error_set(why, "%s: holds CIFAR-10's binary files and folders of images: name one of them", from);
    if (survey->batch_count)
        return choose_batches(survey, from, request, why);
    if (!splits && !flat_is_there(&tables[LAYOUT_FLAT]))
        return nothing_found(survey, from, why);
    survey->folders = true;
    survey->classes.count = 0; /* batches.meta.txt does not apply to folders */
    return folders_choose(survey, tables, from, request, why);
}

int survey_take(struct survey *survey, const char *from, const struct pack_request *request, struct error *why)
{
    struct entries entries;
    memset(survey, 0, sizeof *survey);
    struct folder_table *tables = memory_new(LAYOUTS, sizeof *tables, "the table of classes", why);
    if (!tables)
        return -1;
    for (int i = 0; i < LAYOUTS; i++)
        tables[i].layout = i;
    bool found = true;
    int status = entries_open(&entries, from, why);
    while (!status && !(status = entries_next(&entries, &found, why)) && found)
        status = add_entry(survey, tables, &entries, request->skip_bad, why);
    entries_close(&entries);
    status = status || survey_choose(survey, tables, from, request, why) ? -1 : 0;
    for (int i = 0; i < LAYOUTS; i++)
        free(tables[i].top);
    free(tables);
    return status;
}

void survey_free(struct survey *survey)
{
    free(survey->top);
    survey->top = NULL;
}
