/* The parts of packing: entries (the files and folders of a directory or archive) -> names (what each entry is) -> survey (what the
 * entries add up to: splits, classes, counts) -> source (samples, one after another) -> writer (the packed file). */
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
enum { NAMED_MAX = 5, NAMED_TEXT = 384 }; /* names that a message lists; bytes per name */
/* CIFAR-10's binary files: each record is a label and three planes of bytes. */
enum { CIFAR_CLASSES = 10, CIFAR_SIDE = 32, CIFAR_RECORD = 1 + 3 * CIFAR_SIDE * CIFAR_SIDE, CIFAR_FILES_MAX = 64 };
extern const char *const split_names[SPLITS], *const split_adjectives[SPLITS];

/* ---- entries: the files and folders of a directory, sorted, or of an archive, in its own order ---- */

struct entries {
    const char *from;
    const char *name; /* the current entry's, relative to `from`; a folder's ends with a slash */
    int64_t size;     /* its bytes, if known */
    bool is_link;     /* a dangling link, or any link in an archive: whether to a file or a folder is unknown */
    struct entries_state *state;
};
int entries_open(struct entries *entries, const char *from, struct error *why);
/* The next entry; *found is false after the last. */
int entries_next(struct entries *entries, bool *found, struct error *why);
/* The next bytes of the current entry; *got is less than `bytes` only at its end. Even a request for 0 bytes fails if the
 * entry cannot be read: a folder, a link in an archive, a pipe, a file without read permission. */
int entries_read(struct entries *entries, void *data, size_t bytes, size_t *got, struct error *why);
/* Puts the current entry's name in front of the sentence: "DIR/train/cat/1.jpg: ...", "ARCHIVE: train/cat/1.jpg: ...". */
int entries_error(const struct entries *entries, struct error *why);
/* Sets the sentence that the source is no longer what the survey found. Returns -1. */
int entries_changed(struct error *why);
bool entries_are_files(const struct entries *entries); /* of a directory, not an archive */
void entries_close(struct entries *entries);

/* ---- names: what an entry is, judged by its name ---- */

enum entry_kind {
    ENTRY_OTHER,
    ENTRY_HIDDEN,   /* .x, __MACOSX, Thumbs.db: ignored silently */
    ENTRY_FOLDER,
    ENTRY_BATCH,    /* CIFAR-10's binary files */
    ENTRY_NAMES,    /* batches.meta.txt */
    ENTRY_IMAGE,    /* .jpg, .jpeg, .png */
    ENTRY_PICTURE,  /* an image in an unsupported format: .webp, .gif, ... */
    ENTRY_ARCHIVE,  /* .tar.gz, .zip, ... */
    ENTRY_PYTHON,   /* CIFAR-10 in unsupported forms, and CIFAR-100 */
    ENTRY_MATLAB,
    ENTRY_CIFAR100,
    ENTRY_KINDS
};
struct entry_place {
    enum entry_kind kind;
    int split;        /* of ENTRY_BATCH */
    const char *base; /* the file name within the entry's name; "" for a folder */
};
void entry_find(const char *name, int64_t size, struct entry_place *place);

/* Class folders are inside split folders, TOP/train/CLASS (LAYOUT_SPLITS), or side by side, TOP/CLASS (LAYOUT_FLAT). */
enum layout { LAYOUT_SPLITS, LAYOUT_FLAT, LAYOUTS };
/* Names of split folders, in any letter case. If a split has several, the first in this list is used. */
enum { SPLIT_WORDS = 7, NO_WORD = -1 };
extern const struct split_word {
    const char *name;
    int split;
} split_words[SPLIT_WORDS];

struct class_folder {
    int word;                   /* index in split_words; NO_WORD in LAYOUT_FLAT */
    int top;                    /* length of TOP/ in front of the split or class folder */
    char class_name[NAME_TEXT]; /* "" if too long */
};
/* Finds the class folder that contains the entry; an entry that is a folder may be a class folder itself. False if there is none.
 * In LAYOUT_SPLITS an image may be deeper, TOP/train/CLASS/more/1.jpg; in LAYOUT_FLAT its class is the folder directly above it. */
