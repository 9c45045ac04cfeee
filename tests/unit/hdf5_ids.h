/* Shared by the tests of src/store: checks that everything opened in the HDF5 library was closed again. Also sets options for the
 * address sanitizer, to recognise the library's own leaks and to limit allocations to less than a damaged file may claim. */
#ifndef TESTS_UNIT_HDF5_IDS_H
#define TESTS_UNIT_HDF5_IDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <hdf5.h>
#include <stdlib.h>

/* Numbers of open objects (files, groups, data sets, attributes), and of the caller's spaces, lists and types. */
struct ids {
    long objects, spaces, lists, types;
};

static struct ids ids_before;

/* The number of open ids of the same kind as `newest`, not counting `newest`, which is closed here. The library numbers ids in
 * order and never reuses one. */
static inline long ids_open(hid_t newest, herr_t (*close)(hid_t))
{
    const hid_t first = newest & ~(((hid_t)1 << 56) - 1); /* the upper byte gives the kind */
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

/* Must be the last test of a group whose setup is ids_remember. */
static inline void test_all_is_closed(void **state)
{
    (void)state;
    struct ids now = ids_now();
    assert_int_equal(now.objects, ids_before.objects);
    assert_int_equal(now.spaces, ids_before.spaces);
    assert_int_equal(now.lists, ids_before.lists);
    assert_int_equal(now.types, ids_before.types);
}

/* Called in the child process of a test: makes a failed assertion end it; otherwise it would go on to run the other tests. */
static inline void end_at_failure(void)
{
    setenv("CMOCKA_TEST_ABORT", "1", 1);
}

/* The library has no frame pointers, so only slow unwinding finds which of its functions allocated (for tests/leaks.supp). For that
 * 12 frames are enough; the usual 30 take twice as long. */
#ifdef __SANITIZE_ADDRESS__
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "fast_unwind_on_malloc=0:malloc_context_size=12:max_allocation_size_mb=256";
}
#endif

#endif
