/* Store: the few HDF5 helpers that data and checkpoints share, and the checkpoint.
 * hdf5.h is included in src/store only. Everything here is for one process: no collective calls. */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "lock.h"
#include "model.h"
#include "optimize.h"

/* ---- h5: files, data sets, attributes ---- */

enum h5_type { H5_UINT8, H5_FLOAT, H5_DOUBLE, H5_INT64 }; /* little-endian in the file */
enum { H5_RANK_MAX = 4 };

struct h5; /* an open file */

/* Creates (truncating) `file`: no object timestamps, so that equal contents are equal files; the
 * format of HDF5 1.10, whose headers and attributes carry checksums. */
struct h5 *h5_create(const char *file, struct error *why);
/* The same for a file that fits in memory: h5_close writes it, at once, so that a full disk is met
 * outside of the HDF5 library. */
struct h5 *h5_create_in_memory(const char *file, struct error *why);
/* Opens read-only, without needing a lock (read-only and network file systems). The sentence says
 * whether the file is missing, is not HDF5, is of its old format without checksums, or is truncated. Links in it to other
 * files lead nowhere. What is damaged by chance is met by checksums; one that somebody made so, with the checksums right, may
 * yet crash the library itself (HDF5 1.10.8 has such faults): open no file of somebody whose program you would not run. */
struct h5 *h5_open(const char *file, struct error *why);
/* Closes; for a created file 0 only when everything reached the operating system (a write that failed
 * is remembered; then the caller removes the file). NULL is fine. */
int h5_close(struct h5 *h5, struct error *why);
const char *h5_path(const struct h5 *h5);
const char *h5_library(char *text, size_t size); /* "HDF5 1.10.8", into text */

struct h5_shape {
    enum h5_type type;
    int rank;
    int64_t size[H5_RANK_MAX];
};

/* Creates a data set (parents too) chunked by `chunk_rows` rows of its first dimension, Fletcher32.
 * labels: a dimension label each ("N", "H", ...) or NULL. A first dimension of 0 grows with h5_put,
 * any other is fixed. */
int h5_make(struct h5 *h5, const char *name, const struct h5_shape *shape, const char *const *labels,
            int64_t chunk_rows, struct error *why);
/* Rows [first, first + rows), in any order; the first dimension grows as far as they need. Writes at once:
 * multiples of chunk_rows are cheap, a part of a chunk costs a chunk. */
int h5_put(struct h5 *h5, const char *name, int64_t first, int64_t rows, const void *data, struct error *why);
/* h5_make and all of its data at once, chunked as a whole. */
int h5_write(struct h5 *h5, const char *name, const struct h5_shape *shape, const char *const *labels,
             const void *data, struct error *why);
/* Finds type and sizes; -1 where it is missing, of a type or rank that is none of ours, compressed, kept in other files,
 * or claims more bytes than the file stores: so its sizes may be allocated. Rows have at least one byte. */
int h5_shape(struct h5 *h5, const char *name, struct h5_shape *shape, struct error *why);
/* Rows [first, first + rows) into memory of the data set's own type. */
int h5_read(struct h5 *h5, const char *name, int64_t first, int64_t rows, void *data, struct error *why);

const char *h5_type_name(enum h5_type type); /* "uint8", "float32", ... */

/* Attributes of the object `name` ("/" for the file). Texts are written as UTF-8 of fixed length, which the
 * header's checksum covers. Those of variable length lie outside of it, in a heap that HDF5 1.10.8 reads beyond its end
 * or for ever where it is damaged: they are refused. What is read is made printable. */
int h5_set_text(struct h5 *h5, const char *name, const char *attribute, const char *text, struct error *why);
int h5_set_texts(struct h5 *h5, const char *name, const char *attribute, const char *const *texts, int count,
                 struct error *why);
int h5_set_integer(struct h5 *h5, const char *name, const char *attribute, int64_t value, struct error *why);
int h5_set_real(struct h5 *h5, const char *name, const char *attribute, double value, struct error *why);
int h5_get_text(struct h5 *h5, const char *name, const char *attribute, char *text, size_t size, struct error *why);
/* *texts: a new array of `*count` texts, each cut to 63 bytes, freed by the caller. */
int h5_get_texts(struct h5 *h5, const char *name, const char *attribute, char (**texts)[64], int *count,
                 struct error *why);
int h5_get_integer(struct h5 *h5, const char *name, const char *attribute, int64_t *value, struct error *why);
int h5_get_real(struct h5 *h5, const char *name, const char *attribute, double *value, struct error *why);

/* Any such attribute as text, just as it is: texts joined by ", ", reals as the shortest decimal that means the same. */
int h5_get_as_text(struct h5 *h5, const char *name, const char *attribute, char *text, size_t size, struct error *why);

/* What a file holds. *names: a new array of `*count` names, freed by the caller. */
enum { H5_NAME = 256 };
int h5_list(struct h5 *h5, char (**names)[H5_NAME], int *count, struct error *why); /* all data sets, "/a/b", by name */
int h5_attributes(struct h5 *h5, const char *name, char (**names)[H5_NAME], int *count, struct error *why);
bool h5_has(struct h5 *h5, const char *name, const char *attribute); /* attribute NULL: the object alone */
void h5_shape_text(const struct h5_shape *shape, char *text, size_t size); /* "5x5x3x64" */
/* SHA-256 of a data set's elements as they lie in memory, in hexadecimal (65 bytes). */
int h5_sha256(struct h5 *h5, const char *name, char *text, struct error *why);
/* An empty group, to bear attributes. */
int h5_make_group(struct h5 *h5, const char *name, struct error *why);

