/* Data: packed HDF5 file -> images in memory that a node's ranks share -> sample stream -> distorted batches. */
#ifndef DATA_H
#define DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "augment.h"
#include "error.h"
#include "image.h"
#include "parallel.h"

/* ---- dataset: one split of a packed file, one copy in the memory of each node ---- */
struct dataset {
    char file[4096], split[8], name[64];
    char sha256[65]; /* the data's identity: over the digests of images and labels, and the class names */
    int64_t count;
    int height, width, channels, classes;
    char resize[16]; /* how pack resized images of other shapes: "crop", "squash" */
    char (*class_names)[64];
    const uint8_t *images; /* (count, height, width, channels) */
    const uint8_t *labels; /* (count), each < classes */
    struct shared_memory memory;
};
/* Collective. Each rank of a node reads its part of the rows (read-only, without an HDF5 lock), so each node reads each byte
 * once. -1 with a sentence: no such file, not HDF5, truncated, not made by pack, wrong shape or type, a label out of range, an
 * empty split. All ranks return the same status. */
int dataset_open(struct dataset *dataset, const struct world *world, const char *file, const char *split,
                 struct error *why);
/* Not collective. Finds the identity (sha256, above) of one split of a packed file; reads no images. */
int dataset_identify(const char *file, const char *split, char sha256[65], struct error *why);
/* Collective over the node. */
void dataset_close(struct dataset *dataset);

/* ---- shuffle: the order of samples ----
 * Stream position p is image permutation(seed, p / count)[p % count]. */
struct shuffle {
    uint64_t seed, epoch;
    uint32_t count;
    uint32_t *permutation; /* of `epoch`; computed when a position of that epoch is first needed */
};
int shuffle_init(struct shuffle *shuffle, uint64_t seed, uint32_t count, struct error *why);
uint32_t shuffle_at(struct shuffle *shuffle, uint64_t position);
void shuffle_free(struct shuffle *shuffle);

/* ---- distort: uint8 image -> distorted, standardised float image (augment.h) ---- */

/* The frame that cuts the net's input out of the data set's images. */
struct frame dataset_frame(const struct dataset *dataset, int crop_height, int crop_width);
/* Draws the distortion of the image at a stream position. */
struct distortion distort_draw(const struct augmentations *list, uint64_t seed, uint64_t position, const struct frame *frame);
/* For evaluation: the central crop, no flip, brightness 0, contrast 1. */
struct distortion distort_center(const struct frame *frame);
/* Crop, flip, brightness, contrast, then (x - mean) / max(std, 1/sqrt(values)).
 * image (height, width, channels) -> out (crop_height, crop_width, channels); channels 1 to 4.
 * Equal to TensorFlow's chain up to rounding: brightness and contrast are affine per channel, so
 * exact integer sums of the crop give mean and deviation, and one pass writes the result. */
void distort_apply(const uint8_t *image, const struct frame *frame, const struct distortion *distortion, float *out);

/* ---- loader: threads that prepare the next batches ---- */
struct batch {
    uint64_t position;   /* stream position of its first sample */
    int count;
    const float *images; /* (count, crop_height, crop_width, channels) */
    const int32_t *labels;
};
struct loader_request {
    const struct dataset *dataset; /* outlives the loader */
    const struct augmentations *augmentations; /* outlives the loader */
    uint64_t seed;
    int crop_height, crop_width;
    uint64_t position;   /* stream position where the first global batch begins */
    int global_batch;    /* samples per step, of all ranks */
    int offset;          /* where this rank's part of the global batch begins */
    int batch;           /* samples per slice */
    int slices;          /* of this rank, per step: its part has slices * batch samples */
    int threads, depth;  /* workers; batches kept ready */
    struct trace *trace; /* where each worker's batches are recorded; may be NULL */
};
struct loader {
    double wait_seconds; /* spent waiting in loader_next; reset by the owner */
    struct loader_state *state;
};
/* Not collective. Starts the threads. They block all signals and never call MPI. */
int loader_init(struct loader *loader, const struct loader_request *request, struct error *why);
/* Returns the next slice of the stream. It stays valid until the next call. */
int loader_next(struct loader *loader, struct batch *batch, struct error *why);
/* Not collective. Makes the batch of request->batch samples that begins at position `first` of the stream, in images (batch,
 * crop_height, crop_width, channels) and labels (batch). Of the request it also uses the data set, augmentations and seed. */
void loader_fill(const struct loader_request *request, struct shuffle *shuffle, uint64_t first, struct batch *batch,
                 float *images, int32_t *labels);
/* Not collective. Stops the threads. A zeroed loader is allowed. */
void loader_free(struct loader *loader);

#endif
