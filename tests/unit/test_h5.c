/* The HDF5 helpers: written data are read back, and damaged files are refused with a sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "h5_fixture.h"
#include "hdf5_ids.h"

/* Dimension labels as HDF5 stores them: texts of variable length, which only other programs read. */
static void labels_are(const char *name, const char *set, const char *const *expected)
{
    char *found[3];
    hid_t file = H5Fopen(name, H5F_ACC_RDONLY, H5P_DEFAULT), type = H5Tcopy(H5T_C_S1);
    hid_t attribute = H5Aopen_by_name(file, set, "DIMENSION_LABELS", H5P_DEFAULT, H5P_DEFAULT);
    H5Tset_size(type, H5T_VARIABLE);
    assert_true(H5Aread(attribute, type, found) >= 0);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(found[i], expected[i]);
        H5free_memory(found[i]);
    }
    H5Aclose(attribute);
    H5Tclose(type);
    H5Fclose(file);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct error why;
    struct h5 *h5 = h5_create(path("a.h5"), &why);
    assert_non_null(h5);
    uint8_t images[7 * 6];
    for (int i = 0; i < 7 * 6; i++)
        images[i] = (uint8_t)(i * 5);
    const char *labels[] = {"N", "H", "W"};
    struct h5_shape shape = {H5_UINT8, 3, {0, 2, 3}};
    assert_fine(h5_make(h5, "/train/images", &shape, labels, 3, &why));
    assert_fine(h5_put(h5, "/train/images", 4, 3, images + 24, &why)); /* rows may be written in any order */
    assert_fine(h5_put(h5, "/train/images", 0, 4, images, &why));
    assert_refused(h5_put(h5, "/train/images", -1, 1, images, &why), "cannot write 1 rows from -1 on");
    float weights[6] = {1, -2, 3.5f, 0, 1e-30f, 7};
    assert_fine(h5_write(h5, "/w", &(struct h5_shape){H5_FLOAT, 2, {2, 3}}, NULL, weights, &why));
    double reals[2] = {1.0 / 3, -1e300};
    assert_fine(h5_write(h5, "/d", &(struct h5_shape){H5_DOUBLE, 1, {2}}, NULL, reals, &why));
    int64_t integers[2] = {INT64_MIN, INT64_MAX};
    assert_fine(h5_write(h5, "/i", &(struct h5_shape){H5_INT64, 1, {2}}, NULL, integers, &why));
    assert_fine(h5_set_text(h5, "/", "format", "grüße", &why));
    assert_fine(h5_set_text(h5, "/train/images", "empty", "", &why));
    assert_fine(h5_set_texts(h5, "/train", "names", (const char *[]){"cat", "a longer name", ""}, 3, &why));
    assert_fine(h5_set_integer(h5, "/", "step", -12345678901LL, &why));
    assert_fine(h5_set_real(h5, "/", "loss", 0.1, &why));
    assert_fine(h5_close(h5, &why));

    h5 = h5_open(path("a.h5"), &why);
    assert_non_null(h5);
    assert_fine(h5_shape(h5, "/train/images", &shape, &why));
    assert_int_equal(shape.type, H5_UINT8);
    assert_int_equal(shape.rank, 3);
    assert_int_equal(shape.size[0], 7);
    assert_int_equal(shape.size[1], 2);
    assert_int_equal(shape.size[2], 3);
    uint8_t part[5 * 6] = {0};
    assert_fine(h5_read(h5, "/train/images", 2, 5, part, &why));
    assert_memory_equal(part, images + 12, sizeof part);
    float weights_read[6];
    double reals_read[2], real;
    int64_t integers_read[2], integer;
    assert_fine(h5_read(h5, "/w", 0, 2, weights_read, &why));
    assert_memory_equal(weights, weights_read, sizeof weights);
    assert_fine(h5_read(h5, "/d", 0, 2, reals_read, &why));
    assert_memory_equal(reals, reals_read, sizeof reals);
    assert_fine(h5_read(h5, "/i", 0, 2, integers_read, &why));
    assert_memory_equal(integers, integers_read, sizeof integers);
    char text[64], (*names)[64];
    int count;
    assert_fine(h5_get_text(h5, "/", "format", text, sizeof text, &why));
    assert_string_equal(text, "grüße");
    assert_fine(h5_get_text(h5, "/train/images", "empty", text, sizeof text, &why));
    assert_string_equal(text, "");
    assert_fine(h5_get_texts(h5, "/train", "names", &names, &count, &why));
    assert_int_equal(count, 3);
    assert_string_equal(names[1], "a longer name");
    free(names);
    assert_fine(h5_get_integer(h5, "/", "step", &integer, &why));
    assert_true(integer == -12345678901LL);
    assert_fine(h5_get_real(h5, "/", "loss", &real, &why));
    assert_true(real == 0.1);
    assert_refused(h5_get_texts(h5, "/train/images", "DIMENSION_LABELS", &names, &count, &why), "variable length");
    assert_fine(h5_close(h5, &why));
    labels_are(path("a.h5"), "/train/images", (const char *[]){"N", "H", "W"});
}

