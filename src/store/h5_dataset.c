#include "h5.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The library holds a whole chunk in memory to read or write any part of it, so its size is limited. */
enum { CHUNK_BYTES_MAX = 64 << 20 };

static const struct {
    const char *name;
    int64_t bytes;
} types[] = {
    [H5_UINT8] = {"uint8", 1}, [H5_FLOAT] = {"float32", 4}, [H5_DOUBLE] = {"float64", 8}, [H5_INT64] = {"int64", 8}};

const char *h5_type_name(enum h5_type type)
{
    return types[type].name;
}

void h5_shape_text(const struct h5_shape *shape, char *text, size_t size)
{
    size_t length = 0;
    for (int i = 0; i < shape->rank && length < size; i++)
        length += (size_t)snprintf(text + length, size - length, "%s%lld", i ? "x" : "", (long long)shape->size[i]);
}

static hid_t type_in_file(enum h5_type type)
{
    switch (type) {
    case H5_UINT8: return H5T_STD_U8LE;
    case H5_FLOAT: return H5T_IEEE_F32LE;
    case H5_DOUBLE: return H5T_IEEE_F64LE;
    case H5_INT64: return H5T_STD_I64LE;
    }
    return H5I_INVALID_HID;
}

static hid_t type_in_memory(enum h5_type type)
{
    switch (type) {
    case H5_UINT8: return H5T_NATIVE_UINT8;
    case H5_FLOAT: return H5T_NATIVE_FLOAT;
    case H5_DOUBLE: return H5T_NATIVE_DOUBLE;
    case H5_INT64: return H5T_NATIVE_INT64;
    }
    return H5I_INVALID_HID;
}

int64_t h5_bytes(const struct h5_shape *shape, int64_t rows)
{
    int64_t bytes = types[shape->type].bytes;
    bool over = rows < 0 || __builtin_mul_overflow(bytes, rows, &bytes);
    for (int i = 1; i < shape->rank; i++)
        over = over || shape->size[i] < 0 || __builtin_mul_overflow(bytes, shape->size[i], &bytes);
    return over ? -1 : bytes;
}

/* ---- making ---- */

/* Writes dimension labels as H5DSset_label of HDF5's high-level library does; h5py shows them as `dims`. */
static int label(struct h5 *h5, hid_t set, const char *name, const char *const *labels, int rank, struct error *why)
{
    hsize_t count = (hsize_t)rank;
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, &count, NULL), attribute = H5I_INVALID_HID;
    int status = 0;
    if (type < 0 || space < 0 || H5Tset_size(type, H5T_VARIABLE) < 0 ||
        (attribute = H5Acreate2(set, "DIMENSION_LABELS", type, space, H5P_DEFAULT, H5P_DEFAULT)) < 0 ||
        H5Awrite(attribute, type, labels) < 0)
        status = h5_error(h5, why, "%s: its dimensions cannot be labelled", name);
    if (attribute >= 0 && H5Aclose(attribute) < 0 && !status)
        status = h5_error(h5, why, "%s: its dimensions cannot be labelled", name);
    H5Sclose(space);
    H5Tclose(type);
    return status;
}

/* The creation list: chunks of this many rows, Fletcher32, no timestamps. */
static hid_t creation_list(const struct h5_shape *shape, int64_t chunk_rows)
{
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk[H5_RANK_MAX] = {(hsize_t)chunk_rows};
    for (int i = 1; i < shape->rank; i++)
        chunk[i] = (hsize_t)shape->size[i];
    if (list >= 0 && H5Pset_chunk(list, shape->rank, chunk) >= 0 && H5Pset_fletcher32(list) >= 0 &&
        H5Pset_obj_track_times(list, false) >= 0)
        return list;
    H5Pclose(list);
    return H5I_INVALID_HID;
}

