/* Sources of samples: what names mean, the order of samples and pixels, and sentences about what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../src/data/pack.h"

static char directory[4096];

static int make_directory(void **state)
{
    (void)state;
    const char *where = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/test_pack.XXXXXX", where ? where : "/tmp");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    char command[4200];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return system(command);
}

/* Writes a file below the test's directory, making its folders; missing content is zeros. */
static void put(const char *name, const void *content, size_t bytes)
{
    char path[8200];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    for (char *slash = path + strlen(directory) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    if (content)
        assert_int_equal(fwrite(content, 1, bytes, file), bytes);
    else
        assert_int_equal(ftruncate(fileno(file), (off_t)bytes), 0);
    assert_int_equal(fclose(file), 0);
}

/* A record whose pixels can be told: red = 7 * pixel, green = red + 1, blue = red + 2, modulo 256. */
static void make_record(uint8_t *record, int label)
{
    record[0] = (uint8_t)label;
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 1024; i++)
            record[1 + c * 1024 + i] = (uint8_t)(i * 7 + c);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum entry_kind kind;
        int split;
        const char *class_name;
        int top;
    } names[] = {
        {"data_batch_1.bin", ENTRY_BATCH, TRAIN, "", 0},
        {"cifar-10-batches-bin/test_batch.bin", ENTRY_BATCH, TEST, "", 0},
        {"./a/b/data_batch_12.bin", ENTRY_BATCH, TRAIN, "", 0},
        {"a/batches.meta.txt", ENTRY_NAMES, 0, "", 0},
        {"train/cat/1.jpg", ENTRY_IMAGE, TRAIN, "cat", 0},
        {"mine/test/big dog/x.y.PNG", ENTRY_IMAGE, TEST, "big dog", 5},
        {"./train/cat/1.JPEG", ENTRY_IMAGE, TRAIN, "cat", 2},
        {"train/test/dog/1.png", ENTRY_IMAGE, TEST, "dog", 6},
        {"train/cat/notes.txt", ENTRY_STRAY, TRAIN, "", 0},
        {"train/1.jpg", ENTRY_STRAY, 0, "", 0},
        {"1.jpg", ENTRY_STRAY, 0, "", 0},
        {"retrain/cat/1.jpg", ENTRY_STRAY, 0, "", 0},
        {"training/cat/1.jpg", ENTRY_STRAY, 0, "", 0},
        {"train/cat/._1.jpg", ENTRY_OTHER, 0, "", 0},
        {"train/.cat/1.jpg", ENTRY_OTHER, 0, "", 0},
        {".cache/train/cat/1.jpg", ENTRY_OTHER, 0, "", 0},
        {"a/.b/data_batch_1.bin", ENTRY_OTHER, 0, "", 0},
        {"../train/cat/1.jpg", ENTRY_IMAGE, TRAIN, "cat", 3},
        {"train/a/b/1.jpg", ENTRY_STRAY, 0, "", 0},
        {"README", ENTRY_OTHER, 0, "", 0},
        {"", ENTRY_OTHER, 0, "", 0},
        {"/", ENTRY_OTHER, 0, "", 0},
        {"/train/cat/1.jpg", ENTRY_IMAGE, TRAIN, "cat", 1},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct entry_place place;
        entry_find(names[i].name, &place);
        if (place.kind != names[i].kind || (place.kind != ENTRY_STRAY && place.kind != ENTRY_OTHER &&
                                            (place.split != names[i].split || place.top != names[i].top)))
            fail_msg("'%s': kind %d, split %d, top %d", names[i].name, place.kind, place.split, place.top);
        assert_string_equal(place.class_name, names[i].class_name);
    }
}

