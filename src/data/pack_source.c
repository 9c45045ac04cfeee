#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pack.h"

enum { PLANE = CIFAR_SIDE * CIFAR_SIDE, FIRST_BYTES = 1 << 16 };

int source_open(struct source *source, const struct survey *survey, const char *from, int side, enum resize how,
                struct error *why)
{
    memset(source, 0, sizeof *source);
    source->how = how;
    source->survey = survey;
    source->side = survey->folders ? side : CIFAR_SIDE;
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

/* The digest so far becomes that of a file. */
static int file_done(struct source *source, const char *name, struct error *why)
{
    if (source->file_count == CIFAR_FILES_MAX)
        return error_set(why, "is one file more than a moment ago: the source changes while it is packed");
    struct source_file *file = &source->files[source->file_count++];
    snprintf(file->name, sizeof file->name, "%.*s", NAME_TEXT - 1, name);
    return digest_close(&source->digest, file->sha256, why) || digest_open(&source->digest, "sha256", why) ? -1 : 0;
}

/* Behind the last sample. */
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

/* ---- CIFAR-10's binary files: a label, then the planes of red, green and blue ---- */

static void interleave(const uint8_t *planes, uint8_t *pixels)
{
    for (int i = 0; i < PLANE; i++)
        for (int c = 0; c < IMAGE_CHANNELS; c++)
            pixels[i * IMAGE_CHANNELS + c] = planes[c * PLANE + i];
}

static int changed(struct error *why)
{
    return error_set(why, "is not what it was a moment ago: the source changes while it is packed");
}

/* The next record of the current file, which the survey has found to be whole; *found is false at its end. */
static int record_next(struct source *source, struct sample *sample, bool *found, struct error *why)
{
    uint8_t record[CIFAR_RECORD];
    size_t got;
    if (entries_read(&source->entries, record, sizeof record, &got, why))
        return -1;
    *found = source->record < source->batch->images;
    if (got != (*found ? sizeof record : 0))
        return changed(why);
    if (*found && record[0] >= CIFAR_CLASSES)
        return error_set(why, "record %lld (the first is 0) has label %d, but labels are 0 to %d: the file is damaged",
                         (long long)source->record, record[0], CIFAR_CLASSES - 1);
    if (!*found)
        return entries_are_files(&source->entries) ? file_done(source, source->place.base, why) : 0;
    interleave(record + 1, source->pixels);
    *sample = (struct sample){source->batch->split, record[0], source->batch->first + source->record++, source->pixels};
    return entries_are_files(&source->entries) ? digest_add(&source->digest, record, sizeof record, why) : 0;
}

/* ---- images in folders ---- */

static int grow(struct source *source, struct error *why)
{
    size_t larger = source->capacity ? 2 * source->capacity : FIRST_BYTES;
    if (larger > IMAGE_FILE_MAX)
        return error_set(why, "has %d MiB or more: not an image", IMAGE_FILE_MAX >> 20);
    uint8_t *bytes = realloc(source->bytes, larger);
    if (!bytes)
        return error_set(why, "no memory for its %zu bytes", larger);
    source->bytes = bytes;
    source->capacity = larger;
    return 0;
}

/* All of the current file into source->bytes. */
static int read_file(struct source *source, size_t *size, struct error *why)
{
    for (*size = 0;;) {
        if (*size == source->capacity && grow(source, why))
            return -1;
        size_t got, room = source->capacity - *size;
        if (entries_read(&source->entries, source->bytes + *size, room, &got, why))
            return -1;
        *size += got;
        if (got < room)
            return 0;
    }
}

/* A line as sha256sum writes it: the sum of all lines stands for a directory of images. */
static int digest_image(struct source *source, size_t size, struct error *why)
{
    struct digest digest;
    char text[DIGEST_TEXT];
    if (digest_open(&digest, "sha256", why))
        return -1;
    if (digest_add(&digest, source->bytes, size, why)) {
        struct error ignored;
        digest_close(&digest, NULL, &ignored);
        return -1;
    }
    const char *name = source->entries.name;
    return digest_close(&digest, text, why) || digest_add(&source->digest, text, strlen(text), why) ||
                   digest_add(&source->digest, "  ", 2, why) || digest_add(&source->digest, name, strlen(name), why) ||
                   digest_add(&source->digest, "\n", 1, why)
               ? -1
               : 0;
}

static int find_label(const struct survey *survey, const char *name, struct error *why)
{
    for (int i = 0; i < survey->class_count; i++)
        if (!strcmp(survey->classes[i], name))
            return i;
    return changed(why);
}

static int image_next(struct source *source, struct sample *sample, struct error *why)
{
    size_t size;
    int label = find_label(source->survey, source->place.class_name, why), side = source->side;
    if (label < 0 || read_file(source, &size, why) ||
        (entries_are_files(&source->entries) && digest_image(source, size, why)) ||
        image_decode(&source->image, source->bytes, size, NULL, why))
        return -1;
    source->resized += source->image.height != side || source->image.width != side;
    source->reshaped += source->image.height != source->image.width;
    if (image_resize(&source->image, side, side, source->how, why))
        return -1;
    int split = source->place.split;
    *sample = (struct sample){split, label, source->images[split]++, source->image.pixels};
    return 0;
}

/* Begins the current file. */
static int batch_start(struct source *source, struct error *why)
{
    source->record = 0;
    source->batch = survey_find(source->survey, source->place.base);
    return source->batch ? 0 : changed(why);
}

int source_next(struct source *source, struct sample *sample, bool *found, struct error *why)
{
    enum entry_kind wanted = source->survey->folders ? ENTRY_IMAGE : ENTRY_BATCH;
    for (*found = false;;) {
        if (source->place.kind == ENTRY_BATCH && record_next(source, sample, found, why))
            return entries_error(&source->entries, why);
        if (*found)
            return 0;
        bool more;
        if (entries_next(&source->entries, &more, why))
            return -1;
        if (!more)
            return source_done(source, why);
        entry_find(source->entries.name, &source->place);
        if (source->place.kind != wanted)
            source->place.kind = ENTRY_OTHER;
        if (source->place.kind == ENTRY_BATCH && batch_start(source, why))
            return entries_error(&source->entries, why);
        *found = source->place.kind == ENTRY_IMAGE;
        if (*found)
            return image_next(source, sample, why) ? entries_error(&source->entries, why) : 0;
    }
}
