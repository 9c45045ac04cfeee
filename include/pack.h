/* Pack: sources -> the packed HDF5 file.
 *
 * Images are in class folders inside split folders, TOP/train/CLASS/FILE and TOP/test/CLASS/FILE, or deeper in CLASS. Names of
 * split folders may have capital letters. If there is no test/ folder, val/, valid/ or validation/ serves as the test split. Class
 * folders without split folders, TOP/CLASS/FILE, need test_share. Labels follow the sorted names of the class folders, or
 * `classes`.
 *
 * One process writes the packed file, under a temporary name, and then renames it:
 *   /                    attributes: format "cifar10_mpi dataset", format_version 1, name, class_names (array of
 *                        strings), sources (array of file names), source_sha256 (array of hex digests), resize (how
 *                        images of other shapes became square: "crop" or "squash"; files without it were squashed)
 *   /train/images        uint8 [N,H,W,C], dimension labels N H W C, chunks of 250 images, Fletcher32; attribute
 *   /train/labels        uint8 [N], Fletcher32                            sha256 of the data itself on each
 *   /test/images, /test/labels    the same; N may differ, and be 0 for an absent test split
 * Rows follow CIFAR-10's binary files in the order of their names, even if an archive has them in another order. Images in folders
 * are packed in the order of their names from a directory, but in the archive's order from an archive: `tar --sort=name` makes both
 * the same. An archive is zip, or tar compressed at most once (gzip, bzip2, xz, zstd, lz4). It is never unpacked to disk. It may
 * unpack to 100 times its size plus 256 MB.
 * Everything streams: memory does not grow with the source, except 16 to 43 bytes for each distinct image, up to 96 MiB, to find
 * identical images. What was packed is printed on standard output, what was left out on standard error. */
#ifndef PACK_H
#define PACK_H

#include <stdbool.h>

#include "error.h"
#include "image.h"
#include "progress.h"

struct pack_request {
    const char *from;   /* directory or archive; NULL with download */
    bool download;      /* fetch the original archive; if its digest is checked, it stays as OUT.h5.part until it is packed */
    const char *url;    /* NULL = the published one; http(s):// or file:// */
    const char *md5;    /* NULL = the published one; "" = do not verify (reported once), and so never resume */
    const char *output; /* OUT.h5 */
    int image_size;     /* height and width for images in folders; others are resized, which is reported once */
    enum resize resize; /* how images that are not square become square */
    /* For image folders. */
    double test_share;  /* 0 = none. For sources without test images: an image is a test image if the SHA-256 of its file, read as
                           a number in [0, 1), is below this */
    const char *classes; /* file of class names, one per line, in the order of labels; NULL = sorted */
    bool allow_missing_classes; /* classes may lack training or test images; otherwise that is an error */
    bool skip_bad;      /* images that cannot be read or decoded are left out and counted; otherwise they are an error */
    enum progress_choice progress;
};
/* Names of temporary files ("" if none), which pack_run removes before it returns. If the process ends earlier, its signal handler
 * must remove them: the names are set before the files exist, and stay at the same address. */
struct pack_unfinished {
    char packed[4096], download[4096];
};
int pack_run(const struct pack_request *request, struct pack_unfinished *unfinished, struct error *why);

#endif