/* Rows per chunk: as requested, but at least one and within the limit. -1 if the shape is impossible. */
static int64_t chunk_fit(struct h5 *h5, const char *name, const struct h5_shape *shape, int64_t rows, struct error *why)
{
    int64_t row = shape->rank >= 1 && shape->rank <= H5_RANK_MAX ? h5_bytes(shape, 1) : -1;
    if (row < 1 || row > CHUNK_BYTES_MAX || h5_bytes(shape, shape->size[0]) < 0) {
        h5->failed = true;
        return error_set(why, "%s: %s: a data set has 1 to %d dimensions, and rows of 1 to %d bytes", h5->path, name,
                         H5_RANK_MAX, CHUNK_BYTES_MAX);
    }
    if (rows > CHUNK_BYTES_MAX / row)
        rows = CHUNK_BYTES_MAX / row;
    return rows < 1 ? 1 : rows;
}

int h5_make_group(struct h5 *h5, const char *name, struct error *why)
{
    hid_t list = H5Pcreate(H5P_GROUP_CREATE), group = H5I_INVALID_HID;
    if (list >= 0 && H5Pset_obj_track_times(list, false) >= 0)
        group = H5Gcreate2(h5->file, name, H5P_DEFAULT, list, H5P_DEFAULT);
    int status = group < 0 || H5Gclose(group) < 0 ? h5_error(h5, why, "group %s cannot be created", name) : 0;
    H5Pclose(list);
    return status;
}