/* ---- files as other programs write them, made by direct calls of the library ---- */

static hid_t foreign_file(const char *name, H5F_libver_t least)
{
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    assert_true(H5Pset_libver_bounds(list, least, H5F_LIBVER_LATEST) >= 0);
    hid_t file = H5Fcreate(name, H5F_ACC_TRUNC, H5P_DEFAULT, list);
    H5Pclose(list);
    return file;
}

static void foreign_attribute(hid_t file, const char *name, hid_t type, const void *value, hsize_t count)
{
    hid_t space = count ? H5Screate_simple(1, &count, NULL) : H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, type, value) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
}

static void foreign_set(hid_t file, const char *name, hid_t type, int rank, const void *value)
{
    hsize_t size[6] = {2, 1, 1, 1, 1, 1};
    hid_t space = rank ? H5Screate_simple(rank, size, NULL) : H5Screate(H5S_SCALAR);
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0);
    H5Dclose(set);
    H5Sclose(space);
}

static void test_foreign_texts(void **state)
{
    (void)state;
    struct error why;
    hid_t file = foreign_file(path("texts.h5"), H5F_LIBVER_LATEST), type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    foreign_attribute(file, "variable", type, (const char *[]){"of any length"}, 0);
    H5Tclose(type);
    type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, 16);
    foreign_attribute(file, "ascii", type, "of sixteen bytes", 0);
    H5Tset_cset(type, H5T_CSET_UTF8);
    foreign_attribute(file, "unicode", type, "größer\033[31m\0\0\0", 0);
    H5Tset_size(type, 4);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    foreign_attribute(file, "padded", type, "fullabc", 2);
    H5Tclose(type);
    foreign_attribute(file, "integer", H5T_STD_I16BE, &(int16_t){0x0500}, 0);
    foreign_attribute(file, "integers", H5T_NATIVE_INT64, &(int64_t[]){1, 2}, 2);
    H5Fclose(file);

    struct h5 *h5 = h5_open(path("texts.h5"), &why);
    char text[32], (*texts)[64];
    int count;
    int64_t integer;
    double real;
    assert_refused(h5_get_text(h5, "/", "variable", text, sizeof text, &why), "a text of variable length, which is not read");
    assert_fine(h5_get_text(h5, "/", "ascii", text, sizeof text, &why));
    assert_string_equal(text, "of sixteen bytes");
    assert_fine(h5_get_text(h5, "/", "unicode", text, sizeof text, &why));
    assert_string_equal(text, "größer?[31m");
    assert_fine(h5_get_texts(h5, "/", "padded", &texts, &count, &why));
    assert_string_equal(texts[0], "full");
    assert_string_equal(texts[1], "abc");
    free(texts);
    assert_fine(h5_get_integer(h5, "/", "integer", &integer, &why));
    assert_int_equal(integer, 5);
    assert_refused(h5_get_text(h5, "/", "ascii", text, 5, &why), "longer than 4 bytes");
    assert_refused(h5_get_text(h5, "/", "padded", text, sizeof text, &why), "not one text");
    assert_refused(h5_get_text(h5, "/", "integer", text, sizeof text, &why), "not one text");
    assert_refused(h5_get_integer(h5, "/", "variable", &integer, &why), "not one integer");
    assert_refused(h5_get_integer(h5, "/", "integers", &integer, &why), "not one integer");
    assert_refused(h5_get_real(h5, "/", "integer", &real, &why), "not one floating-point number");
    assert_refused(h5_get_text(h5, "/", "nothing", text, sizeof text, &why), "attribute nothing of / is missing");
    assert_fine(h5_close(h5, &why));
}

