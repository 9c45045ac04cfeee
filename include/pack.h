/* Pack: sources -> the packed HDF5 file.
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
#ifndef PACK_H
#define PACK_H

#include <stdbool.h>

#include "error.h"
#include "image.h"

struct pack_request {
    const char *from;   /* directory or archive; NULL with download */
    bool download;      /* the original archive: what is verified stays, as OUT.h5.part, until it is packed */
    const char *url;    /* NULL = the published one; http(s):// or file:// */
    const char *md5;    /* NULL = the published one; "" = not verified (said once), hence never resumed */
    const char *output; /* OUT.h5 */
    int image_size;     /* height and width of images in folders: other sizes are resized to it, said once; 32 */
    enum resize resize; /* how those that are not square become so */
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

#endif
