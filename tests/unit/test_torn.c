/* Cuts a checkpoint and a packed file at 500 places each, and makes 2,000 random changes of a byte in each (500 with the address
 * sanitizer, which takes ten times as long): the file is refused with a sentence, or what is read is what was written. SEED chooses
 * the changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "file.h"
#include "files_fixture.h"
#include "hdf5_ids.h"

#ifdef __SANITIZE_ADDRESS__
enum { CUTS = 500, CHANGES = 500 };
#else
enum { CUTS = 500, CHANGES = 2000 };
#endif

/* ---- damage ---- */

/* Limits memory to slightly more than is in use now, so that a size that the file falsely claims cannot be allocated. Not with the
 * address sanitizer, which needs much memory itself, but has its own limit (hdf5_ids.h). */
static void limit_memory(void)
{
#ifndef __SANITIZE_ADDRESS__
    enum { MORE = 256 << 20 };
    long pages;
    FILE *statm = fopen("/proc/self/statm", "r");
    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%ld", &pages), 1);
    fclose(statm);
    rlim_t limit = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + MORE;
    assert_int_equal(setrlimit(RLIMIT_AS, &(struct rlimit){limit, RLIM_INFINITY}), 0);
#endif
}

static uint64_t seed(void)
{
    const char *text = getenv("SEED");
    return text ? strtoull(text, NULL, 10) : 88172645463325252ULL;
}

static uint64_t draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

typedef int reader(struct fixture *f, const char *file, struct error *why);

/* 1 if the file is refused correctly: with a sentence about the file, and not because memory is too small for a size it claims. */
static int is_refused(reader *read, struct fixture *f, const char *file)
{
    struct error why = {""};
    if (!read(f, file, &why))
        return 0;
    if (!strstr(why.text, file) || strchr(why.text, '\n') || strstr(why.text, "no memory"))
        fail_msg("%s was refused with '%s'", file, why.text);
    return 1;
}

static void damage(reader *read, struct fixture *f, const char *file)
{
    struct error why;
    char copy[4300];
    snprintf(copy, sizeof copy, "%s.damaged", file);
    FILE *open = fopen(file, "rb");
    static uint8_t bytes[1 << 20];
    size_t size = fread(bytes, 1, sizeof bytes, open);
    assert_true(size > CUTS && size < sizeof bytes);
    fclose(open);
    int cuts = 0, changes = 0;
    for (size_t i = 0; i < CUTS; i++) {
        assert_fine(file_write(copy, bytes, size * i / CUTS, &why));
        cuts += is_refused(read, f, copy);
    }
    uint64_t state = seed();
    for (int i = 0; i < CHANGES; i++) {
        size_t place = draw(&state) % size;
        uint8_t change = (uint8_t)(1 + draw(&state) % 255);
        bytes[place] ^= change;
        assert_fine(file_write(copy, bytes, size, &why));
        bytes[place] ^= change;
        changes += is_refused(read, f, copy);
    }
    print_message("# %zu bytes, seed %" PRIu64 ": %d of %d cuts and %d of %d changes were refused, the others changed nothing that "
                  "is read\n", size, seed(), cuts, CUTS, changes, CHANGES);
    assert_int_equal(cuts, CUTS);
    assert_true(changes > CHANGES / 4);
    assert_int_equal(is_refused(read, f, file), 0);
}

static void test_checkpoint(void **state)
{
    damage(read_checkpoint, *state, save(*state, 1234));
}

static void test_packed(void **state)
{
    struct fixture *f = *state;
    char file[4200];
    snprintf(file, sizeof file, "%s/packed.h5", f->directory);
    splits_open(file);
    damage(read_packed, f, file);
    splits_close();
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    limit_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_checkpoint, setup, teardown),
        cmocka_unit_test_setup_teardown(test_packed, setup, teardown),
        cmocka_unit_test(test_all_is_closed),
    };
    return cmocka_run_group_tests(tests, ids_remember, NULL);
}
