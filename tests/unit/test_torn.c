/* A checkpoint and a packed file, cut at 500 places and with 2,000 random changes of a byte each: refused with a sentence, or
 * what is read is what was written. SEED chooses the changes. */
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

#include "../../src/data/pack.h"
#include "checkpoint_fixture.h"
#include "hdf5_ids.h"

enum { CUTS = 500, CHANGES = 2000, IMAGES = 100, SIDE = 4, CLASSES = 10 };

/* ---- a world of one rank, without MPI ---- */

static const struct world alone = {.size = 1, .nodes = 1, .node_size = 1};

int world_agree(const struct world *world, int status, struct error *why)
{
    (void)world;
    (void)why;
    return status ? -1 : 0;
}

int world_broadcast(const struct world *world, void *data, size_t bytes, struct error *why)
{
    (void)world;
    (void)data;
    (void)bytes;
    (void)why;
    return 0;
}

void world_share(const struct world *world, size_t bytes, struct shared_memory *memory)
{
    (void)world;
    *memory = (struct shared_memory){.bytes = bytes};
}

void world_unshare(struct shared_memory *memory)
{
    free(memory->data);
    *memory = (struct shared_memory){.data = NULL};
}

/* ---- the checkpoint ---- */

/* -1 where it is refused; fails the test where something else is read. */
static int read_checkpoint(struct fixture *f, const char *file, struct error *why)
{
    struct checkpoint peeked = {.classes = 0};
    char text[64];
    if (!checkpoint_peek(&peeked, file, why)) /* what a net is laid out by, before the digest is known */
        free(peeked.class_names);
    if (checkpoint_load(&f->loaded, &f->net, file, why))
        return -1;
    if (!same_state(f, &f->loaded))
        fail_msg("%s: another state was read without a complaint", file);
    free(f->loaded.class_names);
    struct h5 *h5 = h5_open(file, why);
    assert_non_null(h5);
    for (size_t i = 0; i < sizeof provenance / sizeof *provenance; i++) {
        assert_int_equal(h5_get_text(h5, "/provenance", provenance[i].name, text, sizeof text, why), 0);
        assert_string_equal(text, provenance[i].text);
    }
    assert_int_equal(h5_close(h5, why), 0);
    return 0;
}

/* ---- the packed file ---- */

static uint8_t pixel(int row, int at)
{
    return (uint8_t)(row * 31 + at * 7);
}

static void make_packed(const char *file)
{
    struct error why;
    struct writer writer;
    uint8_t pixels[SIDE * SIDE * 3];
    const char *names[CLASSES] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "the last"};
    assert_fine(writer_open(&writer, file, SIDE, &why));
    for (int row = 0; row < IMAGES; row++) {
        for (int i = 0; i < (int)sizeof pixels; i++)
            pixels[i] = pixel(row, i);
        struct sample sample = {.split = row % 5 ? TRAIN : TEST, .label = row % CLASSES, .pixels = pixels};
        sample.row = row % 5 ? row - row / 5 - 1 : row / 5;
        assert_fine(writer_add(&writer, &sample, &why));
    }
    assert_fine(writer_finish(&writer, &why));
    assert_fine(h5_set_text(writer.h5, "/", "format", "cifar10_mpi dataset", &why));
    assert_fine(h5_set_integer(writer.h5, "/", "format_version", 1, &why));
    assert_fine(h5_set_text(writer.h5, "/", "name", "CIFAR-10", &why));
    assert_fine(h5_set_texts(writer.h5, "/", "class_names", names, CLASSES, &why));
    assert_fine(writer_close(&writer, &why));
}

static bool same_dataset(const struct dataset *left, const struct dataset *right)
{
    return left->count == right->count && left->height == right->height && left->width == right->width &&
           left->channels == right->channels && left->classes == right->classes && !strcmp(left->name, right->name) &&
           !strcmp(left->sha256, right->sha256) &&
           !memcmp(left->class_names, right->class_names, (size_t)left->classes * sizeof *left->class_names) &&
           !memcmp(left->images, right->images, (size_t)left->count * SIDE * SIDE * 3) &&
           !memcmp(left->labels, right->labels, (size_t)left->count);
}

static struct dataset splits[SPLITS]; /* of the whole file */

static int read_packed(struct fixture *f, const char *file, struct error *why)
{
    (void)f;
    int refused = 0;
    for (int split = 0; split < SPLITS && !refused; split++) {
        struct dataset found;
        refused = dataset_open(&found, &alone, file, split_names[split], why);
        if (!refused && !same_dataset(&found, &splits[split]))
            fail_msg("%s: another %s split was read without a complaint", file, split_names[split]);
        dataset_close(&found);
    }
    return refused;
}

/* ---- damage ---- */

/* A size that the file only claims cannot be had: little more memory than now. The address sanitizer takes a lot by itself, but
 * has a limit of its own (hdf5_ids.h). */
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

/* 1 where it is refused, as it should be: with a sentence about the file, not for want of the memory that it claims. */
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
    struct error why;
    char file[4200];
    snprintf(file, sizeof file, "%s/packed.h5", f->directory);
    make_packed(file);
    for (int split = 0; split < SPLITS; split++)
        assert_fine(dataset_open(&splits[split], &alone, file, split_names[split], &why));
    assert_int_equal(splits[TRAIN].count, IMAGES * 4 / 5);
    assert_int_equal(splits[TRAIN].images[SIDE * SIDE * 3], pixel(2, 0));
    damage(read_packed, f, file);
    for (int split = 0; split < SPLITS; split++)
        dataset_close(&splits[split]);
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