/* ---- checkpoint ---- */

/* All that a run needs to go on. The buffers belong to the caller (net->parameters floats each). */
struct checkpoint {
    uint64_t step;     /* updates done */
    uint64_t position; /* next place in the sample stream */
    uint64_t seed;
    float *parameters;
    const struct optimizer *optimizer; /* whose states these are; NULL: without states */
    float *states[OPTIMIZER_STATES_MAX]; /* those that are NULL are neither saved nor read */
    double loss_average, total_loss_average; /* moving averages, decay 0.9 */
    double wall_seconds; /* trained so far */
    int classes, channels; /* what the net was laid out for */
    int image_height, image_width; /* of the packed images; 0, and resize "", where an older checkpoint does not say */
    char resize[16];               /* the data set's */
    char (*class_names)[64]; /* `classes` of them; on load a new array, freed by the caller */
    char model[64], dataset[64], dataset_sha256[65];
    char convolutions[8192]; /* convolutions_text; "" where nothing was to choose */
};

/* What made it, kept as attributes of /provenance and read back only to tell what has changed: names and texts. */
struct provenance {
    const char *name, *text;
};

/* The file, step in its name: DIR/checkpoint-00001234.h5
 *   /                               attributes: format "cifar10_mpi checkpoint", format_version 1, about, created
 *                                   (UTC), model, parameters, step, position, seed, ...; digest; last of all: complete = 1
 *   /params/<layer>/weights, biases fp32, TensorFlow's shapes (HWIO; in x out), dimension labels
 *   /<state>/<layer>/weights, ...   each state of the optimizer; /ema: the moving averages
 *   /provenance                     attributes: the provenance
 * digest: SHA-256 over lines of text, "NAME=VALUE" for the attributes of / and /provenance (but digest and complete),
 * "NAME=SHAPE SHA256" for the data sets, each in the order of names.
 * Written beside, flushed, renamed. A save that fails leaves all earlier checkpoints as they were. */
int checkpoint_save(const struct checkpoint *checkpoint, const struct net *net, const char *directory,
                    const struct provenance *provenance, int provenance_count, struct error *why);

/* Removes all checkpoints but the newest `keep` (0: all stay); never the newest, nor that of step `saved`. */
int checkpoint_prune(const char *directory, uint64_t saved, int keep, struct error *why);

/* What a checkpoint is of, without its buffers: to lay out the net before checkpoint_load. */
int checkpoint_peek(struct checkpoint *checkpoint, const char *file, struct error *why);

/* One text of its provenance, "" where it has none of that name. */
int checkpoint_provenance(const char *file, const char *name, char *text, size_t size, struct error *why);

/* Reads all of it. Refuses, naming what differs: another model, other shapes, not complete, damaged;
 * then only the buffers may have changed. */
int checkpoint_load(struct checkpoint *checkpoint, const struct net *net, const char *file, struct error *why);

/* 0 where the open file is a checkpoint that was written to its end and whose digest is right; else -1 or
 * CHECKPOINT_DAMAGED. */
int checkpoint_verify(struct h5 *h5, struct error *why);
/* The same of a file that is not open. */
int checkpoint_check(const char *file, struct error *why);

/* Checkpoints of a directory, newest first. *steps: a new array freed by the caller. No directory is no checkpoint. */
int checkpoint_list(const char *directory, uint64_t **steps, int *count, struct error *why);
void checkpoint_name(const char *directory, uint64_t step, char *file, size_t size);
/* A run that trains there may remove a checkpoint which somebody has found and not yet read: then it has a newer one. */
bool checkpoint_is_gone(const char *file);
/* The file of the newest whole one, "" where there is none at all. Damaged ones and files that are none are skipped, and
 * `skipped` is a sentence that names them ("" where there were none). CHECKPOINT_DAMAGED where all are, -1 where something else
 * stands in the way. */
int checkpoint_newest(const char *directory, char *file, size_t size, struct error *skipped, struct error *why);

/* ---- saver: checkpoints written beside training, by one thread ---- */

/* The owner fills `snapshot` and starts; until the outcome is taken, the snapshot and HDF5 belong to the thread. What the
 * request points to stays as it is. */
struct saver_request {
    const struct net *net;
    const struct optimizer *optimizer;
    const char *directory;
    const struct lock *lock; /* the directory's, checked before each snapshot is written; NULL: none */
    int keep; /* checkpoint_prune's */
    const struct provenance *provenance;
    int provenance_count;
};

struct saver {
    struct checkpoint snapshot; /* its buffers are the saver's own */
    struct saver_state *state;
};

/* What came of a snapshot. */
struct saved {
    uint64_t step;
    int status;       /* 0, -1, SAVED_NOT_FINITE or SAVED_NOT_OURS */
    struct error why; /* "", or why it failed, or, where it did not, why an old one stays */
    double seconds;   /* that it took */
};

int saver_init(struct saver *saver, const struct saver_request *request, struct error *why);
/* Also of a zeroed one. Waits for the thread. */
void saver_free(struct saver *saver);

/* A snapshot is under way, or its outcome is not taken yet: no other can be started. */
bool saver_busy(const struct saver *saver);
/* Writes the snapshot, beside the caller. */
void saver_start(struct saver *saver);
/* True where an outcome was there to take. wait: for the one under way. Not busy: false, at once. */
bool saver_take(struct saver *saver, bool wait, struct saved *saved);
/* Writes the snapshot now, in the caller's own time, which no thread shares: the last one of a run. */
void saver_write(struct saver *saver, struct saved *saved);

#endif
