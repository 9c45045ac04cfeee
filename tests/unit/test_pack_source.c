/* Sources of samples: what names mean, the order of samples and pixels, and the sentences about errors. */
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

#include "../../src/pack/parts.h"
#include "data.h"

static char directory[4096];
static const struct pack_request plain = {.image_size = 32};

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

/* Writes a file below the test's directory, and makes its folders; without content it is all zeros. */
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

/* A record with known pixels: red = 7 * pixel, green = red + 1, blue = red + 2, modulo 256. */
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
        const char *word, *class_name; /* in split folders; NULL: in none */
        int top;
        const char *flat; /* class folder without split folders; NULL: none */
    } names[] = {
        {"data_batch_1.bin", ENTRY_BATCH, NULL, NULL, 0, NULL},
        {"cifar-10-batches-bin/test_batch.bin", ENTRY_BATCH, NULL, NULL, 0, "cifar-10-batches-bin"},
        {"./a/b/data_batch_12.bin", ENTRY_BATCH, NULL, NULL, 0, "b"},
        {"a/batches.meta.txt", ENTRY_NAMES, NULL, NULL, 0, "a"},
        {"train/cat/1.jpg", ENTRY_IMAGE, "train", "cat", 0, "cat"},
        {"mine/test/big dog/x.y.PNG", ENTRY_IMAGE, "test", "big dog", 5, "big dog"},
        {"./train/cat/1.JPEG", ENTRY_IMAGE, "train", "cat", 2, "cat"},
        {"train/test/dog/1.png", ENTRY_IMAGE, "test", "dog", 6, "dog"},
        {"Train/cat/1.jpg", ENTRY_IMAGE, "train", "cat", 0, "cat"},
        {"VAL/cat/1.jfif", ENTRY_IMAGE, "val", "cat", 0, "cat"},
        {"x/valid/cat/1.jpg", ENTRY_IMAGE, "valid", "cat", 2, "cat"},
        {"validation/cat/1.jpg", ENTRY_IMAGE, "validation", "cat", 0, "cat"},
        {"training/cat/1.jpg", ENTRY_IMAGE, "training", "cat", 0, "cat"},
        {"testing/cat/1.jpg", ENTRY_IMAGE, "testing", "cat", 0, "cat"},
        {"train/cat/images/1.jpg", ENTRY_IMAGE, "train", "cat", 0, "images"},
        {"train/cat/val/1.jpg", ENTRY_IMAGE, "train", "cat", 0, "val"},
        {"train/cat/notes.txt", ENTRY_OTHER, "train", "cat", 0, "cat"},
        {"train/cat/1.webp", ENTRY_PICTURE, "train", "cat", 0, "cat"},
        {"train/cat/1.TIFF", ENTRY_PICTURE, "train", "cat", 0, "cat"},
        {"train/cat/", ENTRY_FOLDER, "train", "cat", 0, "cat"},
        {"train/", ENTRY_FOLDER, NULL, NULL, 0, "train"},
        {"train/1.jpg", ENTRY_IMAGE, NULL, NULL, 0, "train"},
        {"1.jpg", ENTRY_IMAGE, NULL, NULL, 0, NULL},
        {"./1.jpg", ENTRY_IMAGE, NULL, NULL, 0, NULL},
        {"retrain/cat/1.jpg", ENTRY_IMAGE, NULL, NULL, 0, "cat"},
        {"train/cat/._1.jpg", ENTRY_HIDDEN, "train", "cat", 0, "cat"},
        {"train/.cat/1.jpg", ENTRY_HIDDEN, "train", ".cat", 0, ".cat"},
        {".cache/train/cat/1.jpg", ENTRY_HIDDEN, "train", "cat", 7, "cat"},
        {"a/.b/data_batch_1.bin", ENTRY_HIDDEN, NULL, NULL, 0, ".b"},
        {"__MACOSX/train/cat/", ENTRY_HIDDEN, "train", "cat", 9, "cat"},
        {"train/cat/Thumbs.db", ENTRY_HIDDEN, "train", "cat", 0, "cat"},
        {"../train/cat/1.jpg", ENTRY_IMAGE, "train", "cat", 3, "cat"},
        {"README", ENTRY_OTHER, NULL, NULL, 0, NULL},
        {"", ENTRY_FOLDER, NULL, NULL, 0, NULL},
        {"/", ENTRY_FOLDER, NULL, NULL, 0, NULL},
        {"/train/cat/1.jpg", ENTRY_IMAGE, "train", "cat", 1, "cat"},
        {"cifar-10-batches-py/data_batch_1", ENTRY_PYTHON, NULL, NULL, 0, "cifar-10-batches-py"},
        {"data_batch_3.mat", ENTRY_MATLAB, NULL, NULL, 0, NULL},
        {"cifar-100-python/train", ENTRY_CIFAR100, NULL, NULL, 0, "cifar-100-python"},
        {"pictures.tar.gz", ENTRY_ARCHIVE, NULL, NULL, 0, NULL},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct entry_place place;
        struct class_folder folder;
        entry_find(names[i].name, 0, &place);
        bool found = class_folder_find(names[i].name, LAYOUT_SPLITS, &folder);
        if (place.kind != names[i].kind || found != (names[i].word != NULL) || (found && folder.top != names[i].top))
            fail_msg("'%s': kind %d, in a folder: %d, top %d", names[i].name, place.kind, found, folder.top);
        if (found) {
            assert_string_equal(split_words[folder.word].name, names[i].word);
            assert_string_equal(folder.class_name, names[i].class_name);
        }
        found = class_folder_find(names[i].name, LAYOUT_FLAT, &folder);
        if (found != (names[i].flat != NULL) || (found && strcmp(folder.class_name, names[i].flat)))
            fail_msg("'%s': flat, in a folder: %d, class '%s'", names[i].name, found, folder.class_name);
    }
    struct entry_place place;
    entry_find("train.bin", 3074 * 5, &place);
    assert_int_equal(place.kind, ENTRY_CIFAR100);
    entry_find("train.bin", 3073 * 5, &place);
    assert_int_equal(place.kind, ENTRY_OTHER);
    entry_find("a/test_batch.bin", 0, &place);
    assert_int_equal(place.split, TEST);
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
    assert_int_equal(survey_take(&survey, directory, &plain, &why), 0);
    assert_false(survey.folders);
    assert_int_equal(survey.images[TRAIN], 2);
    assert_int_equal(survey.images[TEST], 1);
    assert_string_equal(survey.classes.names[9], "truck");
    assert_int_equal(source_open(&source, &survey, directory, &(struct pack_request){.image_size = 77}, &why), 0);
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