bool class_folder_find(const char *name, enum layout layout, struct class_folder *found);
/* Whether the class folder is directly in this TOP/ (NULL: never). name: the entry's name. */
bool class_folder_is_in(const struct class_folder *folder, const char *name, const char *top);
bool class_is_split_word(const char *class_name);

/* ---- survey: a first pass over all names, which finds errors in the source before anything is packed ---- */

struct survey_batch {
    char name[NAME_TEXT]; /* the binary file's name */
    int split;
    int64_t first, images; /* its rows in the split */
};
struct class_list {
    int count;
    char names[CLASSES_MAX][NAME_TEXT]; /* index = label */
};
struct survey {
    bool folders; /* image folders; otherwise CIFAR-10's binary files */
    int64_t images[SPLITS]; /* with --test-share all are in TRAIN */
    struct class_list classes;
    int batch_count;
    struct survey_batch batches[CIFAR_FILES_MAX]; /* sorted by name; their rows are in the same order */
    /* For image folders. */
    enum layout layout;
    char *top;          /* TOP/ */
    int words[SPLITS];  /* the split folders used, or NO_WORD */
    int64_t word_images[SPLIT_WORDS]; /* images in each split folder, used or not */
    bool tested;        /* there is a test split, in the source or by --test-share */
    int64_t class_images[CLASSES_MAX][SPLITS];
    char first[ENTRY_KINDS][NAMED_TEXT]; /* the first name of each kind */
};
/* -1 if the request has a test share or classes, which do not apply to CIFAR-10's binary files. `from` begins the sentence. */
int survey_check_cifar(const char *from, const struct pack_request *request, struct error *why);
/* from: the request's source, or the downloaded file. */
int survey_take(struct survey *survey, const char *from, const struct pack_request *request, struct error *why);
/* The binary file with this name, or NULL. */
const struct survey_batch *survey_find(const struct survey *survey, const char *name);
void survey_free(struct survey *survey);

/* The class folders and image counts, if the names are read as this layout. */
struct class_row {
    char name[NAME_TEXT];
    bool folder[SPLIT_WORDS]; /* such a folder exists, perhaps without images; LAYOUT_FLAT uses word 0 only */
    int64_t images[SPLIT_WORDS];
};
struct folder_table {
    enum layout layout;
    char *top;      /* the first TOP/ that has images */
    int64_t images;
    int count;
    struct class_row rows[CLASSES_MAX]; /* sorted by name */
    struct error conflict; /* what is wrong with the layout, "" if nothing */
};
/* Adds an image to its class folder, or adds a folder that may be a class folder. */
int table_add(struct folder_table *table, const char *name, bool is_image, struct error *why);
/* Sets the survey's layout, splits and classes, for a source of images in folders. */
int folders_choose(struct survey *survey, struct folder_table tables[LAYOUTS], const char *from,
                   const struct pack_request *request, struct error *why);

/* Reads class names from text, one per line, without trailing blanks; at most count_max. Modifies the text. */
int class_list_read(struct class_list *list, char *text, int count_max, struct error *why);
int class_list_find(const struct class_list *list, const char *name); /* -1 if absent */
/* Replaces the survey's class names by those of the file, in its order. */
int classes_order(struct survey *survey, const char *file, struct error *why);
/* Every class should have training images and, if there is a test split, test images. A class that lacks them is an error or,
 * with --allow-missing-classes, a line on standard error. counts: images of each class and split. `from` begins the sentence. */
int classes_check(const struct survey *survey, int64_t counts[CLASSES_MAX][SPLITS], const char *from,
                  const struct pack_request *request, struct error *why);

/* ---- source: samples ---- */

/* Rows of binary files follow the sorted list of their names, so that the order of an archive does not matter. Images are numbered
 * in the order in which they are read: to sort those of an archive would take memory for all names, and random access to the packed
 * file. */
struct sample {
    int split, label;
    int64_t row; /* in its split */
    const uint8_t *pixels; /* (side, side, 3), valid until the next sample */
};

/* A file that samples came from. */
struct source_file {
    char name[NAME_TEXT], sha256[DIGEST_TEXT];
};

