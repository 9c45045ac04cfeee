/* Checkpoints are whole or absent, are found and pruned, and are refused with a sentence if anything differs. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkpoint_fixture.h"
#include "file.h"
#include "hdf5_ids.h"

static const struct layer other_layers[] = {
    {.name = "conv1", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 1, .outputs = 5, .activation = ACTIVATION_RELU},
    {.name = "pool1", .kind = LAYER_MAX_POOL, .kernel = 2, .stride = 2},
    {.name = "dense", .kind = LAYER_DENSE, .outputs = 0},
};
static const struct model small_changed = {"small", "for tests", 6, 6, other_layers, 3};
static const struct model renamed = {"renamed", "for tests", 6, 6, small_layers, 3};

static void attribute_write(const char *name, const char *attribute, int64_t value)
{
    hid_t file = H5Fopen(name, H5F_ACC_RDWR, H5P_DEFAULT), open = H5Aopen(file, attribute, H5P_DEFAULT);
    assert_true(H5Awrite(open, H5T_NATIVE_INT64, &value) >= 0);
    assert_true(H5Aclose(open) >= 0 && H5Fclose(file) >= 0);
}

/* ---- what was saved is loaded ---- */

static void test_round_trip(void **state)
{
    struct fixture *f = *state;
    struct error why;
    f->saved.parameters[3] = NAN; /* NaN is kept too */
    f->saved.states[OPTIMIZER_EMA][5] = -INFINITY;
    f->saved.evaluation_seconds = 2.5; /* 0 in the fixture, as in the files of older versions */
    const char *file = save(f, 1234);
    assert_non_null(strstr(file, "/checkpoint-00001234.h5"));
    load_and_compare(f, file);

    struct checkpoint peeked = {0};
    assert_fine(checkpoint_peek(&peeked, file, &why));
    assert_int_equal(peeked.step, 1234);
    assert_string_equal(peeked.model, "small");
    assert_null(peeked.parameters);
    free(peeked.class_names);
}

static void test_large_numbers(void **state)
{
    struct fixture *f = *state;
    f->saved.seed = (uint64_t)INT64_MAX;
    f->saved.position = 1ULL << 62;
    load_and_compare(f, save(f, 123456789012ULL));
}

/* The size of the images is loaded as it was saved; an older checkpoint, such as the fixture, has none. */
static void test_image_size(void **state)
{
    struct fixture *f = *state;
    struct error why;
    struct checkpoint peeked = {.image_height = 5, .image_width = 5, .resize = "before"};
    assert_fine(checkpoint_peek(&peeked, save(f, 1), &why));
    assert_int_equal(peeked.image_height + peeked.image_width, 0);
    assert_string_equal(peeked.resize, "");
    free(peeked.class_names);
    f->saved.image_height = 48;
    f->saved.image_width = 64;
    strcpy(f->saved.resize, "crop");
    const char *file = save(f, 2);
    load_and_compare(f, file);
    assert_int_equal(f->loaded.image_width, 64);
    attribute_write(file, "image_height", 49);
    assert_refused(checkpoint_load(&f->loaded, &f->net, file, &why), "is damaged: its digest is");
    attribute_write(file, "image_height", -48);
    assert_refused(checkpoint_peek(&peeked, file, &why), "makes no sense: images of -48 x 64");
}

