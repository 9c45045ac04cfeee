#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"
#include "store.h"

enum { ROWS_MAX = 250, CHUNK_BYTES = 4 << 20, LABEL_ROWS = 10000 };

static size_t writer_image_bytes(const struct writer *writer)
{
    return (size_t)writer->side * (size_t)writer->side * IMAGE_CHANNELS;
}

/* "/train/images" or "/train/labels". */
static const char *set_name(int split, const char *what, char name[32])
{
    snprintf(name, 32, "/%s/%s", split_names[split], what);
    return name;
}

/* Creates a split's two empty data sets, and buffers for one chunk of rows. */
static int split_open(struct writer *writer, int split, struct error *why)
{
    static const char *const labels[] = {"N", "H", "W", "C"};
    struct split_writer *own = &writer->splits[split];
    struct h5_shape images = {H5_UINT8, 4, {0, writer->side, writer->side, IMAGE_CHANNELS}};
    struct h5_shape classes = {H5_UINT8, 1, {0}};
    char name[32];
    own->images = memory_new((size_t)writer->rows, writer_image_bytes(writer), "a chunk of images", why);
    own->labels = memory_new((size_t)writer->rows, 1, "a chunk of labels", why);
    if (!own->images || !own->labels)
        return -1;
    return h5_make(writer->h5, set_name(split, "images", name), &images, labels, writer->rows, why) ||
                   h5_make(writer->h5, set_name(split, "labels", name), &classes, labels, LABEL_ROWS, why)
               ? -1
               : 0;
}

int writer_open(struct writer *writer, const char *file, int side, struct error *why)
{
    *writer = (struct writer){.side = side};
    writer->rows = CHUNK_BYTES / (int64_t)writer_image_bytes(writer);
    writer->rows = writer->rows > ROWS_MAX ? ROWS_MAX : writer->rows < 1 ? 1 : writer->rows;
    writer->h5 = h5_create(file, why);
    if (!writer->h5)
        return -1;
    for (int split = 0; split < SPLITS; split++)
        if (split_open(writer, split, why))
            return -1;
    return 0;
}

/* Writes the buffered rows. */
static int split_flush(struct writer *writer, int split, struct error *why)
{
    struct split_writer *own = &writer->splits[split];
    char name[32];
    if (h5_put(writer->h5, set_name(split, "images", name), own->first, own->filled, own->images, why) ||
        h5_put(writer->h5, set_name(split, "labels", name), own->first, own->filled, own->labels, why))
        return -1;
    own->first += own->filled;
    own->filled = 0;
    return 0;
}

int writer_add(struct writer *writer, const struct sample *sample, struct error *why)
{
    struct split_writer *own = &writer->splits[sample->split];
    if (sample->row != own->first + own->filled && split_flush(writer, sample->split, why))
        return -1;
    own->first = sample->row - own->filled; /* changes only if this row does not follow the previous one */
    memcpy(own->images + (size_t)own->filled * writer_image_bytes(writer), sample->pixels, writer_image_bytes(writer));
    own->labels[own->filled] = (uint8_t)sample->label;
    own->filled++;
    return own->filled == writer->rows ? split_flush(writer, sample->split, why) : 0;
}

/* Rows may arrive in any order, so the digest is computed from the written file. */
static int set_finish(struct writer *writer, int split, const char *what, struct error *why)
{
    char digest[DIGEST_TEXT], name[32];
    return h5_sha256(writer->h5, set_name(split, what, name), digest, why) ||
                   h5_set_text(writer->h5, name, "sha256", digest, why)
               ? -1
               : 0;
}

int writer_finish(struct writer *writer, struct error *why)
{
    for (int split = 0; split < SPLITS; split++)
        if (split_flush(writer, split, why) || set_finish(writer, split, "images", why) ||
            set_finish(writer, split, "labels", why))
            return -1;
    return 0;
}

int writer_close(struct writer *writer, struct error *why)
{
    for (int split = 0; split < SPLITS; split++) {
        free(writer->splits[split].images);
        free(writer->splits[split].labels);
    }
    int status = h5_close(writer->h5, why);
    memset(writer, 0, sizeof *writer);
    return status;
}
