#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

enum { PLANE = CIFAR_SIDE * CIFAR_SIDE };

int source_open(struct source *source, const struct survey *survey, const char *from, const struct pack_request *request,
                struct error *why)
{
    memset(source, 0, sizeof *source);
    source->survey = survey;
    source->request = request;
    source->side = survey->folders ? request->image_size : CIFAR_SIDE;
    return entries_open(&source->entries, from, why) ? -1 : digest_open(&source->digest, "sha256", why);
}

void source_close(struct source *source)
{
    struct error ignored;
    if (source->digest.context)
        digest_close(&source->digest, NULL, &ignored);
    entries_close(&source->entries);
    image_free(&source->image);
    free(source->bytes);
    memset(source, 0, sizeof *source);
}

/* Ends the current digest, stores it as the digest of file `name`, and begins a new one. */
static int file_done(struct source *source, const char *name, struct error *why)
{
    if (source->file_count == CIFAR_FILES_MAX)
        return error_set(why, "was not there a moment ago: the source changes while it is packed");
    struct source_file *file = &source->files[source->file_count++];
    snprintf(file->name, sizeof file->name, "%.*s", NAME_TEXT - 1, name);
    return digest_close(&source->digest, file->sha256, why) || digest_open(&source->digest, "sha256", why) ? -1 : 0;
}

/* Called after the last sample. */
static int source_done(struct source *source, struct error *why)
{
    char *path = realpath(source->entries.from, NULL);
    const char *slash = path ? strrchr(path, '/') : NULL;
    int status = 0;
    if (!entries_are_files(&source->entries) || source->survey->folders)
        status = file_done(source, slash ? slash + 1 : source->entries.from, why);
    if (!status && !entries_are_files(&source->entries))
        status = digest_file(source->entries.from, "sha256", source->files[source->file_count - 1].sha256, why);
    free(path);
    return status;
}

/* ---- CIFAR-10's binary files: a label, then red, green and blue planes ---- */

static void interleave(const uint8_t *planes, uint8_t *pixels)
{
    for (int i = 0; i < PLANE; i++)
        for (int c = 0; c < IMAGE_CHANNELS; c++)
            pixels[i * IMAGE_CHANNELS + c] = planes[c * PLANE + i];
}

/* The next record of the current file, whose size the survey has checked; *found is false at its end. */
static int record_next(struct source *source, struct sample *sample, bool *found, struct error *why)
{
    uint8_t record[CIFAR_RECORD];
    size_t got;
    if (entries_read(&source->entries, record, sizeof record, &got, why))
        return -1;
    *found = source->record < source->batch->images;
    if (got != (*found ? sizeof record : 0))
        return entries_changed(why);
    if (*found && record[0] >= CIFAR_CLASSES)
        return error_set(why, "record %lld (the first is 0) has label %d, but labels are 0 to %d: the file is damaged",
                         (long long)source->record, record[0], CIFAR_CLASSES - 1);
    if (!*found)
        return entries_are_files(&source->entries) ? file_done(source, source->place.base, why) : 0;
    interleave(record + 1, source->pixels);
    *sample = (struct sample){source->batch->split, record[0], source->batch->first + source->record++, source->pixels};
    return entries_are_files(&source->entries) ? digest_add(&source->digest, record, sizeof record, why) : 0;
}

/* Starts the current binary file. */
static int batch_start(struct source *source, struct error *why)
{
    source->record = 0;
    source->batch = survey_find(source->survey, source->place.base);
    return source->batch ? 0 : entries_changed(why);
}

/* ---- entries ---- */

/* Finds the class folder, known to the survey, that contains the current entry. */
static bool find_folder(const struct source *source, struct class_folder *folder)
{
    const struct survey *survey = source->survey;
    const char *name = source->entries.name;
    return survey->folders && class_folder_find(name, survey->layout, folder) &&
           class_folder_is_in(folder, name, survey->top);
}

static bool is_taken(const struct survey *survey, const struct class_folder *folder)
{
    return folder->word == NO_WORD || folder->word == survey->words[split_words[folder->word].split];
}

/* Handles an entry that is not a binary file. *found: it is a sample. Counts other files that the user may have meant as images. */
static int other_next(struct source *source, struct sample *sample, bool *found, struct error *why)
{
    enum entry_kind kind = source->place.kind;
    struct class_folder folder;
    bool in_folder = find_folder(source, &folder);
    if (kind == ENTRY_HIDDEN || kind == ENTRY_FOLDER || (in_folder && !is_taken(source->survey, &folder)))
        return 0;
    if (in_folder && kind == ENTRY_IMAGE)
        return source_image(source, &folder, sample, found, why) ? entries_error(&source->entries, why) : 0;
    if (in_folder || kind == ENTRY_IMAGE || kind == ENTRY_PICTURE)
        left_out_add(&source->strays, source->entries.name, "");
    return 0;
}

/* Reads the next record of a binary file. */
static int batch_next(struct source *source, struct sample *sample, bool *found, struct error *why)
{
    return record_next(source, sample, found, why) ? entries_error(&source->entries, why) : 0;
}

/* Takes the next entry; *more is false after the last. */
static int next_entry(struct source *source, bool *more, struct error *why)
{
    if (entries_next(&source->entries, more, why))
        return -1;
    if (!*more)
        return source_done(source, why);
    entry_find(source->entries.name, source->entries.size, &source->place);
    if (source->place.kind == ENTRY_BATCH && source->survey->folders)
        source->place.kind = ENTRY_OTHER;
    return source->place.kind == ENTRY_BATCH && batch_start(source, why) ? entries_error(&source->entries, why) : 0;
}

int source_next(struct source *source, struct sample *sample, bool *found, struct error *why)
{
    bool more = true;
    int status = 0;
    *found = false;
    if (source->place.kind == ENTRY_BATCH)
        status = batch_next(source, sample, found, why);
    while (!status && !*found && !(status = next_entry(source, &more, why)) && more)
        status = source->place.kind == ENTRY_BATCH ? batch_next(source, sample, found, why)
                                                   : other_next(source, sample, found, why);
    return status;
}
