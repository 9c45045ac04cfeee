/* Inside the store room: what its files share about an open HDF5 file. */
#ifndef STORE_H5_H
#define STORE_H5_H

#define H5_USE_110_API 1 /* H5O_info_t and what takes it: as in HDF5 1.10, which later versions know too */
#include <hdf5.h>

#include "store.h"

#if !H5_VERSION_GE(1, 12, 0) /* has both under other names */
#define H5O_info2_t H5O_info_t
#define H5Ovisit3 H5Ovisit2
#endif

struct h5 {
    hid_t file;
    char path[4096];
    int64_t bytes;  /* of a file opened to read: bounds every size that it claims */
    bool writing;   /* a new file */
    bool failed;    /* a write failed: the library may say yes to all that follows, h5_close does not */
    bool in_memory; /* h5_create_in_memory: h5_close writes the image */
    void *image;
};

/* "FILE: <the printf text>: <reason>", the reason taken from the library's error stack, so to be
 * called before any other HDF5 call. Marks a file being written as failed. Returns -1. */
int h5_error(struct h5 *h5, struct error *why, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Bytes of `rows` rows of that shape, or -1 where that overflows or a size is negative. */
int64_t h5_bytes(const struct h5_shape *shape, int64_t rows);

#endif
