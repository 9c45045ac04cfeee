/* Packing, inside: entries (the files and folders of a directory or archive) -> names (what each one is) ->
 * survey (what all of them are: splits, classes, counts) -> source (samples, one after the other) -> writer (the packed file). */
#ifndef PACK_PARTS_H
#define PACK_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pack.h"
#include "digest.h"
#include "error.h"
#include "image.h"

struct h5;

enum { TRAIN, TEST, SPLITS };
enum { NAME_TEXT = 64, CLASSES_MAX = 256 };
enum { NAMED_MAX = 5, NAMED_TEXT = 384 }; /* names that a message lists; bytes for one */
/* CIFAR-10's binary files: records of a label and three planes of bytes. */
enum { CIFAR_CLASSES = 10, CIFAR_SIDE = 32, CIFAR_RECORD = 1 + 3 * CIFAR_SIDE * CIFAR_SIDE, CIFAR_FILES_MAX = 64 };
extern const char *const split_names[SPLITS], *const split_adjectives[SPLITS];

/* ---- entries: files and folders, in sorted order of a directory, in the archive's own order ---- */

struct entries {
    const char *from;
    const char *name; /* of the current one, below `from`; a folder's ends with a slash */
    int64_t size;     /* its bytes, as far as is known */
    bool is_link;     /* to nowhere, or in an archive: it may have been a file or a folder */
    struct entries_state *state;
};
int entries_open(struct entries *entries, const char *from, struct error *why);
/* The next one; *found is false behind the last. */
int entries_next(struct entries *entries, bool *found, struct error *why);
/* The next bytes of the current one; *got is less than `bytes` at its end only. Asked for 0 bytes it still refuses
 * what has none to give: folders, links of an archive, pipes, files that the user may not read. */
int entries_read(struct entries *entries, void *data, size_t bytes, size_t *got, struct error *why);
/* Puts the current one's name before the sentence: "DIR/train/cat/1.jpg: ...", "ARCHIVE: train/cat/1.jpg: ...". */
int entries_error(const struct entries *entries, struct error *why);
bool entries_are_files(const struct entries *entries); /* of a directory */
void entries_close(struct entries *entries);

/* ---- names: what one entry is, by its name ---- */

enum entry_kind {
    ENTRY_OTHER,
    ENTRY_HIDDEN,   /* .x, __MACOSX, Thumbs.db: nobody means them */
    ENTRY_FOLDER,
    ENTRY_BATCH,    /* CIFAR-10's binary files */
    ENTRY_NAMES,    /* batches.meta.txt */
    ENTRY_IMAGE,    /* .jpg, .jpeg, .png */
    ENTRY_PICTURE,  /* an image in a format that is not read: .webp, .gif, ... */
    ENTRY_ARCHIVE,  /* .tar.gz, .zip, ... */
    ENTRY_PYTHON,   /* CIFAR-10 in forms that are not read, and CIFAR-100 */
    ENTRY_MATLAB,
    ENTRY_CIFAR100,
    ENTRY_KINDS
};
struct entry_place {
    enum entry_kind kind;
    int split;        /* of ENTRY_BATCH */
    const char *base; /* the file's own name, in the entry's; "" of a folder */
};
void entry_find(const char *name, int64_t size, struct entry_place *place);

/* Class folders lie in split folders, TOP/train/CLASS (LAYOUT_SPLITS), or side by side, TOP/CLASS (LAYOUT_FLAT). */
enum layout { LAYOUT_SPLITS, LAYOUT_FLAT, LAYOUTS };
/* Names of split folders, in any case of letters. Of several for one split the first is taken. */
enum { SPLIT_WORDS = 7, NO_WORD = -1 };
extern const struct split_word {
    const char *name;
    int split;
} split_words[SPLIT_WORDS];

struct class_folder {
    int word;                   /* index in split_words; NO_WORD in LAYOUT_FLAT */
    int top;                    /* length of TOP/, before the split's or the class's folder */
    char class_name[NAME_TEXT]; /* "" where it is too long */
};
/* The class folder that an entry lies in or, of a folder, is; false where there is none. In LAYOUT_SPLITS an image may
 * lie deeper, TOP/train/CLASS/more/1.jpg; in LAYOUT_FLAT the class is the folder right above it. */
bool class_folder_find(const char *name, enum layout layout, struct class_folder *found);
/* Whether it lies right in that TOP/ (NULL: there is none). name: the entry's. */
bool class_folder_is_in(const struct class_folder *folder, const char *name, const char *top);
bool class_is_split_word(const char *class_name);

/* ---- survey: a first look at all names, so that what is wrong with a source is known at once ---- */