static void test_foreign_sets(void **state)
{
    (void)state;
    struct error why;
    hid_t file = foreign_file(path("sets.h5"), H5F_LIBVER_LATEST);
    foreign_set(file, "int32", H5T_NATIVE_INT, 1, (int[]){1, 2});
    foreign_set(file, "scalar", H5T_NATIVE_FLOAT, 0, (float[]){1});
    foreign_set(file, "deep", H5T_NATIVE_FLOAT, 6, (float[]){1, 2});
    foreign_set(file, "signed", H5T_NATIVE_SCHAR, 1, "ab");
    foreign_set(file, "contiguous", H5T_IEEE_F32BE, 1, (uint8_t[]){0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0});
    H5Fclose(file);
    struct h5 *h5 = h5_open(path("sets.h5"), &why);
    struct h5_shape shape;
    float values[2];
    assert_refused(h5_shape(h5, "/int32", &shape, &why), "has a type other than");
    assert_refused(h5_shape(h5, "/signed", &shape, &why), "has a type other than");
    assert_refused(h5_shape(h5, "/scalar", &shape, &why), "0 dimensions");
    assert_refused(h5_shape(h5, "/deep", &shape, &why), "6 dimensions");
    assert_refused(h5_shape(h5, "/absent", &shape, &why), "data set /absent cannot be opened");
    assert_fine(h5_read(h5, "/contiguous", 0, 2, values, &why));
    assert_true(values[0] == 1 && values[1] == -2);
    assert_refused(h5_read(h5, "/contiguous", 1, 2, values, &why), "has 2 rows, not 2 from 1 on");
    assert_refused(h5_read(h5, "/contiguous", -1, 1, values, &why), "not 1 from -1 on");
    assert_refused(h5_read(h5, "/contiguous", 0, INT64_MAX, values, &why), "has 2 rows");
    assert_fine(h5_close(h5, &why));
}

/* A size that the file claims but does not store is refused, so that it is not allocated. */
static void test_claims(void **state)
{
    (void)state;
    struct error why;
    struct h5_shape shape = {H5_UINT8, 2, {1LL << 40, 3072}};
    struct h5 *h5 = h5_create(path("claims.h5"), &why);
    assert_fine(h5_make(h5, "/images", &shape, NULL, 250, &why));
    assert_fine(h5_make(h5, "/empty", &(struct h5_shape){H5_UINT8, 2, {0, 3072}}, NULL, 250, &why));
    assert_fine(h5_close(h5, &why));
    hid_t file = H5Fopen(path("claims.h5"), H5F_ACC_RDWR, H5P_DEFAULT), list = H5Pcreate(H5P_DATASET_CREATE);
    hid_t space = H5Screate_simple(1, (hsize_t[]){3LL << 30}, (hsize_t[]){H5S_UNLIMITED});
    H5Pset_chunk(list, 1, (hsize_t[]){3LL << 30});
    assert_true(H5Dclose(H5Dcreate2(file, "chunk", H5T_STD_U8LE, space, H5P_DEFAULT, list, H5P_DEFAULT)) >= 0);
    H5Sclose(space);
    H5Pclose(list);
    H5Fclose(file);
    h5 = h5_open(path("claims.h5"), &why);
    uint8_t row[3072];
    assert_refused(h5_shape(h5, "/images", &shape, &why), "claims 3377699720527872 bytes");
    assert_refused(h5_read(h5, "/images", 0, 1, row, &why), "claims 3377699720527872 bytes");
    assert_refused(h5_shape(h5, "/chunk", &shape, &why), "has chunks above");
    assert_fine(h5_shape(h5, "/empty", &shape, &why));
    assert_int_equal(shape.size[0], 0);
    assert_fine(h5_close(h5, &why));
}

static void test_bad_requests(void **state)
{
    (void)state;
    struct error why;
    struct h5 *h5 = h5_create(path("bad.h5"), &why);
    assert_refused(h5_make(h5, "/a", &(struct h5_shape){H5_UINT8, 0, {1}}, NULL, 1, &why), "1 to 4 dimensions");
    assert_refused(h5_make(h5, "/a", &(struct h5_shape){H5_UINT8, 2, {1, 1LL << 40}}, NULL, 1, &why), "rows of 1 to");
    assert_refused(h5_make(h5, "/a", &(struct h5_shape){H5_UINT8, 2, {1, -1}}, NULL, 1, &why), "rows of 1 to");
    assert_refused(h5_close(h5, &why), "a write failed");
    ids_before.objects++; /* it stays open in the library: see h5_close */
    assert_null(h5_create("/no/such/directory/a.h5", &why));
    assert_non_null(strstr(why.text, "/no/such/directory/a.h5: cannot be created: No such file or directory"));
}

