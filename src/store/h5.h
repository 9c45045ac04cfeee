/* Private to src/store: an open HDF5 file. */
#ifndef STORE_H5_H
#define STORE_H5_H

#define H5_USE_110_API 1 /* HDF5 1.10's H5O_info_t and its functions, which later versions still offer */
#include <hdf5.h>

#include "store.h"

#if !H5_VERSION_GE(1, 12, 0) /* earlier versions have both under other names */
#define H5O_info2_t H5O_info_t
#define H5Ovisit3 H5Ovisit2
#endif

struct h5 {
    hid_t file;
    char path[4096];
    int64_t bytes;  /* size of a file opened for reading: no size stored in it may exceed this */
    bool writing;   /* a new file */
    bool failed;    /* a write failed: later calls of the library may succeed, but h5_close fails */
    bool in_memory; /* h5_create_in_memory: h5_close writes the image */
    void *image;
};

/* Sets "FILE: <the printf text>: <reason>" and returns -1. The reason comes from the library's error stack, so call it before any
 * other HDF5 function. Marks a file being written as failed. */
int h5_error(struct h5 *h5, struct error *why, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Bytes of `rows` rows of this shape, or -1 if that overflows or a size is negative. */
int64_t h5_bytes(const struct h5_shape *shape, int64_t rows);

#endif