struct survey_batch {
    char name[NAME_TEXT]; /* the binary file's own */
    int split;
    int64_t first, images; /* its rows of the split */
};
struct class_list {
    int count;
    char names[CLASSES_MAX][NAME_TEXT]; /* index = label */
};
struct survey {
    bool folders; /* of images; else CIFAR-10's binary files */
    int64_t images[SPLITS]; /* where --test-share splits them: all are in TRAIN */
    struct class_list classes;
    int batch_count;
    struct survey_batch batches[CIFAR_FILES_MAX]; /* sorted by name: so are their rows */
    /* Of folders. */
    enum layout layout;
    char *top;          /* TOP/ */
    int words[SPLITS];  /* the split folders that are taken; NO_WORD */
    int64_t word_images[SPLIT_WORDS]; /* also in split folders that are not taken */
    bool tested;        /* there is a test split, of the source's own or by --test-share */
    int64_t class_images[CLASSES_MAX][SPLITS];
    char first[ENTRY_KINDS][NAMED_TEXT]; /* the first name of each kind */
};
/* An error where the request has a test share or classes for CIFAR-10's binary files. `from` begins the sentence. */
int survey_check_cifar(const char *from, const struct pack_request *request, struct error *why);
/* from: the request's, or what was downloaded. */
int survey_take(struct survey *survey, const char *from, const struct pack_request *request, struct error *why);
/* The binary file of that name, or NULL. */
const struct survey_batch *survey_find(const struct survey *survey, const char *name);
void survey_free(struct survey *survey);

/* What the names say about one layout. */
struct class_row {
    char name[NAME_TEXT];
    bool folder[SPLIT_WORDS]; /* there is such a folder, maybe without images; flat: all in word 0 */
    int64_t images[SPLIT_WORDS];
};
struct folder_table {
    enum layout layout;
    char *top;      /* the first TOP/ that has images */
    int64_t images;
    int count;
    struct class_row rows[CLASSES_MAX]; /* sorted by name */
    struct error conflict; /* what is wrong with the layout, "" if nothing is */
};
/* Adds an image's class folder, or a folder that may be one. */
int table_add(struct folder_table *table, const char *name, bool is_image, struct error *why);
/* The layout, splits and classes of a source of images in folders. */
int folders_choose(struct survey *survey, struct folder_table tables[LAYOUTS], const char *from,
                   const struct pack_request *request, struct error *why);

/* Class names from text, one a line, without blanks behind them; changes it. count_max names at most. */
int class_list_read(struct class_list *list, char *text, int count_max, struct error *why);
int class_list_find(const struct class_list *list, const char *name); /* -1: not in it */
/* The names of the file replace the survey's, in the file's order. */
int classes_order(struct survey *survey, const char *file, struct error *why);
/* Classes should have training images and, where there is a test split, test images. Those that lack them are an error or, with
 * --allow-missing-classes, a line on standard error. counts: images of each class and split. `from` begins the sentence. */
int classes_check(const struct survey *survey, int64_t counts[CLASSES_MAX][SPLITS], const char *from,
                  const struct pack_request *request, struct error *why);

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

/* Files that are no samples: how many, and the first of them by name. */
struct left_out {
    int64_t count;
    char first[NAMED_MAX][NAMED_TEXT];
};

struct source {
    struct entries entries;
    const struct survey *survey;
    const struct pack_request *request;
    int side;        /* pixels, height and width */
    int64_t resized, reshaped; /* images that came in another size; those of them that are not square */
    struct left_out strays; /* no JPEG or PNG image, or in no class folder */
    struct left_out bad;    /* --skip-bad: what cannot be read or decoded, with the reason */
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
    size_t size, capacity;
    struct image image;
};
/* The survey and the request outlive the source. request->image_size, resize: of images in folders; binary files have their own. */
int source_open(struct source *source, const struct survey *survey, const char *from, const struct pack_request *request,
                struct error *why);
/* *found is false behind the last. */
int source_next(struct source *source, struct sample *sample, bool *found, struct error *why);
void source_close(struct source *source);

int source_changed(struct error *why);
/* reason: "" where the heading says it. */
void left_out_add(struct left_out *left_out, const char *name, const char *reason);
/* The sample of the current entry, an image file in a class folder (pack_images.c). *found is false where --skip-bad
 * leaves it out. */
int source_image(struct source *source, const struct class_folder *folder, struct sample *sample, bool *found,
                 struct error *why);

/* ---- seen: identical images, by 16 bytes for each different one ---- */

struct seen_image {
    uint64_t hash; /* the first 8 bytes of the SHA-256 of its pixels */
    uint32_t images[SPLITS];
};
struct seen {
    size_t most; /* different images that are remembered; later ones are not */
    size_t used, size; /* slots */
    struct seen_image *slots;
};
enum { SEEN_MOST = 3 << 20 };
int seen_add(struct seen *seen, const struct sample *sample, size_t bytes, struct error *why);
int64_t seen_in_both(const struct seen *seen); /* test images that are training images too */
void seen_free(struct seen *seen);

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

/* ---- report: what was packed, on standard output; what was left out, on standard error ---- */

void report_notes(const struct survey *survey, const struct source *source, const struct seen *seen, int64_t tests);
/* counts: images of each class and split. */
void report_classes(const struct survey *survey, int64_t counts[CLASSES_MAX][SPLITS], const char *classes_file);

/* ---- download ---- */

/* url -> the file `part`, going on where an earlier transfer ended. */
struct download {
    const char *url, *md5, *part; /* md5 "": not verified */
    int64_t bytes_max;            /* a server that sends more has another file */
};
/* A file with the right digest is not fetched again; one with a wrong digest, or that is too large, is removed. */
int download_fetch(const struct download *download, struct error *why);

/* Lets a transfer speak http, https and file, but lets no server point it to a file, nor from https to http; a CURL's own
 * code. Chosen by libcurl's version, which has had two ways to say so: pack_curl_new.c or pack_curl_old.c. */
int transfer_limit(void *curl, bool secure);

#endif
