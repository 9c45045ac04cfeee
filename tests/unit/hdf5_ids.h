/* What the tests of the store room share about the HDF5 library: whether everything was closed again. With a sanitizer: which leaks
 * are the library's own, and a limit of memory, against sizes that a damaged file only claims. */
#ifndef TESTS_UNIT_HDF5_IDS_H
#define TESTS_UNIT_HDF5_IDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <hdf5.h>
#include <stdlib.h>

/* Open files, groups, sets and attributes; the caller's spaces, lists and types. */
struct ids {
    long objects, spaces, lists, types;
};

static struct ids ids_before;

/* The ids of the kind of `newest`, which is closed here: the library numbers them in order and never reuses one. */
static inline long ids_open(hid_t newest, herr_t (*close)(hid_t))
{
    const hid_t first = newest & ~(((hid_t)1 << 56) - 1); /* the upper byte is the kind */
    long count = 0;
    assert_true(newest > 0 && close(newest) >= 0);
    for (hid_t id = first; id < newest; id++)
        count += H5Iis_valid(id) > 0;
    return count;
}

static inline struct ids ids_now(void)
{
    return (struct ids){
        .objects = (long)H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL),
        .spaces = ids_open(H5Screate(H5S_SCALAR), H5Sclose),
        .lists = ids_open(H5Pcreate(H5P_FILE_ACCESS), H5Pclose),
        .types = ids_open(H5Tcopy(H5T_NATIVE_INT), H5Tclose),
    };
}

static inline int ids_remember(void **state)
{
    (void)state;
    ids_before = ids_now();
    return 0;
}

/* The last test of a group that began with ids_remember. */
static inline void test_all_is_closed(void **state)
{
    (void)state;
    struct ids now = ids_now();
    assert_int_equal(now.objects, ids_before.objects);
    assert_int_equal(now.spaces, ids_before.spaces);
    assert_int_equal(now.lists, ids_before.lists);
    assert_int_equal(now.types, ids_before.types);
}

/* For the child of a test: a failed assertion ends it, since otherwise it would go on as a second runner of the tests. */
static inline void end_at_failure(void)
{
    setenv("CMOCKA_TEST_ABORT", "1", 1);
}

/* The library has no frame pointers: only slow unwinding tells which of its functions allocated (tests/leaks.supp). */
#ifdef __SANITIZE_ADDRESS__
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "fast_unwind_on_malloc=0:max_allocation_size_mb=256";
}
#endif

#endif