/* ---- opening ---- */

static void refused_open(const char *file, const char *words)
{
    struct error why = {""};
    struct h5 *h5 = h5_open(file, &why);
    assert_null(h5);
    if (!strstr(why.text, words) || !strstr(why.text, file))
        fail_msg("'%s' is not in the sentence '%s'", words, why.text);
}

static void test_refused_files(void **state)
{
    (void)state;
    struct error why;
    refused_open(path("absent.h5"), "No such file or directory");
    refused_open(directory, "is a directory");
    refused_open("/dev/null", "no file");
    assert_fine(file_write(path("zero.h5"), "", 0, &why));
    refused_open(path("zero.h5"), "is empty");
    assert_fine(file_write(path("text.h5"), "hello", 5, &why));
    refused_open(path("text.h5"), "is not an HDF5 file");
    H5Fclose(foreign_file(path("old.h5"), H5F_LIBVER_EARLIEST)); /* the default before HDF5 2 */
    refused_open(path("old.h5"), "is an HDF5 file in a format without checksums");
}

/* A file is read even while another process holds a lock on it, as HDF5's writers do. */
static void test_no_lock_needed(void **state)
{
    (void)state;
    struct error why;
    assert_fine(h5_close(h5_create(path("locked.h5"), &why), &why));
    int descriptor = open(path("locked.h5"), O_RDWR);
    assert_int_equal(flock(descriptor, LOCK_EX | LOCK_NB), 0);
    struct h5 *h5 = h5_open(path("locked.h5"), &why);
    if (!h5)
        fail_msg("%s", why.text);
    assert_fine(h5_close(h5, &why));
    close(descriptor);
}

/* ---- damage ---- */

static void test_damage(void **state)
{
    (void)state;
    static uint8_t bytes[1 << 17];
    struct error why;
    char file[4200], copy[4200];
    strcpy(file, path("rows.h5"));
    strcpy(copy, path("damaged.h5"));
    assert_fine(write_rows(file, &why));
    assert_fine(read_rows(file, &why));
    FILE *open = fopen(file, "rb");
    size_t size = fread(bytes, 1, sizeof bytes, open);
    fclose(open);
    assert_true(size > 30000 && size < sizeof bytes);
    for (size_t cut = 0; cut < size; cut += cut < 64 || size - cut < 64 ? 1 : 171) {
        assert_fine(file_write(copy, bytes, cut, &why));
        assert_refused(read_rows(copy, &why), copy);
    }
    int refused = 0, flips = 2000;
    uint64_t draw = 88172645463325252ULL;
    for (int i = 0; i < flips; i++) {
        draw ^= draw << 13;
        draw ^= draw >> 7;
        draw ^= draw << 17;
        size_t bit = draw % (8 * size);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_fine(file_write(copy, bytes, size, &why));
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        refused += read_rows(copy, &why) != 0;
    }
    print_message("# %d of %d flipped bits were refused, the others changed nothing\n", refused, flips);
    assert_true(refused > flips / 2);
    bytes[size / 2] ^= 1; /* a byte of the images */
    assert_fine(file_write(copy, bytes, size, &why));
    assert_refused(read_rows(copy, &why), "/train/images: cannot be read: the Fletcher32 checksum is wrong");
}

static void test_equal_files(void **state)
{
    (void)state;
    struct error why;
    static char bytes[2][1 << 17];
    size_t size[2];
    for (int i = 0; i < 2; i++) {
        assert_fine(write_rows(path("equal.h5"), &why));
        FILE *open = fopen(path("equal.h5"), "rb");
        size[i] = fread(bytes[i], 1, sizeof bytes[i], open);
        fclose(open);
        usleep(i ? 0 : 1100000); /* a time stamp in the file would differ by a second */
    }
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(bytes[0], bytes[1], size[0]);
}

static int prepare(void **state)
{
    unsetenv("HDF5_USE_FILE_LOCKING"); /* it would override the program's choice */
    return ids_remember(state) || make_directory(state);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_foreign_texts),
        cmocka_unit_test(test_foreign_sets),    cmocka_unit_test(test_claims),
        cmocka_unit_test(test_bad_requests),    cmocka_unit_test(test_refused_files),
        cmocka_unit_test(test_no_lock_needed),  cmocka_unit_test(test_damage),
        cmocka_unit_test(test_equal_files),     cmocka_unit_test(test_all_is_closed),
    };
    return cmocka_run_group_tests(tests, prepare, remove_directory);
}
