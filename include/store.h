/* Store: the HDF5 helpers that data sets and checkpoints share, and the checkpoint itself.
 * hdf5.h is included in src/store only. No call here is collective. */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "lock.h"
#include "model.h"
#include "optimize.h"

/* ---- formats, as named in the attributes of our HDF5 files ---- */

/* `format` and `format_version` of a packed data set (pack.h) and of a checkpoint (below). */
#define DATASET_FORMAT "cifar10_mpi dataset"
#define CHECKPOINT_FORMAT "cifar10_mpi checkpoint"
enum { DATASET_VERSION = 1, CHECKPOINT_VERSION = 1 };

/* ---- h5: files, data sets, attributes ---- */

enum h5_type { H5_UINT8, H5_FLOAT, H5_DOUBLE, H5_INT64 }; /* little-endian in the file */
enum { H5_RANK_MAX = 4 };

struct h5; /* an open file */

/* Creates or truncates `file`. Objects have no timestamps, so equal contents give equal files. The format is HDF5 1.10's, whose
 * headers and attributes carry checksums. */
struct h5 *h5_create(const char *file, struct error *why);
/* The same for a file that fits in memory: h5_close writes it in one go, so that the HDF5 library never sees a full disk. */
struct h5 *h5_create_in_memory(const char *file, struct error *why);
/* Opens read-only and without a lock (for read-only and network file systems). The error says whether the file is missing, not
 * HDF5, of the old format without checksums, or truncated. Links to other files are not followed. Checksums detect accidental
 * damage only: a malicious file with correct checksums may crash the library (HDF5 1.10.8 has such bugs), so do not open files
 * from people whose programs you would not run. */
struct h5 *h5_open(const char *file, struct error *why);
/* Closes. For a created file, 0 only if everything reached the operating system; after any failed write the result is -1, and
 * the caller removes the file. NULL is allowed. */
int h5_close(struct h5 *h5, struct error *why);
const char *h5_path(const struct h5 *h5);
const char *h5_library(char *text, size_t size); /* writes "HDF5 1.10.8" into text */

struct h5_shape {
    enum h5_type type;
    int rank;
    int64_t size[H5_RANK_MAX];
};

/* Creates a data set and its parent groups, in chunks of `chunk_rows` rows of its first dimension, with Fletcher32 checksums.
 * labels: one dimension label each ("N", "H", ...), or NULL. A first dimension of 0 grows with h5_put; any other is fixed. */
int h5_make(struct h5 *h5, const char *name, const struct h5_shape *shape, const char *const *labels,
            int64_t chunk_rows, struct error *why);
/* Writes rows [first, first + rows), in any order; the first dimension grows as needed. Does not buffer: multiples of chunk_rows
 * are cheap, a part of a chunk costs as much as the whole chunk. */
int h5_put(struct h5 *h5, const char *name, int64_t first, int64_t rows, const void *data, struct error *why);
/* h5_make and all of its data in one call, as a single chunk. */
int h5_write(struct h5 *h5, const char *name, const struct h5_shape *shape, const char *const *labels,
             const void *data, struct error *why);
/* Type and sizes; -1 if the data set is missing, has an unsupported type or rank, is compressed, is stored in other files, or
 * claims more bytes than the file stores. The sizes are therefore safe to allocate. Rows have at least one byte. */
int h5_shape(struct h5 *h5, const char *name, struct h5_shape *shape, struct error *why);
/* Reads rows [first, first + rows) into memory of the data set's own type. */
int h5_read(struct h5 *h5, const char *name, int64_t first, int64_t rows, void *data, struct error *why);

const char *h5_type_name(enum h5_type type); /* "uint8", "float32", ... */

/* Attributes of the object `name` ("/" for the file). Texts are written as UTF-8 of fixed length, which the header's checksum
 * covers. Texts of variable length are refused: they are in a heap without a checksum, and if it is damaged, HDF5 1.10.8 reads
 * beyond its end or never stops reading. Texts are made printable when read. */