/* The file has the layout that store.h promises. */
static void test_layout(void **state)
{
    struct fixture *f = *state;
    struct error why;
    struct h5 *h5 = h5_open(save(f, 1), &why);
    assert_non_null(h5);
    char (*names)[H5_NAME], text[128];
    int count;
    assert_fine(h5_list(h5, &names, &count, &why));
    const char *expected[] = {"/ema/conv1/biases",    "/ema/conv1/weights",    "/ema/dense/biases",    "/ema/dense/weights",
                              "/params/conv1/biases", "/params/conv1/weights", "/params/dense/biases", "/params/dense/weights"};
    assert_int_equal(count, 8);
    for (int i = 0; i < 8; i++)
        assert_string_equal(names[i], expected[i]);
    free(names);
    struct h5_shape shape;
    assert_fine(h5_shape(h5, "/params/conv1/weights", &shape, &why));
    h5_shape_text(&shape, text, sizeof text);
    assert_string_equal(text, "3x3x3x4");
    assert_fine(h5_shape(h5, "/ema/dense/weights", &shape, &why));
    h5_shape_text(&shape, text, sizeof text);
    assert_string_equal(text, "36x10");
    float bias[10];
    assert_fine(h5_read(h5, "/params/dense/biases", 0, 10, bias, &why));
    assert_memory_equal(bias, f->saved.parameters + f->net.layers[2].biases->offset, sizeof bias);
    assert_fine(h5_get_as_text(h5, "/", "step", text, sizeof text, &why));
    assert_string_equal(text, "1");
    assert_fine(h5_get_as_text(h5, "/", "loss_average", text, sizeof text, &why));
    assert_string_equal(text, "0.1");
    assert_fine(h5_get_as_text(h5, "/", "class_names", text, sizeof text, &why));
    assert_non_null(strstr(text, "class 0, class 1, class 4, "));
    assert_fine(h5_get_as_text(h5, "/provenance", "seed", text, sizeof text, &why));
    assert_string_equal(text, "also an option");
    assert_fine(checkpoint_verify(h5, &why));
    assert_fine(h5_close(h5, &why));
}

/* Tensors that are not trained have no moving averages: loading fills their shadows with their values. */
static void test_state_tensors(void **state)
{
    struct fixture *f = *state;
    static const struct layer layers[] = {{.name = "norm", .kind = LAYER_BATCH_NORM, .epsilon = 1},
                                          {.name = "dense", .kind = LAYER_DENSE}};
    static const struct model model = {"normed", "for tests", 6, 6, layers, 2};
    struct error why;
    state_free(f);
    memset(&f->loaded, 0, sizeof f->loaded);
    state_init(f, &model);
    const char *file = save(f, 5);
    assert_fine(checkpoint_load(&f->loaded, &f->net, file, &why));
    free(f->loaded.class_names);
    size_t trained = f->net.trained * sizeof(float), states = (f->net.parameters - f->net.trained) * sizeof(float);
    assert_int_equal(states, 2 * 3 * sizeof(float));
    assert_memory_equal(f->loaded.parameters, f->saved.parameters, f->net.parameters * sizeof(float));
    assert_memory_equal(f->loaded.states[OPTIMIZER_EMA], f->saved.states[OPTIMIZER_EMA], trained);
    assert_memory_equal(f->loaded.states[OPTIMIZER_EMA] + f->net.trained, f->saved.parameters + f->net.trained, states);
}

/* ---- a checkpoint of something else is refused ---- */

