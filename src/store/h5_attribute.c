#include "h5.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Limits for reading: texts per attribute, bytes per text. */
enum { TEXTS_MAX = 1 << 16, TEXT_BYTES_MAX = 1 << 20 };

/* ---- writing ---- */

static int attribute_write(struct h5 *h5, const char *name, const char *attribute, hid_t type, hid_t space,
                           const void *value, struct error *why)
{
    hid_t object = H5Oopen(h5->file, name, H5P_DEFAULT), id = H5I_INVALID_HID;
    if (object >= 0)
        id = H5Acreate2(object, attribute, type, space, H5P_DEFAULT, H5P_DEFAULT);
    int status = 0;
    if (id < 0 || H5Awrite(id, type, value) < 0)
        status = h5_error(h5, why, "attribute %s of %s cannot be written", attribute, name);
    if (id >= 0 && H5Aclose(id) < 0 && !status)
        status = h5_error(h5, why, "attribute %s of %s cannot be written", attribute, name);
    if (object >= 0 && H5Oclose(object) < 0 && !status)
        status = h5_error(h5, why, "attribute %s of %s cannot be written", attribute, name);
    return status;
}

/* The HDF5 type of a UTF-8 text of `size` bytes, including the final zero. */
static hid_t text_type(size_t size)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 && H5Tset_size(type, size) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0)
        return type;
    H5Tclose(type);
    return H5I_INVALID_HID;
}

int h5_set_text(struct h5 *h5, const char *name, const char *attribute, const char *text, struct error *why)
{
    hid_t type = text_type(strlen(text) + 1), space = H5Screate(H5S_SCALAR);
    int status = attribute_write(h5, name, attribute, type, space, text, why);
    H5Sclose(space);
    H5Tclose(type);
    return status;
}

int h5_set_texts(struct h5 *h5, const char *name, const char *attribute, const char *const *texts, int count,
                 struct error *why)
{
    size_t longest = 0;
    for (int i = 0; i < count; i++)
        longest = strlen(texts[i]) > longest ? strlen(texts[i]) : longest;
    char *all = memory_new((size_t)count, longest + 1, attribute, why);
    if (!all)
        return -1;
    for (int i = 0; i < count; i++)
        strcpy(all + (size_t)i * (longest + 1), texts[i]);
    hsize_t size = (hsize_t)count;
    hid_t type = text_type(longest + 1), space = H5Screate_simple(1, &size, NULL);
    int status = attribute_write(h5, name, attribute, type, space, all, why);
    H5Sclose(space);
    H5Tclose(type);
    free(all);
    return status;
}

static int number_write(struct h5 *h5, const char *name, const char *attribute, hid_t type, const void *value,
                        struct error *why)
{
    hid_t space = H5Screate(H5S_SCALAR);
    int status = attribute_write(h5, name, attribute, type, space, value, why);
    H5Sclose(space);
    return status;
}

int h5_set_integer(struct h5 *h5, const char *name, const char *attribute, int64_t value, struct error *why)
{
    return number_write(h5, name, attribute, H5T_STD_I64LE, &(int64_t){value}, why);
}

int h5_set_real(struct h5 *h5, const char *name, const char *attribute, double value, struct error *why)
{
    return number_write(h5, name, attribute, H5T_IEEE_F64LE, &(double){value}, why);
}

/* ---- reading ---- */

/* An open attribute and its type. */
struct h5_attribute {
    hid_t id, type, space;
    H5T_class_t class;
    size_t size; /* bytes per element */
    hssize_t count;
};

static void attribute_close(struct h5_attribute *attribute)
{
    H5Sclose(attribute->space);
    H5Tclose(attribute->type);
    H5Aclose(attribute->id);
}

static int attribute_open(struct h5 *h5, const char *name, const char *attribute, struct h5_attribute *open,
                          struct error *why)
{
    open->id = H5Aopen_by_name(h5->file, name, attribute, H5P_DEFAULT, H5P_DEFAULT);
    if (open->id < 0) {
        h5_error(h5, why, "attribute %s of %s is missing", attribute, name);
        return -1;
    }
    open->type = H5Aget_type(open->id);
    open->space = H5Aget_space(open->id);
    open->class = open->type < 0 ? H5T_NO_CLASS : H5Tget_class(open->type);
    open->size = open->type < 0 ? 0 : H5Tget_size(open->type);
    open->count = open->space < 0 ? -1 : H5Sget_simple_extent_npoints(open->space);
    if (open->class >= 0 && open->size > 0 && open->count >= 0)
        return 0;
    h5_error(h5, why, "attribute %s of %s cannot be read", attribute, name);
    attribute_close(open);
    return -1;
}

/* Opens an attribute that has one element of the given class. */
static int scalar_open(struct h5 *h5, const char *name, const char *attribute, H5T_class_t class, const char *what,
                       struct h5_attribute *open, struct error *why)
{
    if (attribute_open(h5, name, attribute, open, why))
        return -1;
    if (open->class == class && open->count == 1)
        return 0;
    attribute_close(open);
    return error_set(why, "%s: attribute %s of %s is not one %s", h5->path, attribute, name, what);
}

static int number_read(struct h5 *h5, const char *name, const char *attribute, H5T_class_t class, const char *what,
                       hid_t type, void *value, struct error *why)
{
    struct h5_attribute open;
    if (scalar_open(h5, name, attribute, class, what, &open, why))
        return -1;
    int status = 0;
    if (open.size > 8)
        status = error_set(why, "%s: attribute %s of %s is longer than 64 bits", h5->path, attribute, name);
    else if (H5Aread(open.id, type, value) < 0)
        status = h5_error(h5, why, "attribute %s of %s cannot be read", attribute, name);
    attribute_close(&open);
    return status;
}