int h5_set_text(struct h5 *h5, const char *name, const char *attribute, const char *text, struct error *why);
int h5_set_texts(struct h5 *h5, const char *name, const char *attribute, const char *const *texts, int count,
                 struct error *why);
int h5_set_integer(struct h5 *h5, const char *name, const char *attribute, int64_t value, struct error *why);
int h5_set_real(struct h5 *h5, const char *name, const char *attribute, double value, struct error *why);
int h5_get_text(struct h5 *h5, const char *name, const char *attribute, char *text, size_t size, struct error *why);
/* *texts: a new array of `*count` texts, each cut to 63 bytes; the caller frees it. */
int h5_get_texts(struct h5 *h5, const char *name, const char *attribute, char (**texts)[64], int *count,
                 struct error *why);
int h5_get_integer(struct h5 *h5, const char *name, const char *attribute, int64_t *value, struct error *why);
int h5_get_real(struct h5 *h5, const char *name, const char *attribute, double *value, struct error *why);

/* An attribute of any of these types as text: texts joined by ", ", reals as the shortest decimal with the same value. */
int h5_get_as_text(struct h5 *h5, const char *name, const char *attribute, char *text, size_t size, struct error *why);

/* The contents of a file. *names: a new array of `*count` names; the caller frees it. */
enum { H5_NAME = 256 };
int h5_list(struct h5 *h5, char (**names)[H5_NAME], int *count, struct error *why); /* all data sets, "/a/b", sorted by name */
int h5_attributes(struct h5 *h5, const char *name, char (**names)[H5_NAME], int *count, struct error *why);
bool h5_has(struct h5 *h5, const char *name, const char *attribute); /* attribute NULL: only the object */
void h5_shape_text(const struct h5_shape *shape, char *text, size_t size); /* "5x5x3x64" */
/* SHA-256 of a data set's elements as stored in memory, in hexadecimal (65 bytes). */
int h5_sha256(struct h5 *h5, const char *name, char *text, struct error *why);
/* Creates an empty group, for attributes. */
int h5_make_group(struct h5 *h5, const char *name, struct error *why);

/* ---- checkpoint ---- */

/* Everything a run needs to continue. The buffers belong to the caller (net->parameters floats each). */
struct checkpoint {
    uint64_t step;     /* updates done */
    uint64_t position; /* next position in the sample stream */
    uint64_t seed;
    float *parameters;
    const struct optimizer *optimizer; /* the owner of the states; NULL: there are none */
    float *states[OPTIMIZER_STATES_MAX]; /* NULL ones are neither saved nor read */
    double loss_average, total_loss_average; /* moving averages, decay 0.9 */
    double wall_seconds; /* of training so far */
    double evaluation_seconds; /* of these, in evaluations; absent from the file if 0 */
    int classes, channels; /* the net's */
    int image_height, image_width; /* of the packed images; 0, with resize "", in older checkpoints */
    char resize[16];               /* the data set's */
    char (*class_names)[64]; /* `classes` of them; loading creates a new array, which the caller frees */
    char model[64], dataset[64], dataset_sha256[65];
    char convolutions[8192]; /* convolutions_text; "" if there was no choice */
};

/* Where a checkpoint comes from: stored as attributes of /provenance, and read back only to report what has changed. */
struct provenance {
    const char *name, *text;
};

/* The file, step in its name: DIR/checkpoint-00001234.h5
 *   /                               attributes: format "cifar10_mpi checkpoint", format_version 1, about, created
 *                                   (UTC), model, parameters, step, position, seed, ...; digest; written last: complete = 1
 *   /params/<layer>/weights, biases fp32, TensorFlow's shapes (HWIO; in x out), dimension labels
 *   /<state>/<layer>/weights, ...   each state of the optimizer; /ema: the moving averages
 *   /provenance                     attributes: the provenance
 * digest: SHA-256 over lines of text, "NAME=VALUE" for the attributes of / and /provenance (except digest and complete),
 * "NAME=SHAPE SHA256" for the data sets, each sorted by name.
 * Written under a temporary name, flushed, renamed. A failed save leaves all earlier checkpoints as they were. */