static void test_other_model(void **state)
{
    struct fixture *f = *state;
    struct error why;
    struct net other;
    const char *file = save(f, 1);
    const struct {
        const struct model *model;
        int channels, classes;
        const char *words[2];
    } cases[] = {{&renamed, 3, 10, {"model small", "model renamed"}}, {&small, 1, 10, {"1 channels", "3 channels"}},
                 {&small, 3, 2, {"2 classes", "10 classes"}},
                 {&small_changed, 3, 10, {"/params/conv1/weights is float32 3x3x3x4", "3x3x3x5"}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_fine(net_init(&other, cases[i].model, cases[i].channels, cases[i].classes, &why));
        for (int w = 0; w < 2; w++)
            assert_refused(checkpoint_load(&f->loaded, &other, file, &why), cases[i].words[w]);
        net_free(&other);
    }
}

static void test_no_checkpoint(void **state)
{
    struct fixture *f = *state;
    struct error why;
    char file[4200];
    snprintf(file, sizeof file, "%s/none.h5", f->directory);
    assert_refused(checkpoint_load(&f->loaded, &f->net, file, &why), "No such file");
    assert_refused(checkpoint_load(&f->loaded, &f->net, f->directory, &why), "is a directory");
    FILE *text = fopen(file, "w");
    fputs("a text\n", text);
    fclose(text);
    assert_refused(checkpoint_peek(&f->loaded, file, &why), "is not an HDF5 file");
    struct h5 *h5 = h5_create(file, &why);
    assert_fine(h5_set_text(h5, "/", "format", "cifar10_mpi dataset", &why));
    assert_fine(h5_close(h5, &why));
    assert_refused(checkpoint_peek(&f->loaded, file, &why), "not a checkpoint of cifar10_mpi");
    h5 = h5_create(file, &why);
    assert_fine(h5_set_text(h5, "/", "format", "cifar10_mpi checkpoint", &why));
    assert_fine(h5_set_integer(h5, "/", "format_version", 1, &why));
    assert_fine(h5_close(h5, &why));
    assert_refused(checkpoint_peek(&f->loaded, file, &why), "not written to its end");
}

/* ---- damage ---- */

static uint8_t *file_read(const char *file, size_t *size)
{
    FILE *open = fopen(file, "rb");
    assert_non_null(open);
    fseek(open, 0, SEEK_END);
    *size = (size_t)ftell(open);
    rewind(open);
    uint8_t *bytes = malloc(*size);
    assert_int_equal(fread(bytes, 1, *size, open), *size);
    fclose(open);
    return bytes;
}

static void bytes_write(const char *file, const uint8_t *bytes, size_t size)
{
    struct error why;
    assert_fine(file_write(file, bytes, size, &why));
}

static void test_truncated(void **state)
{
    struct fixture *f = *state;
    struct error why;
    char file[4200];
    strcpy(file, save(f, 1));
    size_t size;
    uint8_t *bytes = file_read(file, &size);
    for (size_t cut = 0; cut < size; cut += cut < 64 || size - cut < 64 ? 1 : 293) {
        bytes_write(file, bytes, cut);
        assert_refused(checkpoint_load(&f->loaded, &f->net, file, &why), file);
    }
    bytes_write(file, bytes, size);
    load_and_compare(f, file);
    free(bytes);
}

/* A flipped bit is either noticed or changes nothing that is loaded. */
static void test_flipped_bits(void **state)
{
    struct fixture *f = *state;
    struct error why;
    char file[4200];
    strcpy(file, save(f, 1));
    size_t size;
    uint8_t *bytes = file_read(file, &size);
    int refused = 0, flips = 600;
    uint64_t draw = 88172645463325252ULL;
    for (int i = 0; i < flips; i++) {
        draw ^= draw << 13;
        draw ^= draw >> 7;
        draw ^= draw << 17;
        size_t bit = draw % (8 * size);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bytes_write(file, bytes, size);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (checkpoint_load(&f->loaded, &f->net, file, &why)) {
            refused++;
            continue;
        }
        if (!same_state(f, &f->loaded))
            fail_msg("bit %zu of byte %zu was flipped, and not noticed", bit % 8, bit / 8);
        free(f->loaded.class_names);
    }
    print_message("# %d of %d flipped bits were refused, the others changed nothing that is loaded\n", refused, flips);
    assert_true(refused > flips / 4);
    free(bytes);
}

/* The digest reveals a change by another program, although HDF5's checksums are all correct. */
static void test_changed(void **state)
{
    struct fixture *f = *state;
    struct error why;
    char name[4200];
    strcpy(name, save(f, 1));
    hid_t file = H5Fopen(name, H5F_ACC_RDWR, H5P_DEFAULT), set = H5Dopen2(file, "/ema/dense/biases", H5P_DEFAULT);
    assert_true(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, f->saved.parameters) >= 0);
    assert_true(H5Dclose(set) >= 0 && H5Fclose(file) >= 0);
    assert_refused(checkpoint_load(&f->loaded, &f->net, name, &why), "is damaged: its digest is");

    strcpy(name, save(f, 2));
    attribute_write(name, "step", 3);
    assert_refused(checkpoint_load(&f->loaded, &f->net, name, &why), "is damaged: its digest is");
}

/* ---- the directory ---- */

