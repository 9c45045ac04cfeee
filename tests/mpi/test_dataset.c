/* A split of a packed file, read by the ranks of a node together: every rank sees every row, and a bad file
 * gives all ranks the same sentence.
 * ranks: 1 2 3 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "data.h"
#include "parallel.h"
#include "store.h"

enum { CLASSES = 7, ROWS_MAX = 601 };

static const char digest[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static struct world world;
static char directory[128], file[160];

/* What to put into a file; for `good`, the content of its train split. */
struct content {
    const char *format;
    int64_t version;
    int classes;
    bool without_sha256;
    const char *class_name, *label_digest; /* replace the usual ones; NULL: do not */
    struct h5_shape images, labels;
    int label; /* replaces the label of the last image; 0: does not */
};
static const struct content good = {
    .format = "cifar10_mpi dataset",
    .version = 1,
    .classes = CLASSES,
    .images = {H5_UINT8, 4, {ROWS_MAX, 5, 4, 3}},
    .labels = {H5_UINT8, 1, {ROWS_MAX}},
};

static uint8_t pixel(int64_t at)
{
    return (uint8_t)(at * 31 % 251);
}

static uint8_t label(int64_t image)
{
    return (uint8_t)(image * 5 % CLASSES);
}

static void must(int status, const struct error *why)
{
    if (status)
        fail_msg("%s", why->text);
}

static void write_texts(struct h5 *h5, const struct content *content)
{
    struct error why;
    const char *names[300];
    for (int i = 0; i < content->classes; i++)
        names[i] = content->class_name ? content->class_name : "a class";
    must(h5_set_text(h5, "/", "format", content->format, &why), &why);
    must(h5_set_integer(h5, "/", "format_version", content->version, &why), &why);
    must(h5_set_text(h5, "/", "name", "CIFAR-X", &why), &why);
    if (content->classes)
        must(h5_set_texts(h5, "/", "class_names", names, content->classes, &why), &why);
}

static void write_split(struct h5 *h5, const char *split, const struct content *content, int64_t images, int64_t labels)
{
    struct error why;
    static double data[ROWS_MAX * 60]; /* room for any type */
    uint8_t *bytes = (uint8_t *)data;
    struct h5_shape shape = content->images;
    char name[32];
    shape.size[0] = 0;
    snprintf(name, sizeof name, "/%s/images", split);
    must(h5_make(h5, name, &shape, NULL, 50, &why), &why);
    for (int64_t i = 0; i < images * 60; i++)
        bytes[i] = pixel(i);
    must(h5_put(h5, name, 0, images, data, &why), &why);
    if (!content->without_sha256)
        must(h5_set_text(h5, name, "sha256", digest, &why), &why);
    snprintf(name, sizeof name, "/%s/labels", split);
    shape = content->labels;
    shape.size[0] = 0;
    must(h5_make(h5, name, &shape, NULL, 1000, &why), &why);
    for (int64_t i = 0; i < labels; i++)
        bytes[i] = label(i);
    if (content->label)
        bytes[labels - 1] = (uint8_t)content->label;
    must(h5_put(h5, name, 0, labels, data, &why), &why);
    must(h5_set_text(h5, name, "sha256", content->label_digest ? content->label_digest : digest, &why), &why);
}

/* Collective. Rank 0 makes the file. */
static void make_file(const struct content *content)
{
    struct error why;
    if (world.rank == 0) {
        struct h5 *h5 = h5_create(file, &why);
        must(h5 ? 0 : -1, &why);
        write_texts(h5, content);
        write_split(h5, "train", content, content->images.size[0], content->labels.size[0]);
        write_split(h5, "test", content, 1, 1);
        must(h5_close(h5, &why), &why);
    }
    must(world_barrier(&world, false, &why), &why);
}

