/* Reads files of other versions of HDF5, from tests/data/hdf5.tar.xz, and checks that this version writes the same bytes.
 * KEEP=DIRECTORY keeps the files that this version writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "files_fixture.h"
#include "hdf5_ids.h"

/* Replaces the C library's function, since a checkpoint contains the time when it was written. */
time_t time(time_t *now)
{
    const time_t always = 1000000000;
    if (now)
        *now = always;
    return always;
}

static int unpack(void **state)
{
    char command[8600], file[4200];
    if (ids_remember(state) || setup(state))
        return -1;
    struct fixture *f = *state;
    snprintf(file, sizeof file, "%s/packed.h5", f->directory);
    splits_open(file);
    snprintf(command, sizeof command, "tar -xJf tests/data/hdf5.tar.xz -C '%s'", f->directory);
    return system(command);
}

static int leave(void **state)
{
    splits_close();
    return teardown(state);
}

static const char *in(const struct fixture *f, const char *name)
{
    static char text[2][4300];
    static int turn;
    turn = !turn;
    snprintf(text[turn], sizeof text[turn], "%s/%s", f->directory, name);
    return text[turn];
}

static void read_both(struct fixture *f, const char *packed, const char *checkpoint)
{
    struct error why;
    f->saved.step = 1234;
    assert_fine(read_packed(f, in(f, packed), &why));
    assert_fine(read_checkpoint(f, in(f, checkpoint), &why));
}

/* The bytes that HDF5 1.10.8, 1.12.2, 1.14.5, 2.0.0 and 2.2.0 write. */
static void test_same_bytes(void **state)
{
    struct fixture *f = *state;
    char command[13000];
    const char *keep = getenv("KEEP"), *made = save(f, 1234);
    if (keep) {
        snprintf(command, sizeof command, "cp '%s' '%s/checkpoint.h5' && cp '%s' '%s'", made, keep, in(f, "packed.h5"), keep);
        assert_int_equal(system(command), 0);
    }
    snprintf(command, sizeof command, "cmp '%s' '%s' >&2", in(f, "packed.h5"), in(f, "every/packed.h5"));
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "cmp '%s' '%s' >&2", made, in(f, "every/checkpoint.h5"));
    assert_int_equal(system(command), 0);
}

static void test_every_version(void **state)
{
    read_both(*state, "every/packed.h5", "every/checkpoint.h5");
}

/* Files with the same content, rewritten by h5py 3.16 and HDF5 2.0.0 in the formats of versions 1.8 and 1.10. */
static void test_h5py(void **state)
{
    read_both(*state, "h5py-v108/packed.h5", "h5py-v108/checkpoint.h5");
    read_both(*state, "h5py-v110/packed.h5", "h5py-v110/checkpoint.h5");
}

/* The same in the format of version 2.0, which no earlier version can read. */
static void test_newest_format(void **state)
{
#if H5_VERSION_GE(2, 0, 0)
    read_both(*state, "h5py-v200/packed.h5", "h5py-v200/checkpoint.h5");
#else
    struct fixture *f = *state;
    struct error why;
    assert_refused(read_packed(f, in(f, "h5py-v200/packed.h5"), &why), "h5py-v200/packed.h5: data set /");
    assert_refused(read_checkpoint(f, in(f, "h5py-v200/checkpoint.h5"), &why), "h5py-v200/checkpoint.h5: data set /");
#endif
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes),    cmocka_unit_test(test_every_version), cmocka_unit_test(test_h5py),
        cmocka_unit_test(test_newest_format), cmocka_unit_test(test_all_is_closed),
    };
    return cmocka_run_group_tests(tests, unpack, leave);
}