static void test_list(void **state)
{
    struct fixture *f = *state;
    struct error why;
    uint64_t *steps;
    int count;
    assert_fine(checkpoint_list("/no/such/directory", &steps, &count, &why));
    assert_int_equal(count, 0);
    free(steps);
    save(f, 30);
    save(f, 100000000);
    save(f, 4);
    const char *foreign[] = {"checkpoint-5.h5", "checkpoint-00000006.h5.bak", "checkpoint-0000000a.h5", "train.log",
                             "checkpoint-000000007.h5", ".checkpoint-00000008.h5.tmp.x", "checkpoint-"};
    char file[4200];
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        snprintf(file, sizeof file, "%s/%s", f->directory, foreign[i]);
        bytes_write(file, (const uint8_t *)"x", 1);
    }
    snprintf(file, sizeof file, "%s/checkpoint-00000009.h5", f->directory);
    assert_int_equal(mkdir(file, 0777), 0);
    assert_fine(checkpoint_list(f->directory, &steps, &count, &why));
    assert_int_equal(count, 3);
    assert_int_equal(steps[0], 100000000);
    assert_int_equal(steps[1], 30);
    assert_int_equal(steps[2], 4);
    free(steps);
    f->saved.step = 100000001;
    assert_fine(checkpoint_save(&f->saved, &f->net, f->directory, provenance, 2, &why));
    assert_fine(checkpoint_prune(f->directory, f->saved.step, 1, &why));
    assert_fine(checkpoint_list(f->directory, &steps, &count, &why));
    assert_int_equal(count, 1);
    free(steps);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        snprintf(file, sizeof file, "%s/%s", f->directory, foreign[i]);
        assert_int_equal(access(file, F_OK), 0);
    }
}

static void test_keep(void **state)
{
    struct fixture *f = *state;
    struct error why;
    char leftover[4200];
    snprintf(leftover, sizeof leftover, "%s/.checkpoint-00000003.h5.tmp", f->directory);
    bytes_write(leftover, (const uint8_t *)"torn", 4);
    uint64_t *steps;
    int count;
    for (uint64_t step = 10; step <= 70; step += 10) {
        f->saved.step = step;
        assert_fine(checkpoint_save(&f->saved, &f->net, f->directory, NULL, 0, &why));
        assert_fine(checkpoint_prune(f->directory, step, 3, &why));
        assert_fine(checkpoint_list(f->directory, &steps, &count, &why));
        assert_int_equal(count, step < 30 ? step / 10 : 3);
        for (int i = 0; i < count; i++)
            assert_int_equal(steps[i], step - 10 * (uint64_t)i);
        free(steps);
    }
    assert_int_equal(access(leftover, F_OK), -1);
    f->saved.step = 5; /* a run that went back to an earlier step: both its checkpoint and the newest one stay */
    assert_fine(checkpoint_save(&f->saved, &f->net, f->directory, NULL, 0, &why));
    assert_fine(checkpoint_prune(f->directory, 5, 2, &why));
    assert_fine(checkpoint_list(f->directory, &steps, &count, &why));
    assert_int_equal(count, 2);
    assert_int_equal(steps[0], 70);
    assert_int_equal(steps[1], 5);
    free(steps);
}

static bool links; /* whether the file system has hard links */

int linkat(int from, const char *old, int to, const char *new, int flags)
{
    errno = EPERM; /* as on FAT */
    return links ? (int)syscall(SYS_linkat, from, old, to, new, flags) : -1;
}

/* best.h5 is the file that was open, even if it was removed in the meantime. The trainer does not treat it as one of its
 * checkpoints, and so does not remove it. */
static void test_best(void **state)
{
    struct fixture *f = *state;
    struct error why, passed;
    char best[4200], file[4200];
    struct stat kept, original;
    glob_t temporary;
    snprintf(best, sizeof best, "%s/best.h5", f->directory);
    snprintf(file, sizeof file, "%s/.best.h5.tmp", f->directory); /* another process's file */
    bytes_write(file, (const uint8_t *)"another", 7);
    for (int how = 0; how < 4; how++) { /* linked or copied, from a file that exists or was removed */
        links = how % 2 == 0;
        strcpy(file, save(f, 10));
        int descriptor = open(file, O_RDONLY);
        assert_true(descriptor >= 0 && !fstat(descriptor, &original));
        if (how >= 2)
            assert_int_equal(unlink(file), 0);
        for (int i = 0; i < 2; i++) /* the second time, best.h5 may already be a link to that file */
            assert_fine(file_keep(descriptor, best, &why));
        assert_int_equal(stat(best, &kept), 0);
        assert_int_equal(kept.st_ino == original.st_ino, how == 0);
        close(descriptor);
        load_and_compare(f, best);
        assert_fine(checkpoint_check(best, &why));
    }
    snprintf(file, sizeof file, "%s/.best.h5.*", f->directory);
    assert_int_equal(glob(file, 0, NULL, &temporary), 0);
    assert_int_equal(temporary.gl_pathc, 1);
    assert_int_equal(unlink(temporary.gl_pathv[0]), 0);
    globfree(&temporary);
    assert_fine(checkpoint_newest(f->directory, file, sizeof file, &passed, &why));
    assert_string_equal(file, ""); /* best.h5 is not a checkpoint of the run */
    save(f, 5);
    save(f, 7);
    assert_fine(checkpoint_prune(f->directory, 7, 1, &why));
    assert_fine(checkpoint_newest(f->directory, file, sizeof file, &passed, &why));
    assert_non_null(strstr(file, "checkpoint-00000007.h5"));
    assert_int_equal(access(best, F_OK), 0);
    assert_int_equal(file_keep(-1, best, &why), -1);
    assert_fine(checkpoint_check(best, &why)); /* if file_keep fails, the old file stays */
}