int h5_get_integer(struct h5 *h5, const char *name, const char *attribute, int64_t *value, struct error *why)
{
    return number_read(h5, name, attribute, H5T_INTEGER, "integer", H5T_NATIVE_INT64, value, why);
}

int h5_get_real(struct h5 *h5, const char *name, const char *attribute, double *value, struct error *why)
{
    return number_read(h5, name, attribute, H5T_FLOAT, "floating-point number", H5T_NATIVE_DOUBLE, value, why);
}

/* Reads texts of fixed length into `all`, each cut to stride - 1 bytes. */
static int array_read(struct h5_attribute *open, hid_t type, char *all, size_t stride)
{
    struct error ignored;
    char *texts = memory_new((size_t)open->count, open->size + 1, "texts", &ignored);
    if (!texts || H5Aread(open->id, type, texts) < 0) {
        free(texts);
        return -1;
    }
    for (hssize_t i = 0; i < open->count; i++)
        snprintf(all + (size_t)i * stride, stride, "%s", texts + (size_t)i * (open->size + 1));
    free(texts);
    return 0;
}

/* Reads all texts of an open attribute into a new array, each cut to stride - 1 bytes. NULL with a sentence on failure. */
static char *texts_read(struct h5 *h5, struct h5_attribute *open, const char *name, const char *attribute, size_t stride,
                        struct error *why)
{
    htri_t variable = open->class == H5T_STRING ? H5Tis_variable_str(open->type) : -1;
    if (variable > 0) {
        error_set(why, "%s: attribute %s of %s is a text of variable length, which is not read", h5->path, attribute, name);
        return NULL;
    }
    if (variable < 0 || open->count > TEXTS_MAX || open->size > TEXT_BYTES_MAX ||
        (size_t)open->count * open->size > TEXTS_MAX * 64) {
        error_set(why, "%s: attribute %s of %s is not a text, or too long", h5->path, attribute, name);
        return NULL;
    }
    char *all = memory_new((size_t)open->count, stride, attribute, why);
    if (!all)
        return NULL;
    hid_t type = H5Tcopy(H5T_C_S1);
    int status = -1;
    if (type >= 0 && H5Tset_size(type, open->size + 1) >= 0 &&
        H5Tset_cset(type, H5Tget_cset(open->type)) >= 0)
        status = array_read(open, type, all, stride);
    if (status)
        h5_error(h5, why, "attribute %s of %s cannot be read", attribute, name);
    H5Tclose(type);
    if (!status)
        return all;
    free(all);
    return NULL;
}

int h5_get_text(struct h5 *h5, const char *name, const char *attribute, char *text, size_t size, struct error *why)
{
    struct h5_attribute open;
    if (scalar_open(h5, name, attribute, H5T_STRING, "text", &open, why))
        return -1;
    char *found = texts_read(h5, &open, name, attribute, size + 1, why);
    attribute_close(&open);
    if (!found)
        return -1;
    int status = 0;
    if (strlen(found) >= size)
        status = error_set(why, "%s: attribute %s of %s is longer than %zu bytes", h5->path, attribute, name, size - 1);
    else
        text_printable(strcpy(text, found));
    free(found);
    return status;
}

int h5_get_texts(struct h5 *h5, const char *name, const char *attribute, char (**texts)[64], int *count,
                 struct error *why)
{
    struct h5_attribute open;
    if (attribute_open(h5, name, attribute, &open, why))
        return -1;
    char *found = texts_read(h5, &open, name, attribute, 64, why);
    *count = (int)open.count;
    for (int i = 0; found && i < *count; i++)
        text_printable(found + (size_t)i * 64);
    *texts = (char(*)[64])found;
    attribute_close(&open);
    return found ? 0 : -1;
}

/* The shortest decimal that reads back as the same number. */
static void real_text(double value, char *text, size_t size)
{
    char shortest[40] = "";
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(shortest, sizeof shortest, "%.*g", digits, value);
        if (strtod(shortest, NULL) == value)
            break;
    }
    snprintf(text, size, "%s", shortest);
}

/* Texts joined by commas, cut at the end of `text`. */
static int joined_text(struct h5 *h5, struct h5_attribute *open, const char *name, const char *attribute, char *text,
                       size_t size, struct error *why)
{
    size_t stride = open->size + 1, length = 0;
    char *all = texts_read(h5, open, name, attribute, stride, why);
    if (!all)
        return -1;
    text[0] = '\0';
    for (hssize_t i = 0; i < open->count && length < size; i++)
        length += (size_t)snprintf(text + length, size - length, "%s%s", i ? ", " : "", all + (size_t)i * stride);
    free(all);
    return 0;
}

int h5_get_as_text(struct h5 *h5, const char *name, const char *attribute, char *text, size_t size, struct error *why)
{
    struct h5_attribute open;
    int64_t integer;
    double real;
    if (attribute_open(h5, name, attribute, &open, why))
        return -1;
    int status = -1;
    if (open.class == H5T_STRING)
        status = joined_text(h5, &open, name, attribute, text, size, why);
    else if (open.class == H5T_INTEGER && !(status = h5_get_integer(h5, name, attribute, &integer, why)))
        snprintf(text, size, "%lld", (long long)integer);
    else if (open.class == H5T_FLOAT && !(status = h5_get_real(h5, name, attribute, &real, why)))
        real_text(real, text, size);
    else if (open.class != H5T_INTEGER && open.class != H5T_FLOAT)
        error_set(why, "%s: attribute %s of %s is neither text nor number", h5->path, attribute, name);
    attribute_close(&open);
    return status;
}
