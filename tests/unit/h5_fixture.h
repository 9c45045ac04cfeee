/* Shared by the tests of the HDF5 helpers: a directory, and a file of rows. */
#ifndef TESTS_UNIT_H5_FIXTURE_H
#define TESTS_UNIT_H5_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store.h"

static char directory[4096];

static inline const char *path(const char *name)
{
    static char text[2][4200];
    static int turn;
    turn = !turn;
    snprintf(text[turn], sizeof text[turn], "%s/%s", directory, name);
    return text[turn];
}

static inline int make_directory(void **state)
{
    (void)state;
    const char *where = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/test_h5.XXXXXX", where ? where : "/tmp");
    return mkdtemp(directory) ? 0 : -1;
}

static inline int remove_directory(void **state)
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

#define assert_refused(call, words)                                        \
    do {                                                                   \
        strcpy(why.text, "(nothing)");                                     \
        assert_int_equal(call, -1);                                        \
        if (!strstr(why.text, words))                                      \
            fail_msg("'%s' is not in the sentence '%s'", words, why.text); \
    } while (0)

static inline const uint8_t *rows(void)
{
    static uint8_t all[1000][30];
    for (int i = 0; i < 1000; i++)
        for (int k = 0; k < 30; k++)
            all[i][k] = (uint8_t)(i * 7 + k);
    return all[0];
}

/* Writes /train/images, 1000 rows in chunks of 250. */
static inline int write_rows(const char *file, struct error *why)
{
    struct h5 *h5 = h5_create(file, why);
    int status = !h5 || h5_make(h5, "/train/images", &(struct h5_shape){H5_UINT8, 2, {0, 30}}, NULL, 250, why) ? -1 : 0;
    for (int first = 0; !status && first < 1000; first += 250)
        status = h5_put(h5, "/train/images", first, 250, rows() + first * 30, why);
    struct error ignored;
    return h5_close(h5, status ? &ignored : why) || status ? -1 : 0;
}

/* Reads the rows. Returns -1 if the file is refused; fails the test if they are not those that were written. */
static inline int read_rows(const char *file, struct error *why)
{
    static uint8_t found[1000 * 30];
    struct h5_shape shape;
    struct h5 *h5 = h5_open(file, why);
    if (!h5)
        return -1;
    int status = h5_shape(h5, "/train/images", &shape, why);
    if (!status && (shape.type != H5_UINT8 || shape.rank != 2 || shape.size[0] != 1000 || shape.size[1] != 30))
        status = error_set(why, "%s: another shape", file);
    if (!status && !(status = h5_read(h5, "/train/images", 0, 1000, found, why)) && memcmp(found, rows(), sizeof found))
        fail_msg("%s: other rows were read without a complaint", file);
    struct error closing;
    assert_int_equal(h5_close(h5, &closing), 0);
    return status;
}

#endif