/* Creates the parent groups of a data set (the library's own would carry timestamps). */
static int parents_make(struct h5 *h5, const char *name, struct error *why)
{
    char group[H5_NAME];
    for (const char *slash = strchr(name + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        if (snprintf(group, sizeof group, "%.*s", (int)(slash - name), name) >= (int)sizeof group)
            return error_set(why, "%s: %.64s...: the name is too long", h5->path, name);
        if (!h5_has(h5, group, NULL) && h5_make_group(h5, group, why))
            return -1;
    }
    return 0;
}

int h5_make(struct h5 *h5, const char *name, const struct h5_shape *shape, const char *const *labels,
            int64_t chunk_rows, struct error *why)
{
    int64_t rows = chunk_fit(h5, name, shape, chunk_rows, why);
    if (rows < 0 || parents_make(h5, name, why))
        return -1;
    hsize_t size[H5_RANK_MAX], most[H5_RANK_MAX];
    for (int i = 0; i < shape->rank; i++)
        size[i] = most[i] = (hsize_t)shape->size[i];
    if (size[0] == 0)
        most[0] = H5S_UNLIMITED;
    hid_t creation = creation_list(shape, rows);
    hid_t space = H5Screate_simple(shape->rank, size, most), set = H5I_INVALID_HID;
    if (creation >= 0 && space >= 0)
        set = H5Dcreate2(h5->file, name, type_in_file(shape->type), space, H5P_DEFAULT, creation, H5P_DEFAULT);
    int status = set < 0 ? h5_error(h5, why, "%s: cannot be created", name) : 0;
    if (!status && labels)
        status = label(h5, set, name, labels, shape->rank, why);
    if (set >= 0 && H5Dclose(set) < 0 && !status)
        status = h5_error(h5, why, "%s: cannot be written", name);
    H5Sclose(space);
    H5Pclose(creation);
    return status;
}

/* ---- checking ---- */

/* Whether the type is one of ours, in any byte order; sets *known. */
static bool type_known(hid_t type, enum h5_type *known)
{
    size_t size = H5Tget_size(type);
    H5T_class_t class = H5Tget_class(type);
    if (class == H5T_FLOAT && (size == 4 || size == 8))
        *known = size == 4 ? H5_FLOAT : H5_DOUBLE;
    else if (class == H5T_INTEGER && size == 1 && H5Tget_sign(type) == H5T_SGN_NONE)
        *known = H5_UINT8;
    else if (class == H5T_INTEGER && size == 8 && H5Tget_sign(type) == H5T_SGN_2)
        *known = H5_INT64;
    else
        return false;
    return true;
}

/* Whether the data set's chunks, if any, are within the limit. */
static bool chunks_fit(hid_t list, int64_t bytes)
{
    hsize_t chunk[H5_RANK_MAX];
    if (H5Pget_layout(list) != H5D_CHUNKED)
        return true;
    int rank = H5Pget_chunk(list, H5_RANK_MAX, chunk);
    bool fit = rank >= 1 && rank <= H5_RANK_MAX;
    for (int i = 0; fit && i < rank; i++) {
        fit = chunk[i] <= CHUNK_BYTES_MAX;
        bytes = fit ? bytes * (int64_t)chunk[i] : bytes;
        fit = fit && bytes <= CHUNK_BYTES_MAX;
    }
    return fit;
}

/* Whether chunks have filters other than Fletcher32: the library does not limit what compressed chunks unpack to. */
static bool is_compressed(hid_t list)
{
    for (int i = 0; i < H5Pget_nfilters(list); i++) {
        unsigned flags, config;
        size_t values = 0;
        if (H5Pget_filter2(list, (unsigned)i, &flags, &values, NULL, 0, NULL, &config) != H5Z_FILTER_FLETCHER32)
            return true;
    }
    return false;
}

/* Whether the elements are stored in other files. */
static bool is_elsewhere(hid_t list)
{
    return H5Pget_layout(list) == H5D_VIRTUAL || H5Pget_external_count(list) != 0;
}

/* Checks how the elements are stored before the library reads them. element: bytes per element. */
static int storage_check(struct h5 *h5, hid_t set, const char *name, int64_t element, struct error *why)
{
    if (h5->writing)
        return 0;
    hid_t list = H5Dget_create_plist(set);
    int status = 0;
    if (list < 0)
        status = h5_error(h5, why, "%s: cannot be read", name);
    else if (is_elsewhere(list))
        status = error_set(why, "%s: %s: its data are in other files, which are not read", h5->path, name);
    else if (is_compressed(list))
        status = error_set(why, "%s: %s: is compressed, which is not supported: h5repack -f FLET FILE OTHER unpacks it", h5->path,
                           name);
    else if (!chunks_fit(list, element))
        status = error_set(why, "%s: %s: has chunks above %d bytes", h5->path, name, CHUNK_BYTES_MAX);
    H5Pclose(list);
    return status;
}

/* Refuses sizes that the file claims but does not store, and rows of no bytes. */
static int claim_check(struct h5 *h5, hid_t set, const char *name, const struct h5_shape *shape, struct error *why)
{
    if (h5->writing)
        return 0;
    int64_t claimed = h5_bytes(shape, shape->size[0]), stored = (int64_t)H5Dget_storage_size(set);
    if (h5_bytes(shape, 1) <= 0)
        return error_set(why, "%s: %s: claims rows of no bytes, or of more bytes than any memory has", h5->path, name);
    if (claimed >= 0 && stored >= 0 && stored <= h5->bytes && claimed <= stored)
        return 0;
    return error_set(why, "%s: %s: claims %lld bytes where the file of %lld bytes stores %lld: it is damaged or was "
                     "not written to its end", h5->path, name, (long long)claimed, (long long)h5->bytes, (long long)stored);
}

static int shape_take(struct h5 *h5, hid_t set, const char *name, struct h5_shape *shape, struct error *why)
{
    hid_t type = H5Dget_type(set);
    hsize_t size[H5S_MAX_RANK];
    bool known = type >= 0 && type_known(type, &shape->type);
    H5Tclose(type);
    if (!known)
        return error_set(why, "%s: %s: has a type other than uint8, int64, float32 and float64", h5->path, name);
    if (storage_check(h5, set, name, types[shape->type].bytes, why))
        return -1;
    hid_t space = H5Dget_space(set);
    int rank = space < 0 ? -1 : H5Sget_simple_extent_dims(space, size, NULL);
    H5Sclose(space);
    if (rank < 1 || rank > H5_RANK_MAX)
        return error_set(why, "%s: %s: has %d dimensions instead of 1 to %d", h5->path, name, rank, H5_RANK_MAX);
    shape->rank = rank;
    for (int i = 0; i < rank; i++) {
        if (size[i] > INT64_MAX)
            return error_set(why, "%s: %s: claims a dimension larger than any memory", h5->path, name);
        shape->size[i] = (int64_t)size[i];
    }
    return claim_check(h5, set, name, shape, why);
}

/* Opens a data set and reads its shape; negative with a sentence on failure. */
static hid_t set_open(struct h5 *h5, const char *name, struct h5_shape *shape, struct error *why)
{
    hid_t set = H5Dopen2(h5->file, name, H5P_DEFAULT);
    if (set < 0)
        h5_error(h5, why, "data set %s cannot be opened", name);
    else if (shape_take(h5, set, name, shape, why)) {
        H5Dclose(set);
        return H5I_INVALID_HID;
    }
    return set;
}

int h5_shape(struct h5 *h5, const char *name, struct h5_shape *shape, struct error *why)
{
    hid_t set = set_open(h5, name, shape, why);
    if (set < 0)
        return -1;
    H5Dclose(set);
    return 0;
}

/* ---- reading and writing ---- */

/* Reads or writes rows [first, first + rows) of an open data set. */
static int rows_move(struct h5 *h5, hid_t set, const char *name, const struct h5_shape *shape, int64_t first,
                     int64_t rows, void *to, const void *from, struct error *why)
{
    hsize_t start[H5_RANK_MAX] = {(hsize_t)first}, count[H5_RANK_MAX] = {(hsize_t)rows};
    for (int i = 1; i < shape->rank; i++)
        count[i] = (hsize_t)shape->size[i];
    hid_t space = H5Dget_space(set), memory = H5Screate_simple(shape->rank, count, NULL);
    herr_t moved = -1;
    if (space >= 0 && memory >= 0 && H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0)
        moved = from ? H5Dwrite(set, type_in_memory(shape->type), memory, space, H5P_DEFAULT, from)
                     : H5Dread(set, type_in_memory(shape->type), memory, space, H5P_DEFAULT, to);
    int status = moved < 0 ? h5_error(h5, why, "%s: cannot be %s", name, from ? "written" : "read") : 0;
    H5Sclose(memory);
    H5Sclose(space);
    return status;
}

/* Extends the first dimension to at least `rows`. */
static herr_t set_grow(hid_t set, const struct h5_shape *shape, int64_t rows)
{
    hsize_t size[H5_RANK_MAX] = {(hsize_t)rows};
    for (int i = 1; i < shape->rank; i++)
        size[i] = (hsize_t)shape->size[i];
    return rows > shape->size[0] ? H5Dset_extent(set, size) : 0;
}

int h5_put(struct h5 *h5, const char *name, int64_t first, int64_t rows, const void *data, struct error *why)
{
    struct h5_shape shape;
    if (first < 0 || rows < 0)
        return error_set(why, "%s: %s: cannot write %lld rows from %lld on", h5->path, name, (long long)rows,
                         (long long)first);
    if (!rows)
        return 0;
    hid_t set = set_open(h5, name, &shape, why);
    if (set < 0)
        return -1;
    int status = set_grow(set, &shape, first + rows) < 0 ? h5_error(h5, why, "%s: cannot be written", name)
                                                         : rows_move(h5, set, name, &shape, first, rows, NULL, data, why);
    if (H5Dclose(set) < 0 && !status)
        status = h5_error(h5, why, "%s: cannot be written", name);
    return status;
}

int h5_write(struct h5 *h5, const char *name, const struct h5_shape *shape, const char *const *labels,
             const void *data, struct error *why)
{
    if (h5_make(h5, name, shape, labels, shape->size[0], why))
        return -1;
    hid_t set = H5Dopen2(h5->file, name, H5P_DEFAULT);
    int status = set < 0 ? h5_error(h5, why, "%s: cannot be written", name)
                         : rows_move(h5, set, name, shape, 0, shape->size[0], NULL, data, why);
    if (set >= 0 && H5Dclose(set) < 0 && !status)
        status = h5_error(h5, why, "%s: cannot be written", name);
    return status;
}

int h5_read(struct h5 *h5, const char *name, int64_t first, int64_t rows, void *data, struct error *why)
{
    struct h5_shape shape;
    hid_t set = set_open(h5, name, &shape, why);
    if (set < 0)
        return -1;
    int status = 0;
    if (first < 0 || rows < 0 || first > shape.size[0] || rows > shape.size[0] - first)
        status = error_set(why, "%s: %s: has %lld rows, not %lld from %lld on", h5->path, name,
                           (long long)shape.size[0], (long long)rows, (long long)first);
    else if (rows)
        status = rows_move(h5, set, name, &shape, first, rows, data, NULL, why);
    H5Dclose(set);
    return status;
}
