/* Data: sources -> packed HDF5 file -> node-shared images -> sample stream -> distorted batches. */
#ifndef DATA_H
#define DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "image.h"
#include "parallel.h"

/* ---- pack: sources -> HDF5 (src/data/pack*.c) ----
 *
 * Images lie in class folders of split folders, TOP/train/CLASS/FILE and TOP/test/CLASS/FILE, or deeper in CLASS; the
 * split folders' names may be capital. Without test/, val/, valid/ or validation/ is taken for it. Class folders without
 * split folders, TOP/CLASS/FILE, need test_share. Labels follow the sorted names of the class folders, or `classes`.
 *
 * The packed file, made by one process, beside its place and then renamed:
 *   /                    attributes: format "cifar10_mpi dataset", format_version 1, name, class_names (array of
 *                        strings), sources (array of file names), source_sha256 (array of hex digests), resize (how
 *                        images of other shapes became square: "crop" or "squash"; files without it were squashed)
 *   /train/images        uint8 [N,H,W,C], dimension labels N H W C, chunks of 250 images, Fletcher32; attribute
 *   /train/labels        uint8 [N], Fletcher32                            sha256 of the data itself on each
 *   /test/images, /test/labels    the same; N may differ, and be 0 for an absent test split
 * The rows are CIFAR-10's binary files in the order of their names, whatever the order of an archive. Images in folders
 * lie in the order of names in a directory, but in an archive's own order: `tar --sort=name` makes both the same.
 * An archive is tar or zip, tar compressed once (gzip, bzip2, xz, zstd, lz4); its members never become files, and it may
 * unpack to 100 times its size and 256 MB.
 * All of it streams: memory does not grow with the source, but for 16 to 43 bytes for each different image, up to 96 MiB,
 * by which identical images are found. Says what it packed on standard output, what it left out on standard error. */
struct pack_request {
    const char *from;   /* directory or archive; NULL with download */
    bool download;      /* the original archive: what is verified stays, as OUT.h5.part, until it is packed */
    const char *url;    /* NULL = the published one; http(s):// or file:// */
    const char *md5;    /* NULL = the published one; "" = not verified (said once), hence never resumed */
    const char *output; /* OUT.h5 */
    int image_size;     /* height and width of images in folders: other sizes are resized to it, said once; 32 */
    enum resize resize; /* how those that are not square become so */
    bool progress;      /* a progress line on standard error */
    /* Of image folders. */
    double test_share;  /* of images without test images of their own: those go to the test split whose file has a
                           SHA-256 that is below it, read as a number in [0, 1); 0 = none */
    const char *classes; /* file of class names, one a line, in the order of labels; NULL = sorted */
    bool allow_missing_classes; /* classes may lack training or test images; else an error */
    bool skip_bad;      /* images that cannot be read or decoded are left out and counted; else an error */
};
/* Files of names of their own, "" where there is none, that are removed when pack_run returns. A process that is
 * ended before has to remove them itself: the names are written before the files are and stay in place. */
struct pack_unfinished {
    char packed[4096], download[4096];
};
int pack_run(const struct pack_request *request, struct pack_unfinished *unfinished, struct error *why);

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

/* ---- distort: uint8 image -> distorted, standardised float image ---- */
struct distortion {
    int top, left; /* of the crop */
    bool flip;
    float brightness; /* added, [-63, 63) */
    float contrast;   /* factor about each channel's mean, [0.2, 1.8) */
};
/* The tutorial's draws for one stream position. height, width: image; crop_*: what is cut out. */
struct distortion distort_draw(uint64_t seed, uint64_t position, int height, int width, int crop_height,
                               int crop_width);
/* Crop, flip, brightness, contrast, then (x - mean) / max(std, 1/sqrt(values)).
 * image (height, width, channels) -> out (crop_height, crop_width, channels); channels 1 to 4.
 * Equal to TensorFlow's chain up to rounding: brightness and contrast are affine a channel, so
 * exact integer sums of the crop give mean and deviation, and one pass writes the result. */
void distort_apply(const uint8_t *image, int height, int width, int channels, const struct distortion *distortion,
                   int crop_height, int crop_width, float *out);
/* Evaluation: the central crop, no flip, brightness 0, contrast 1. */
struct distortion distort_center(int height, int width, int crop_height, int crop_width);

/* ---- loader: threads that prepare batches ahead ---- */
struct batch {
    uint64_t position;   /* of its first sample in the stream */
    int count;
    const float *images; /* (count, crop_height, crop_width, channels) */
    const int32_t *labels;
};
struct loader_request {
    const struct dataset *dataset; /* outlives the loader */
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