/* Files that were left out: their number, and the first few names. */
struct left_out {
    int64_t count;
    char first[NAMED_MAX][NAMED_TEXT];
};
/* reason: "" if the heading gives it. */
void left_out_add(struct left_out *left_out, const char *name, const char *reason);

struct source {
    struct entries entries;
    const struct survey *survey;
    const struct pack_request *request;
    int side;        /* pixels, height and width */
    int64_t resized, reshaped; /* images of another size; images that are not square */
    struct left_out strays; /* not JPEG or PNG, or not in a class folder */
    struct left_out bad;    /* --skip-bad: unreadable images, with the reason */
    /* Complete after the last sample: each binary file of a directory; the archive; or the directory of images, whose digest
     * covers the lines that sha256sum prints for the images, in order. */
    struct source_file files[CIFAR_FILES_MAX];
    int file_count;
    struct digest digest; /* of the next file */
    struct entry_place place;
    const struct survey_batch *batch; /* the current binary file */
    int64_t record;       /* the next one in it */
    int64_t images[SPLITS]; /* images in folders so far */
    uint8_t pixels[CIFAR_RECORD - 1]; /* of the current record, (side, side, 3) */
    uint8_t *bytes;       /* the current image file */
    size_t size, capacity;
    struct image image;
};
/* The survey and the request must outlive the source. request->image_size and resize apply to images in folders only. */
int source_open(struct source *source, const struct survey *survey, const char *from, const struct pack_request *request,
                struct error *why);
/* *found is false after the last sample. */
int source_next(struct source *source, struct sample *sample, bool *found, struct error *why);
void source_close(struct source *source);

/* The sample of the current entry, an image file in a class folder (images.c). *found is false if --skip-bad leaves it out. */
int source_image(struct source *source, const struct class_folder *folder, struct sample *sample, bool *found,
                 struct error *why);

/* ---- seen: finds identical images, with 16 bytes for each distinct one ---- */

struct seen_image {
    uint64_t hash; /* the first 8 bytes of the SHA-256 of its pixels */
    uint32_t images[SPLITS];
};
struct seen {
    size_t most; /* maximum number of distinct images remembered */
    size_t used, size; /* slots */
    struct seen_image *slots;
};
enum { SEEN_MOST = 3 << 20 };
int seen_add(struct seen *seen, const struct sample *sample, size_t bytes, struct error *why);
int64_t seen_in_both(const struct seen *seen); /* test images that are also training images */
void seen_free(struct seen *seen);

/* ---- writer: writes samples of both splits to an HDF5 file ---- */

struct split_writer {
    int64_t first, filled; /* the rows not yet written */
    uint8_t *images, *labels;
};
struct writer {
    struct h5 *h5;
    int side;
    int64_t rows; /* per chunk of images */
    struct split_writer splits[SPLITS];
};
int writer_open(struct writer *writer, const char *file, int side, struct error *why);
int writer_add(struct writer *writer, const struct sample *sample, struct error *why);
/* Writes the remaining rows and the digests of both splits. */
int writer_finish(struct writer *writer, struct error *why);
/* Returns 0 only if the file is complete. A zeroed writer may be closed too. */
int writer_close(struct writer *writer, struct error *why);

/* ---- report: prints what was packed on standard output, and what was left out on standard error ---- */

void report_notes(const struct survey *survey, const struct source *source, const struct seen *seen, int64_t tests);
/* counts: images of each class and split. */
void report_classes(const struct survey *survey, int64_t counts[CLASSES_MAX][SPLITS], const char *classes_file);

/* ---- download ---- */

/* Downloads `url` to the file `part`; continues an earlier transfer. */
struct download {
    const char *url, *md5, *part; /* md5 "": not verified */
    int64_t bytes_max;            /* a server that sends more has a different file */
    enum progress_choice progress;
};
/* Does not fetch a file again that has the right digest already. Removes a file that has a wrong digest or is too large. */
int download_fetch(const struct download *download, struct error *why);

/* Limits a transfer to http, https and file; a server may not redirect it to a file, or from https to http (`secure`: the URL is
 * https). Returns curl's code. In curl_new.c or curl_old.c, depending on libcurl's version. */
int transfer_limit(void *curl, bool secure);

#endif