/* Reads the source to its end; returns the error's sentence, or "". */
static const char *sentence(void)
{
    static struct error why;
    static struct survey survey;
    static struct source source;
    struct sample sample;
    bool found = true;
    int status = survey_take(&survey, directory, &plain, &why);
    if (!status) {
        status = source_open(&source, &survey, directory, &plain, &why);
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
    assert_says("/batches.meta.txt: has 2 class names, one per line, instead of 10");
    put("batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\n", 22);
    assert_says("/batches.meta.txt: is not a list of 10 class names");
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
    assert_says("holds only test images");
    put("train/cat/1.png", "\x89PNG\r\n\x1a\n", 8);
    put("train/cat/notes.txt", "", 0);
    assert_says("/test/cat/1.png: is neither a JPEG nor a PNG image");
    unlink((snprintf(name, sizeof name, "%.250s/test/cat/1.png", directory), name));
    assert_says("has classes without test images: cat (--allow-missing-classes");
    rmdir((snprintf(name, sizeof name, "%.250s/test/cat", directory), name));
    assert_says("/train/cat/1.png: is a PNG image that cannot be decoded");
    put("other/train/cat/1.png", "", 0);
    assert_says("there are several data sets");
}

static void test_classes(void **state)
{
    (void)state;
    struct error why;
    const struct pack_request request = {.image_size = 32, .allow_missing_classes = true};
    static struct survey survey;
    char name[128];
    put("top/test/zebra/1.png", "", 0);
    put("top/train/ant/1.png", "", 0);
    put("top/train/Bee/1.png", "", 0);
    put("top/train/Bee/2.png", "", 0);
    assert_int_equal(survey_take(&survey, directory, &request, &why), 0);
    assert_int_equal(survey.classes.count, 3);
    assert_string_equal(survey.classes.names[0], "Bee");
    assert_string_equal(survey.classes.names[1], "ant");
    assert_string_equal(survey.classes.names[2], "zebra");
    assert_string_equal(survey.top, "top/");
    assert_int_equal(survey.images[TRAIN], 3);
    survey_free(&survey);
    put("batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n", 20); /* does not apply to folders */
    assert_int_equal(survey_take(&survey, directory, &request, &why), 0);
    assert_int_equal(survey.classes.count, 3);
    assert_string_equal(survey.classes.names[0], "Bee");
    survey_free(&survey);
    for (int i = 3; i < CLASSES_MAX; i++)
        put((snprintf(name, sizeof name, "top/train/c%03d/1.png", i), name), "", 0);
    assert_int_equal(survey_take(&survey, directory, &request, &why), 0);
    assert_int_equal(survey.classes.count, CLASSES_MAX);
    survey_free(&survey);
    put("top/train/more/1.png", "", 0);
    assert_says("/top/train/more/1.png: begins class 257, but labels are bytes");
    put((snprintf(name, sizeof name, "top/train/%070d/1.png", 1), name), "", 0);
    assert_says("the class folder's name is longer than 63 bytes");
}

/* An empty class folder is a class; a folder that contains folders of a split or of another data set is not. */
static void test_empty_folders(void **state)
{
    (void)state;
    struct error why;
    static struct survey survey;
    const struct pack_request allowed = {.image_size = 32, .allow_missing_classes = true}, shared = {.test_share = 0.5};
    put("data/test/cat/1.png", "", 0);
    put("data/train/ant/notes.txt", "", 0);
    put("data/train/cat/1.png", "", 0);
    put("data/train/cat/val/1.txt", "", 0);
    assert_says("without training images: ant; without test images: ant (--allow");
    assert_int_equal(survey_take(&survey, directory, &allowed, &why), 0);
    assert_int_equal(survey.classes.count, 2);
    assert_string_equal(survey.classes.names[0], "ant");
    assert_int_equal(survey.class_images[0][TRAIN] + survey.class_images[0][TEST], 0);
    assert_int_equal(survey.class_images[1][TRAIN], 1);
    survey_free(&survey);
    put("flat/README", "", 0);
    put("flat/set/ant/1.txt", "", 0);
    put("flat/set/cat/1.png", "", 0);
    put("flat/set/train/1.png", "", 0); /* here `train` is a class: the vehicle */
    char name[5000];
    snprintf(name, sizeof name, "%s/flat", directory);
    assert_int_equal(survey_take(&survey, name, &shared, &why), -1);
    assert_non_null(strstr(why.text, "has classes without training images: ant"));
    survey_free(&survey);
    assert_int_equal(survey_take(&survey, name, &plain, &why), -1);
    assert_non_null(strstr(why.text, "--test-share 0.1"));
    survey_free(&survey);
}

static void test_seen(void **state)
{
    (void)state;
    struct error why;
    struct seen seen = {.most = 1536}; /* three quarters of 2048 slots, as many as may be used */
    uint32_t pixels[4] = {0};
    struct sample sample = {.pixels = (const uint8_t *)pixels};
    for (int round = 0; round < 3; round++)
        for (uint32_t i = 0; i < 3000; i++) { /* 0, 2, 4, ... are in both splits, twice in the test split */
            pixels[0] = i;
            sample.split = round ? TEST : TRAIN;
            if (!round || i % 2 == 0)
                assert_int_equal(seen_add(&seen, &sample, sizeof pixels, &why), 0);
        }
    assert_int_equal(seen.used, 1536); /* 0 to 1535, of which every other one */
    assert_int_equal(seen.size, 2048);
    assert_int_equal(seen_in_both(&seen), 2 * 1536 / 2);
    seen_free(&seen);
}

/* Reads a file only up to the largest size of an image, whatever size the archive claims. */
static void test_large(void **state)
{
    (void)state;
    put("train/cat/1.jpg", NULL, IMAGE_FILE_MAX);
    assert_says("/train/cat/1.jpg: is 64 MiB or larger: not an image");
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
        IN_DIRECTORY(test_empty_folders), cmocka_unit_test(test_seen), IN_DIRECTORY(test_large), IN_DIRECTORY(test_links),
    };
    return cmocka_run_group_tests_name("sources", tests, NULL, NULL);
}
