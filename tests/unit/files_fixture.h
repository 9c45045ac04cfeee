/* Shared by the tests of whole files: a small checkpoint, a small packed file, and readers that know their content. */
#ifndef TESTS_UNIT_FILES_FIXTURE_H
#define TESTS_UNIT_FILES_FIXTURE_H

#include "../../src/pack/parts.h"
#include "data.h"
#include "checkpoint_fixture.h"

enum { IMAGES = 100, SIDE = 4, CLASSES = 10 };

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

/* Reads the checkpoint. Returns -1 if it is refused; fails the test if its content is not what was saved. */
static inline int read_checkpoint(struct fixture *f, const char *file, struct error *why)
{
    struct checkpoint peeked = {.classes = 0};
    char text[64];
    if (!checkpoint_peek(&peeked, file, why)) /* as programs do, before they lay out the net */
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

static inline uint8_t pixel(int row, int at)
{
    return (uint8_t)(row * 31 + at * 7);
}

static inline void make_packed(const char *file)
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

static inline bool same_dataset(const struct dataset *left, const struct dataset *right)
{
    return left->count == right->count && left->height == right->height && left->width == right->width &&
           left->channels == right->channels && left->classes == right->classes && !strcmp(left->name, right->name) &&
           !strcmp(left->sha256, right->sha256) &&
           !memcmp(left->class_names, right->class_names, (size_t)left->classes * sizeof *left->class_names) &&
           !memcmp(left->images, right->images, (size_t)left->count * SIDE * SIDE * 3) &&
           !memcmp(left->labels, right->labels, (size_t)left->count);
}

static struct dataset splits[SPLITS]; /* what the undamaged file holds */

static inline void splits_open(const char *file)
{
    struct error why;
    make_packed(file);
    for (int split = 0; split < SPLITS; split++)
        assert_fine(dataset_open(&splits[split], &alone, file, split_names[split], &why));
    assert_int_equal(splits[TRAIN].count, IMAGES * 4 / 5);
    assert_string_equal(splits[TRAIN].resize, "squash"); /* the file has no such attribute, like those of older versions */
    assert_int_equal(splits[TRAIN].images[SIDE * SIDE * 3], pixel(2, 0));
}

static inline void splits_close(void)
{
    for (int split = 0; split < SPLITS; split++)
        dataset_close(&splits[split]);
}

static inline int read_packed(struct fixture *f, const char *file, struct error *why)
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

#endif