static void test_provenance(void **state)
{
    struct fixture *f = *state;
    struct error why;
    char text[64];
    const char *file = save(f, 1);
    assert_fine(checkpoint_provenance(file, "seed", text, sizeof text, &why));
    assert_string_equal(text, "also an option");
    assert_fine(checkpoint_provenance(file, "last_step", text, sizeof text, &why));
    assert_string_equal(text, "");
    assert_refused(checkpoint_provenance("/no/such/file", "seed", text, sizeof text, &why), "No such file");
}

/* Finds the newest whole checkpoint. A file that cannot be read or has another format version is not skipped. */
static void test_newest(void **state)
{
    struct fixture *f = *state;
    struct error why, passed;
    char file[4200], older[4200];
    size_t size;
    assert_fine(checkpoint_newest(f->directory, file, sizeof file, &passed, &why));
    assert_string_equal(file, "");
    strcpy(older, save(f, 1));
    uint8_t *bytes = file_read(save(f, 2), &size);
    for (size_t cut = 0; cut < size; cut += size / 7) {
        checkpoint_name(f->directory, 2, file, sizeof file);
        bytes_write(file, bytes, cut);
        assert_int_equal(checkpoint_check(file, &why), CHECKPOINT_DAMAGED);
        assert_fine(checkpoint_newest(f->directory, file, sizeof file, &passed, &why));
        assert_string_equal(file, older);
        assert_non_null(strstr(passed.text, "checkpoint-00000002.h5"));
    }
    bytes_write(file, bytes, size / 2); /* now both are damaged */
    assert_int_equal(checkpoint_newest(f->directory, file, sizeof file, &passed, &why), CHECKPOINT_DAMAGED);
    assert_non_null(strstr(why.text, "no checkpoint there is whole"));
    assert_non_null(strstr(why.text, "; checkpoint-00000001.h5: ")); /* each file is named, the directory once */
    free(bytes);

    save(f, 1);
    strcpy(file, save(f, 3));
    attribute_write(file, "format_version", 2);
    assert_refused(checkpoint_newest(f->directory, file, sizeof file, &passed, &why), "of format 2");
    snprintf(file, sizeof file, "%s/checkpoint-00000004.h5", f->directory);
    assert_refused(checkpoint_check(file, &why), "No such file");
    assert_refused(checkpoint_check("/proc/self/mem", &why), "/proc/self/mem"); /* exists, but cannot be read */
}

static void test_no_directory(void **state)
{
    struct fixture *f = *state;
    struct error why;
    assert_refused(checkpoint_save(&f->saved, &f->net, "/no/such/directory", NULL, 0, &why), "No such file");
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),    TEST(test_large_numbers), TEST(test_layout),
        TEST(test_state_tensors),
        TEST(test_other_model),   TEST(test_no_checkpoint), TEST(test_truncated),
        TEST(test_flipped_bits),  TEST(test_list),          TEST(test_keep),
        TEST(test_no_directory),  TEST(test_changed),       TEST(test_newest),
        TEST(test_image_size),
        TEST(test_best),          TEST(test_provenance),
        cmocka_unit_test(test_all_is_closed),
    };
    return cmocka_run_group_tests(tests, ids_remember, NULL);
}
