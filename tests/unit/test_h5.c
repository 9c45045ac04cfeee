/* The HDF5 helpers: what is written is read back, and what is damaged is refused with a sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
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

#include "store.h"

static char directory[4096];

static const char *path(const char *name)
{
    static char text[2][4200];
    static int turn;
    turn = !turn;
    snprintf(text[turn], sizeof text[turn], "%s/%s", directory, name);
    return text[turn];
}

static int make_directory(void **state)
{
    (void)state;
    const char *where = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/test_h5.XXXXXX", where ? where : "/tmp");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    char command[4200];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return system(command);
}

#define assert_fine(call)                        \
    do {                                         \
        if (call)                                \
            fail_msg("%s: %s", #call, why.text); \
    } while (0)

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
    assert_fine(h5_append(h5, "/train/images", images, 4, &why));
    assert_fine(h5_append(h5, "/train/images", images + 24, 3, &why));
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
    assert_fine(h5_close(h5, &why));
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