/* Collective. Checks that the file is refused on all ranks with the same sentence, which has this part. */
static void check_refused_at(const char *path, const char *split, const char *part)
{
    struct dataset dataset;
    struct error why = {""}, first, call;
    assert_int_equal(dataset_open(&dataset, &world, path, split, &why), -1);
    if (!strstr(why.text, part))
        fail_msg("'%s' is not in: %s", part, why.text);
    assert_null(strchr(why.text, '\n'));
    first = why;
    must(world_broadcast(&world, first.text, sizeof first.text, &call), &call);
    assert_string_equal(why.text, first.text);
    must(world_barrier(&world, false, &call), &call); /* then rank 0 may make the next file */
}

static void check_refused(const char *part)
{
    check_refused_at(file, "train", part);
}

static void test_every_rank_sees_every_row(void **state)
{
    (void)state;
    struct dataset dataset;
    struct error why = {""};
    make_file(&good);
    must(dataset_open(&dataset, &world, file, "train", &why), &why);
    assert_int_equal(dataset.count, ROWS_MAX);
    assert_int_equal(dataset.height, 5);
    assert_int_equal(dataset.width, 4);
    assert_int_equal(dataset.channels, 3);
    assert_int_equal(dataset.classes, CLASSES);
    assert_string_equal(dataset.class_names[CLASSES - 1], "a class");
    assert_string_equal(dataset.name, "CIFAR-X");
    for (int64_t i = 0; i < ROWS_MAX * 60; i++)
        assert_int_equal(dataset.images[i], pixel(i));
    for (int64_t i = 0; i < ROWS_MAX; i++)
        assert_int_equal(dataset.labels[i], label(i));
    dataset_close(&dataset);
    must(dataset_open(&dataset, &world, file, "test", &why), &why); /* fewer rows than ranks */
    assert_int_equal(dataset.count, 1);
    assert_int_equal(dataset.images[59], pixel(59));
    dataset_close(&dataset);
}

static void test_wrong_shapes_and_types(void **state)
{
    (void)state;
    struct content bad = good;
    bad.images = (struct h5_shape){H5_FLOAT, 4, {10, 5, 4, 3}};
    make_file(&bad);
    check_refused("/train/images is not uint8 [count,height,width,channels]");
    bad.images = (struct h5_shape){H5_UINT8, 3, {10, 5, 4}};
    make_file(&bad);
    check_refused("uint8 of 3 dimensions");
    bad.images = (struct h5_shape){H5_UINT8, 4, {10, 2, 2, 5}};
    make_file(&bad);
    check_refused("2 x 2 of 5 channels");
    bad.images = (struct h5_shape){H5_UINT8, 4, {1, 1, 8193, 1}};
    make_file(&bad);
    check_refused("1 x 8193 of 1 channels");
    bad = good;
    bad.labels.type = H5_INT64;
    make_file(&bad);
    check_refused("/train/labels is not uint8 [count]");
    bad = good;
    bad.labels.size[0]--;
    make_file(&bad);
    check_refused("601 images, but 600 labels");
    bad = good;
    bad.images.size[0] = bad.labels.size[0] = 0;
    make_file(&bad);
    check_refused("no images in /train");
}

static void test_wrong_labels_and_classes(void **state)
{
    (void)state;
    struct content bad = good;
    bad.label = CLASSES;
    make_file(&bad);
    check_refused("image 600 has label 7, but there are 7 classes");
    bad = good;
    bad.classes = 257;
    make_file(&bad);
    check_refused("names 257 classes");
    bad.classes = 0;
    make_file(&bad);
    check_refused("class_names");
}

static void test_other_files(void **state)
{
    (void)state;
    struct content bad = good;
    bad.format = "cifar10_mpi checkpoint";
    make_file(&bad);
    check_refused("is a 'cifar10_mpi checkpoint'");
    bad = good;
    bad.version = 2;
    make_file(&bad);
    check_refused("format version 2");
    bad = good;
    bad.without_sha256 = true;
    make_file(&bad);
    check_refused("sha256");
    make_file(&good);
    check_refused_at(file, "valid", "/valid/images");
    check_refused_at(directory, "train", "directory");
    check_refused_at("/nowhere/at/all.h5", "train", "make one with: ./cifar10_mpi pack --download data/cifar10.h5");
}

