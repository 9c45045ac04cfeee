/* Packing, inside: entries (the files of a directory or archive) -> survey (what they are) ->
 * source (samples, one after the other) -> writer (the packed file). */
#ifndef PACK_H
#define PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data.h"
#include "digest.h"
#include "error.h"
#include "image.h"

struct h5;

enum { TRAIN, TEST, SPLITS };
enum { NAME_TEXT = 64, CLASSES_MAX = 256 };
/* CIFAR-10's binary files: records of a label and three planes of bytes. */
enum { CIFAR_CLASSES = 10, CIFAR_SIDE = 32, CIFAR_RECORD = 1 + 3 * CIFAR_SIDE * CIFAR_SIDE, CIFAR_FILES_MAX = 64 };
extern const char *const split_names[SPLITS];

/* ---- entries: all but directories, in sorted order of a directory, in the archive's own order ---- */

struct entries {
    const char *from;
    const char *name; /* of the current one, below `from` */
    int64_t size;     /* its bytes, as far as is known */
    struct entries_state *state;
};
int entries_open(struct entries *entries, const char *from, struct error *why);
/* The next one; *found is false behind the last. */
int entries_next(struct entries *entries, bool *found, struct error *why);
/* The next bytes of the current one; *got is less than `bytes` at its end only. Asked for 0 bytes it still refuses
 * what has none to give: links of an archive, pipes, what nobody may read. */
int entries_read(struct entries *entries, void *data, size_t bytes, size_t *got, struct error *why);
/* Puts the current one's name before the sentence: "DIR/train/cat/1.jpg: ...", "ARCHIVE: train/cat/1.jpg: ...". */
int entries_error(const struct entries *entries, struct error *why);
bool entries_are_files(const struct entries *entries); /* of a directory */
void entries_close(struct entries *entries);

/* ---- survey: a first look at all names, so that what is wrong with a source is known at once ---- */

enum entry_kind { ENTRY_OTHER, ENTRY_STRAY, ENTRY_BATCH, ENTRY_NAMES, ENTRY_IMAGE };

/* What an entry is, by its name. */
struct entry_place {
    enum entry_kind kind; /* ENTRY_STRAY: an image or class folder's file where none is looked for; ENTRY_OTHER: also
                             whatever is hidden */
    int split;
    const char *base;                  /* the file's own name, in the entry's */
    char class_name[NAME_TEXT];        /* of an image; "" where it is too long */
    int top;                           /* length of the name before train/ or test/ */
};
void entry_find(const char *name, struct entry_place *place);

struct survey_batch {
    char name[NAME_TEXT]; /* the binary file's own */
    int split;
    int64_t first, images; /* its rows of the split */
};
struct survey {
    bool folders; /* of images; else CIFAR-10's binary files */
    int64_t images[SPLITS];
    int class_count;
    char classes[CLASSES_MAX][NAME_TEXT]; /* sorted; index = label */
    int batch_count;
    struct survey_batch batches[CIFAR_FILES_MAX]; /* sorted by name: so are their rows */
    int64_t strays;
    char *top; /* "NAME/" where the folders lie in NAME/train and NAME/test */
};
int survey_take(struct survey *survey, const char *from, struct error *why);
/* The binary file of that name, or NULL. */
const struct survey_batch *survey_find(const struct survey *survey, const char *name);
void survey_free(struct survey *survey);

/* ---- source: samples ---- */

/* Binary files have their rows from the sorted list of their names, so that the data set is the same whatever the
 * order of an archive. Images are numbered as they come: to sort an archive of them would take memory for all their
 * names, and random access to the packed file. */
struct sample {
    int split, label;
    int64_t row; /* of its split */
    const uint8_t *pixels; /* (side, side, 3), until the next sample */
};

/* Where samples came from. */
struct source_file {
    char name[NAME_TEXT], sha256[DIGEST_TEXT];
};

struct source {
    struct entries entries;
    const struct survey *survey;
    int side;        /* pixels, height and width */
    enum resize how;
    int64_t resized, reshaped; /* images that came in another size; those of them that are not square */
    /* Complete behind the last sample: each binary file of a directory; an archive; or a directory of
     * images, its digest over the lines that sha256sum prints for the images, in order. */
    struct source_file files[CIFAR_FILES_MAX];
    int file_count;
    struct digest digest; /* of the next of them */
    struct entry_place place;
    const struct survey_batch *batch; /* the current binary file */
    int64_t record;       /* in it: the next */
    int64_t images[SPLITS]; /* so far */
    uint8_t pixels[CIFAR_RECORD - 1]; /* of the current record, (side, side, 3) */
    uint8_t *bytes;       /* of the current image file */
    size_t capacity;
    struct image image;
};
/* side, how: of images in folders; binary files have their own side. The survey outlives the source. */
int source_open(struct source *source, const struct survey *survey, const char *from, int side, enum resize how,
                struct error *why);
/* *found is false behind the last. */
int source_next(struct source *source, struct sample *sample, bool *found, struct error *why);
void source_close(struct source *source);

/* ---- writer: samples of both splits to an HDF5 file ---- */

struct split_writer {
    int64_t first, filled; /* the rows that are not yet written */
    uint8_t *images, *labels;
};
struct writer {
    struct h5 *h5;
    int side;
    int64_t rows; /* of a chunk of images */
    struct split_writer splits[SPLITS];
};
int writer_open(struct writer *writer, const char *file, int side, struct error *why);
int writer_add(struct writer *writer, const struct sample *sample, struct error *why);
/* Writes what is left, and the digests of both splits. */
int writer_finish(struct writer *writer, struct error *why);
/* 0 only where the file is complete. Also of a zeroed writer. */
int writer_close(struct writer *writer, struct error *why);

/* ---- download ---- */

/* url -> the file `part`, going on where an earlier transfer ended. */
struct download {
    const char *url, *md5, *part; /* md5 "": not verified */
    int64_t bytes_max;            /* a server that sends more has another file */
    bool progress;
};
/* A file with the right digest is not fetched again; one with a wrong digest, or that is too large, is removed. */
int download_fetch(const struct download *download, struct error *why);

/* Lets a transfer speak http, https and file, but lets no server point it to a file, nor from https to http; a CURL's own
 * code. Chosen by libcurl's version, which has had two ways to say so: pack_curl_new.c or pack_curl_old.c. */
int transfer_limit(void *curl, bool secure);

/* ---- progress: a bar on standard error, at most ten times a second ---- */

struct progress {
    bool shown;
    const char *what, *unit; /* "packing", "images" */
    double scale;            /* of the counts to the unit: 1e6 for bytes and "MB" */
    double started, drawn_at;
    int64_t first; /* count at the start: what the rate does not count */
};
/* total 0: unknown. */
void progress_draw(struct progress *progress, int64_t done, int64_t total);
void progress_clear(struct progress *progress);

#endif
