/* HDF5 files that are well formed but wrong: the input says how to change a valid file through the library. A change is nine bytes:
 * the upper half of the first byte is its kind, the lower half its object; the other eight are a number. An input that begins like
 * an HDF5 file is used as it is; its checksums are not corrected, since such files crash HDF5 1.10.8 itself. */
#ifndef TESTS_FUZZ_H5_EDITS_H
#define TESTS_FUZZ_H5_EDITS_H

#include <hdf5.h>

#include "fuzz.h"

struct edit_targets {
    const char *file; /* the valid file that is changed */
    const char *const *sets;
    const char *const *attributes; /* of the file */
    int set_count, attribute_count;
};

static inline void attribute_put(hid_t object, const char *name, hid_t type, hsize_t count, const void *value)
{
    hid_t space = count == 1 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &count, NULL), attribute;
    H5Adelete(object, name);
    attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, type, value);
    H5Aclose(attribute);
    H5Sclose(space);
}

static inline void text_put(hid_t object, const char *name, size_t length, const uint8_t number[8])
{
    static char text[8 * 4096];
    hid_t type = H5Tcopy(H5T_C_S1);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)number[i % 8];
    H5Tset_size(type, length);
    attribute_put(object, name, type, 1 + number[7] % 4, text);
    H5Tclose(type);
}

static inline void attribute_edit(hid_t object, const char *name, int how, const uint8_t number[8])
{
    int64_t integer;
    memcpy(&integer, number, 8);
    switch (how % 6) {
    case 0: H5Adelete(object, name); break;
    case 1: attribute_put(object, name, H5T_NATIVE_INT64, 1, &integer); break;
    case 2: attribute_put(object, name, H5T_NATIVE_DOUBLE, 1, &integer); break;
    case 3: text_put(object, name, 1 + number[6], number); break;
    case 4: text_put(object, name, 4096, number); break;
    case 5: attribute_put(object, name, H5T_NATIVE_UINT8, 8, number); break;
    }
}

/* Bytes 1 to 5 of the number each give a dimension: a small number or a power of two. */
static inline void set_make(hid_t file, const char *name, int how, const uint8_t number[8])
{
    const hid_t types[] = {H5T_STD_U8LE, H5T_IEEE_F32LE, H5T_IEEE_F64BE, H5T_STD_I64LE, H5T_STD_I8LE, H5T_C_S1};
    hsize_t size[5], most[5], chunk[5];
    int rank = number[0] % 6;
    for (int i = 0; i < rank; i++) {
        uint8_t byte = number[1 + i];
        size[i] = byte < 64 ? byte : byte < 192 ? (hsize_t)byte % 16 : (hsize_t)1 << byte % 63;
        chunk[i] = size[i] && size[i] < 64 ? size[i] : 1 + byte % 32;
        most[i] = H5S_UNLIMITED;
    }
    hid_t list = H5Pcreate(H5P_DATASET_CREATE), space = rank ? H5Screate_simple(rank, size, how & 1 ? most : NULL)
                                                             : H5Screate(how & 1 ? H5S_NULL : H5S_SCALAR);
    if (rank && how & 3)
        H5Pset_chunk(list, rank, chunk);
    if (how & 4)
        H5Pset_deflate(list, 1);
    if (how & 8)
        H5Pset_fletcher32(list);
    H5Ldelete(file, name, H5P_DEFAULT);
    hid_t set = H5Dcreate2(file, name, types[number[7] % 6], space, H5P_DEFAULT, list, H5P_DEFAULT);
    H5Dclose(set);
    H5Pclose(list);
    H5Sclose(space);
}

static inline void set_edit(hid_t file, const char *name, int how, const uint8_t number[8])
{
    hid_t set;
    switch (how) {
    case 6: H5Ldelete(file, name, H5P_DEFAULT); break;
    case 7:
        H5Ldelete(file, name, H5P_DEFAULT);
        H5Lcreate_soft(number[0] % 2 ? name : "/", file, name, H5P_DEFAULT, H5P_DEFAULT);
        break;
    case 8:
        set = H5Dopen2(file, name, H5P_DEFAULT);
        attribute_edit(set, "sha256", number[6], number);
        H5Dclose(set);
        break;
    default: set_make(file, name, how, number);
    }
}

static inline void edit(hid_t file, const struct edit_targets *targets, const uint8_t *change)
{
    int how = change[0] >> 4, which = change[0] & 15;
    if (how < 6)
        attribute_edit(file, targets->attributes[which % targets->attribute_count], how, change + 1);
    else
        set_edit(file, targets->sets[which % targets->set_count], how, change + 1);
}

/* Makes the file that the input describes. */
static inline const char *h5_input(const struct edit_targets *targets, const uint8_t *data, size_t size)
{
    enum { CHANGE = 9, CHANGES_MAX = 32 };
    static uint8_t valid[1 << 16];
    static size_t valid_size;
    if (size && data[0] == 0x89)
        return fuzz_file("input", data, size);
    if (!valid_size) {
        FILE *file = fopen(targets->file, "rb");
        must(file && (valid_size = fread(valid, 1, sizeof valid, file)) > 0 && !fclose(file));
    }
    const char *name = fuzz_file("input", valid, valid_size);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = H5Fopen(name, H5F_ACC_RDWR, H5P_DEFAULT);
    must(file >= 0);
    for (size_t at = 0; at + CHANGE <= size && at < CHANGE * CHANGES_MAX; at += CHANGE)
        edit(file, targets, data + at);
    H5Fclose(file);
    return name;
}

#endif