int checkpoint_save(const struct checkpoint *checkpoint, const struct net *net, const char *directory,
                    const struct provenance *provenance, int provenance_count, struct error *why);

/* Removes all checkpoints except the newest `keep` (0: keeps all). Never removes the newest one or that of step `saved`. */
int checkpoint_prune(const char *directory, uint64_t saved, int keep, struct error *why);

/* Reads everything except the buffers, so that the net can be laid out before checkpoint_load. */
int checkpoint_peek(struct checkpoint *checkpoint, const char *file, struct error *why);

/* Reads one text of a checkpoint's provenance; "" if absent. */
int checkpoint_provenance(const char *file, const char *name, char *text, size_t size, struct error *why);

/* Reads everything. Refuses a checkpoint of a different model or shape, or one that is incomplete or damaged, and says what
 * differs. On failure nothing but the contents of the buffers has changed. */
int checkpoint_load(struct checkpoint *checkpoint, const struct net *net, const char *file, struct error *why);

/* 0 if the open file is a complete checkpoint with the right digest; otherwise -1 or CHECKPOINT_DAMAGED. */
int checkpoint_verify(struct h5 *h5, struct error *why);
/* The same for a file that is not open. */
int checkpoint_check(const char *file, struct error *why);

/* The checkpoints in a directory, newest first. *steps: a new array; the caller frees it. A missing directory counts as empty. */
int checkpoint_list(const char *directory, uint64_t **steps, int *count, struct error *why);
void checkpoint_name(const char *directory, uint64_t step, char *file, size_t size);
/* Whether the file no longer exists: a run training there may remove a checkpoint between listing and reading; it then has a newer
 * one. */
bool checkpoint_is_gone(const char *file);
/* The file of the newest whole checkpoint; "" if the directory has no checkpoints. Damaged checkpoints and non-checkpoints are
 * skipped; `skipped` is a sentence that names them, or "". CHECKPOINT_DAMAGED if all are damaged, -1 on another failure. */
int checkpoint_newest(const char *directory, char *file, size_t size, struct error *skipped, struct error *why);

/* ---- saver: a thread that writes checkpoints during training ---- */

/* The owner fills `snapshot` and calls saver_start. Until the outcome is taken, only the thread may use the snapshot and HDF5, and
 * what the request points to must not change. */
struct trace;
struct saver_request {
    const struct net *net;
    const struct optimizer *optimizer;
    const char *directory;
    const struct lock *lock; /* the directory's lock, checked before each snapshot is written; NULL: none */
    int keep; /* for checkpoint_prune */
    struct trace *trace; /* where writing is recorded; may be NULL */
    const struct provenance *provenance;
    int provenance_count;
};

struct saver {
    struct checkpoint snapshot; /* the saver owns its buffers */
    struct saver_state *state;
};

/* The outcome of a snapshot. */
struct saved {
    uint64_t step;
    int status;       /* checkpoint_save's, SAVED_NOT_FINITE or SAVED_NOT_OURS (error.h) */
    struct error why; /* why it failed, or why an old checkpoint could not be removed, or "" */
    double seconds;   /* duration */
};

int saver_init(struct saver *saver, const struct saver_request *request, struct error *why);
/* Waits for the thread. A zeroed saver may be freed too. */
void saver_free(struct saver *saver);

/* Whether a snapshot is being written, or its outcome has not been taken yet. Do not start another one then. */
bool saver_busy(const struct saver *saver);
/* Starts writing the snapshot in the thread. */
void saver_start(struct saver *saver);
/* Takes the outcome of a snapshot; false if there is none. wait: waits for a snapshot that is being written. */
bool saver_take(struct saver *saver, bool wait, struct saved *saved);
/* Writes the snapshot in the caller's thread, as is done for the last one of a run. */
void saver_write(struct saver *saver, struct saved *saved);

#endif
