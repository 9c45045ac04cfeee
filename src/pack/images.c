/* Turns an image file in a class folder into a sample. */
#include <stdlib.h>
#include <string.h>

#include "parts.h"

enum { FIRST_BYTES = 1 << 16, UNUSABLE = 1 /* a status: this file is bad, continue with the next */ };

static int source_grow(struct source *source, struct error *why)
{
    size_t larger = source->capacity ? 2 * source->capacity : FIRST_BYTES;
    uint8_t *bytes = realloc(source->bytes, larger);
    if (!bytes)
        return error_set(why, "no memory for its %zu bytes", larger);
    source->bytes = bytes;
    source->capacity = larger;
    return 0;
}

/* Reads the whole current file into source->bytes. */
static int source_read_file(struct source *source, struct error *why)
{
    size_t got;
    source->size = 0;
    if (entries_read(&source->entries, NULL, 0, &got, why))
        return UNUSABLE;
    for (;;) {
        if (source->size == source->capacity && 2 * source->capacity > IMAGE_FILE_MAX) {
            error_set(why, "is %d MiB or larger: not an image", IMAGE_FILE_MAX >> 20);
            return UNUSABLE;
        }
        if (source->size == source->capacity && source_grow(source, why))
            return -1;
        size_t room = source->capacity - source->size;
        if (entries_read(&source->entries, source->bytes + source->size, room, &got, why))
            return -1;
        source->size += got;
        if (got < room)
            return 0;
    }
}

static int source_read_image(struct source *source, struct error *why)
{
    int status = source_read_file(source, why);
    if (status)
        return status;
    status = image_decode(&source->image, source->bytes, source->size, NULL, why);
    return status == IMAGE_NO_MEMORY ? -1 : status ? UNUSABLE : 0;
}

/* Adds a line to the digest, as sha256sum would print it: the digest of all lines identifies a directory of images. */
static int digest_line(struct source *source, const char *text, struct error *why)
{
    const char *name = source->entries.name;
    return digest_add(&source->digest, text, strlen(text), why) || digest_add(&source->digest, "  ", 2, why) ||
                   digest_add(&source->digest, name, strlen(name), why) || digest_add(&source->digest, "\n", 1, why)
               ? -1
               : 0;
}

/* Depends only on the file's content, so that copies of a file are in the same split. text: the file's SHA-256, of which 13 digits
 * (52 bits) fit into a double exactly. */
static int share_split(const char *text, double share)
{
    char start[14] = "";
    memcpy(start, text, 13);
    return (double)strtoull(start, NULL, 16) / (double)(1ull << 52) < share ? TEST : TRAIN;
}

static int choose_split(struct source *source, const struct class_folder *folder, int *split, struct error *why)
{
    char text[DIGEST_TEXT];
    double share = source->request->test_share;
    bool is_file = entries_are_files(&source->entries);
    if ((is_file || share > 0) && digest_data(source->bytes, source->size, "sha256", text, why))
        return -1;
    *split = share > 0 ? share_split(text, share) : split_words[folder->word].split;
    return is_file ? digest_line(source, text, why) : 0;
}

/* With --skip-bad, counts the file as left out; otherwise fails. */
static int leave_out(struct source *source, struct error *why)
{
    if (!source->request->skip_bad)
        return error_add(why, " (--skip-bad leaves such images out)");
    left_out_add(&source->bad, source->entries.name, why->text);
    return 0;
}

int source_image(struct source *source, const struct class_folder *folder, struct sample *sample, bool *found,
                 struct error *why)
{
    int label = class_list_find(&source->survey->classes, folder->class_name), side = source->side, split;
    if (label < 0)
        return entries_changed(why);
    int status = source_read_image(source, why);
    if (status == UNUSABLE)
        return leave_out(source, why);
    if (status || choose_split(source, folder, &split, why))
        return -1;
    source->resized += source->image.height != side || source->image.width != side;
    source->reshaped += source->image.height != source->image.width;
    if (image_resize(&source->image, side, side, source->request->resize, why))
        return -1;
    *sample = (struct sample){split, label, source->images[split]++, source->image.pixels};
    *found = true;
    return 0;
}