/* Collective. Changes a bit of the second training image, or cuts the file there. */
static void damage_file(bool cut)
{
    struct error why;
    if (world.rank == 0) {
        uint8_t row[60];
        static uint8_t bytes[1 << 18];
        for (int i = 0; i < 60; i++)
            row[i] = pixel(60 + i);
        int descriptor = open(file, O_RDWR);
        ssize_t size = read(descriptor, bytes, sizeof bytes);
        uint8_t *place = size > 0 ? memmem(bytes, (size_t)size, row, sizeof row) : NULL;
        assert_non_null(place);
        row[30] ^= 1;
        int failed = cut ? ftruncate(descriptor, place - bytes) : pwrite(descriptor, row, 60, place - bytes) != 60;
        assert_int_equal(failed, 0);
        assert_int_equal(close(descriptor), 0);
    }
    must(world_barrier(&world, false, &why), &why);
}

/* Collective. Makes a file and finds the digest that identifies its data. */
static void find_identity(const struct content *content, char sha256[65])
{
    struct dataset dataset;
    struct error why = {""};
    make_file(content);
    must(dataset_open(&dataset, &world, file, "train", &why), &why);
    strcpy(sha256, dataset.sha256);
    dataset_close(&dataset);
    must(world_barrier(&world, false, &why), &why);
}

static void test_labels_and_classes_are_part_of_the_identity(void **state)
{
    (void)state;
    char first[65], same[65], other_labels[65], other_names[65];
    struct content other = good;
    find_identity(&good, first);
    find_identity(&good, same);
    assert_int_equal(strlen(first), 64);
    assert_string_equal(first, same);
    other.label_digest = "fedcba";
    find_identity(&other, other_labels);
    other = good;
    other.class_name = "another class";
    find_identity(&other, other_names);
    assert_string_not_equal(first, other_labels);
    assert_string_not_equal(first, other_names);
}

static void test_damaged_files(void **state)
{
    (void)state;
    make_file(&good);
    damage_file(false);
    check_refused("/train/images");
    make_file(&good);
    damage_file(true);
    check_refused("truncated");
    if (world.rank == 0) {
        FILE *text = fopen(file, "w");
        assert_non_null(text);
        assert_true(fputs("0,1,2,3\n", text) >= 0);
        assert_int_equal(fclose(text), 0);
    }
    struct error why;
    must(world_barrier(&world, false, &why), &why);
    check_refused("is not an HDF5 file");
}

static void test_ranks_must_have_the_same_file(void **state)
{
    (void)state;
    if (world.size == 1) {
        print_message("one rank has the same file as itself\n");
        skip();
    }
    make_file(&good);
    char part[64];
    snprintf(part, sizeof part, "rank %d on", world.size - 1);
    bool last = world.rank == world.size - 1;
    check_refused_at(last ? "/nowhere/at/all.h5" : file, "train", part);
    check_refused_at(file, last ? "test" : "train", "is another file here");
}

static int begin(void **state)
{
    (void)state;
    struct error why;
    snprintf(directory, sizeof directory, "%.80s/cifar10_dataset.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (world.rank == 0 && !mkdtemp(directory))
        world_abort(&world, "no temporary directory");
    if (world_broadcast(&world, directory, sizeof directory, &why))
        world_abort(&world, why.text);
    snprintf(file, sizeof file, "%s/data.h5", directory);
    return 0;
}

static int end(void **state)
{
    (void)state;
    struct error why;
    int status = world_barrier(&world, false, &why);
    if (world.rank == 0)
        status |= unlink(file) | rmdir(directory);
    return status;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_rank_sees_every_row), cmocka_unit_test(test_wrong_shapes_and_types),
        cmocka_unit_test(test_wrong_labels_and_classes),  cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_labels_and_classes_are_part_of_the_identity),
        cmocka_unit_test(test_damaged_files),             cmocka_unit_test(test_ranks_must_have_the_same_file),
    };
    struct error why;
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (world_open(&world, &argc, &argv, &why))
        world_abort(&world, why.text);
    int failed = cmocka_run_group_tests(tests, begin, end);
    world_close(&world, 0);
    return failed;
}
