/* Data: sources -> packed HDF5 file -> node-shared images -> sample stream -> distorted batches. */
#ifndef DATA_H
#define DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "augment.h"
#include "error.h"
#include "image.h"
#include "parallel.h"

/* ---- dataset: one split of a packed file, in memory once a node ---- */
struct dataset {
    char file[4096], split[8], name[64];
    char sha256[65]; /* of the digests of images and labels and of the class names: the data's identity */
    int64_t count;
    int height, width, channels, classes;
    char resize[16]; /* how images of other shapes became square: "crop", "squash" */
    char (*class_names)[64];
    const uint8_t *images; /* (count, height, width, channels) */
    const uint8_t *labels; /* (count), each < classes */
    struct shared_memory memory;
};
/* Collective. Each rank of a node reads its part of the rows from the file (opened once a rank,
 * read-only, no HDF5 lock needed), so the file system serves each byte once a node. Refuses with a
 * sentence: no such file, not HDF5, truncated, not one of ours, wrong shape or type, a label out of
 * range, an empty split. All ranks return the same status. */
int dataset_open(struct dataset *dataset, const struct world *world, const char *file, const char *split,
                 struct error *why);
/* Not collective. The identity (sha256, above) of one split of a packed file, without its images. */
int dataset_identify(const char *file, const char *split, char sha256[65], struct error *why);
/* Collective over the node. */
void dataset_close(struct dataset *dataset);

/* ---- shuffle: the order of samples ----
 * Stream position p is image permutation(seed, p / count)[p % count]. */
struct shuffle {
    uint64_t seed, epoch;
    uint32_t count;
    uint32_t *permutation; /* of `epoch`, made when a position first needs it */
};
int shuffle_init(struct shuffle *shuffle, uint64_t seed, uint32_t count, struct error *why);
uint32_t shuffle_at(struct shuffle *shuffle, uint64_t position);
void shuffle_free(struct shuffle *shuffle);

/* ---- distort: uint8 image -> distorted, standardised float image (augment.h) ---- */

/* How the net's input is cut out of the data set's images. */
struct frame dataset_frame(const struct dataset *dataset, int crop_height, int crop_width);
/* What becomes of the image at one stream position. */
struct distortion distort_draw(const struct augmentations *list, uint64_t seed, uint64_t position, const struct frame *frame);
/* Evaluation: the central crop, no flip, brightness 0, contrast 1. */
struct distortion distort_center(const struct frame *frame);
/* Crop, flip, brightness, contrast, then (x - mean) / max(std, 1/sqrt(values)).
 * image (height, width, channels) -> out (crop_height, crop_width, channels); channels 1 to 4.
 * Equal to TensorFlow's chain up to rounding: brightness and contrast are affine a channel, so
 * exact integer sums of the crop give mean and deviation, and one pass writes the result. */
void distort_apply(const uint8_t *image, const struct frame *frame, const struct distortion *distortion, float *out);

/* ---- loader: threads that prepare batches ahead ---- */
struct batch {
    uint64_t position;   /* of its first sample in the stream */
    int count;
    const float *images; /* (count, crop_height, crop_width, channels) */
    const int32_t *labels;
};
struct loader_request {
    const struct dataset *dataset; /* outlives the loader */
    const struct augmentations *augmentations; /* outlives the loader */
    uint64_t seed;
    int crop_height, crop_width;
    uint64_t position;   /* stream position of the first global batch */
    int global_batch;    /* samples a step, all ranks */
    int offset;          /* of this rank's part of the global batch */
    int batch;           /* samples a slice */
    int slices;          /* of this rank, a step: its part is slices * batch long */
    int threads, depth;  /* workers; batches kept ready */
};
struct loader {
    double wait_seconds; /* the caller waited in loader_next, since the owner last set it to 0 */
    struct loader_state *state;
};
/* Not collective. Starts the threads (signals blocked in them; they never call MPI). */
int loader_init(struct loader *loader, const struct loader_request *request, struct error *why);
/* The next slice of the next step: valid until the call after it. */
int loader_next(struct loader *loader, struct batch *batch, struct error *why);
/* Not collective. Stops the threads; safe on a zeroed loader. */
void loader_free(struct loader *loader);

#endif