static void test_binary(void **state)
{
    (void)state;
    struct error why;
    static struct survey survey;
    static struct source source;
    struct sample sample;
    static const int splits[] = {TRAIN, TRAIN, TEST}, labels[] = {3, 9, 0}, rows[] = {0, 1, 0};
    uint8_t records[2 * CIFAR_RECORD];
    bool found;
    make_record(records, 3);
    make_record(records + CIFAR_RECORD, 9);
    put("in/data_batch_1.bin", records, sizeof records);
    records[0] = 0;
    put("in/test_batch.bin", records, CIFAR_RECORD);
    assert_int_equal(survey_take(&survey, directory, &why), 0);
    assert_false(survey.folders);
    assert_int_equal(survey.images[TRAIN], 2);
    assert_int_equal(survey.images[TEST], 1);
    assert_string_equal(survey.classes[9], "truck");
    assert_int_equal(source_open(&source, &survey, directory, 77, RESIZE_CROP, &why), 0);
    assert_int_equal(source.side, 32);
    for (int n = 0; n < 3; n++) {
        assert_int_equal(source_next(&source, &sample, &found, &why), 0);
        assert_true(found);
        assert_int_equal(sample.split, splits[n]);
        assert_int_equal(sample.label, labels[n]);
        assert_int_equal(sample.row, rows[n]);
        for (int i = 0; i < 1024 * 3; i++)
            assert_int_equal(sample.pixels[i], (i / 3 * 7 + i % 3) % 256);
    }
    assert_int_equal(source_next(&source, &sample, &found, &why), 0);
    assert_false(found);
    assert_int_equal(source.file_count, 2);
    assert_string_equal(source.files[1].name, "test_batch.bin");
    source_close(&source);
    survey_free(&survey);
}

/* What reading the source to its end says; "" where it is fine. */
static const char *sentence(void)
{
    static struct error why;
    static struct survey survey;
    static struct source source;
    struct sample sample;
    bool found = true;
    int status = survey_take(&survey, directory, &why);
    if (!status) {
        status = source_open(&source, &survey, directory, 32, RESIZE_CROP, &why);
        while (!status && found)
            status = source_next(&source, &sample, &found, &why);
        source_close(&source);
    }
    survey_free(&survey);
    return status ? why.text : "";
}

#define assert_says(part)                               \
    do {                                                \
        const char *said = sentence();                  \
        if (!strstr(said, part))                        \
            fail_msg("'%s' is not in '%s'", part, said); \
    } while (0)

static void test_bad_binary(void **state)
{
    (void)state;
    char name[300];
    uint8_t records[2 * CIFAR_RECORD];
    make_record(records, 3);
    make_record(records + CIFAR_RECORD, 10);
    put("data_batch_1.bin", records, sizeof records);
    assert_says("/data_batch_1.bin: record 1 (the first is 0) has label 10, but labels are 0 to 9");
    put("data_batch_1.bin", records, sizeof records - 2);
    assert_says("/data_batch_1.bin: record 1 (the first is 0) has 3071 of its 3073 bytes");
    put("data_batch_1.bin", records, CIFAR_RECORD);
    put("data_batch_2.bin", NULL, 0);
    assert_says("/data_batch_2.bin: is empty");
    unlink((snprintf(name, sizeof name, "%.250s/data_batch_1.bin", directory), name));
    put("data_batch_2.bin", records, 3000);
    assert_says("/data_batch_2.bin: record 0 (the first is 0) has 3000 of its 3073 bytes");
    put("data_batch_2.bin", records, CIFAR_RECORD);
    put("copy/data_batch_2.bin", records, CIFAR_RECORD);
    assert_says("there are two files of this name");
}

static void test_bad_names(void **state)
{
    (void)state;
    uint8_t record[CIFAR_RECORD];
    make_record(record, 3);
    put("data_batch_1.bin", record, sizeof record);
    put("batches.meta.txt", "a\nb\n\n", 5);
    assert_says("/batches.meta.txt: has 2 class names, one a line, instead of 10");
    put("batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\n", 22);
    assert_says("/batches.meta.txt: is not 10 class names");
    put("batches.meta.txt", NULL, 1 << 20);
    assert_says("/batches.meta.txt: has 0 class names");
    put("batches.meta.txt", "a\r\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n", 22);
    assert_says("");
    put("test/cat/1.png", "", 0);
    assert_says("holds CIFAR-10's binary files and folders of images");
}

static void test_bad_folders(void **state)
{
    (void)state;
    char name[300];
    assert_says("holds neither CIFAR-10's binary files (data_batch_*.bin, test_batch.bin) nor images");
    put("test/cat/1.png", "", 0);
    assert_says("holds test images only");
    put("train/cat/1.png", "\x89PNG\r\n\x1a\n", 8);
    put("train/cat/notes.txt", "", 0);
    assert_says("/test/cat/1.png: is neither a JPEG nor a PNG image");
    unlink((snprintf(name, sizeof name, "%.250s/test/cat/1.png", directory), name));
    assert_says("/train/cat/1.png: is a PNG image that cannot be decoded");
    put("other/train/cat/1.png", "", 0);
    assert_says("there are several data sets");
}

static void test_classes(void **state)
{
    (void)state;
    struct error why;
    static struct survey survey;
    char name[128];
    put("top/test/zebra/1.png", "", 0);
    put("top/train/ant/1.png", "", 0);
    put("top/train/Bee/1.png", "", 0);
    put("top/train/Bee/2.png", "", 0);
    assert_int_equal(survey_take(&survey, directory, &why), 0);
    assert_int_equal(survey.class_count, 3);
    assert_string_equal(survey.classes[0], "Bee");
    assert_string_equal(survey.classes[1], "ant");
    assert_string_equal(survey.classes[2], "zebra");
    assert_string_equal(survey.top, "top/");
    assert_int_equal(survey.images[TRAIN], 3);
    survey_free(&survey);
    put("batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n", 20); /* not these folders' names */
    assert_int_equal(survey_take(&survey, directory, &why), 0);
    assert_int_equal(survey.class_count, 3);
    assert_string_equal(survey.classes[0], "Bee");
    survey_free(&survey);
    for (int i = 3; i < CLASSES_MAX; i++)
        put((snprintf(name, sizeof name, "top/train/c%03d/1.png", i), name), "", 0);
    assert_int_equal(survey_take(&survey, directory, &why), 0);
    assert_int_equal(survey.class_count, CLASSES_MAX);
    survey_free(&survey);
    put("top/train/more/1.png", "", 0);
    assert_says("/top/train/more/1.png: begins class 257, but labels are bytes");
    put((snprintf(name, sizeof name, "top/train/%070d/1.png", 1), name), "", 0);
    assert_says("the class folder's name is longer than 63 bytes");
}

/* Read only as far as an image may be long; nothing is believed that a size claims. */
static void test_large(void **state)
{
    (void)state;
    put("train/cat/1.jpg", NULL, IMAGE_FILE_MAX);
    assert_says("/train/cat/1.jpg: has 64 MiB or more: not an image");
}

static void test_links(void **state)
{
    (void)state;
    char from[5000], to[5000];
    put("train/cat/1.jpg", "\xff\xd8\xff", 3);
    assert_int_equal(symlink(".", (snprintf(to, sizeof to, "%s/train/dog", directory), to)), 0);
    assert_says("/train/cat/1.jpg: is a JPEG image that cannot be decoded");
    unlink((snprintf(from, sizeof from, "%s/train/cat/1.jpg", directory), from));
    assert_int_equal(symlink("nowhere", from), 0);
    assert_says("/train/cat/1.jpg: cannot be opened: No such file or directory");
    unlink(from);
    assert_int_equal(mkfifo(from, 0666), 0);
    assert_says("/train/cat/1.jpg: is no regular file");
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), IN_DIRECTORY(test_binary),  IN_DIRECTORY(test_bad_binary),
        IN_DIRECTORY(test_bad_names), IN_DIRECTORY(test_bad_folders), IN_DIRECTORY(test_classes),
        IN_DIRECTORY(test_large),     IN_DIRECTORY(test_links),
    };
    return cmocka_run_group_tests_name("sources", tests, NULL, NULL);
}
