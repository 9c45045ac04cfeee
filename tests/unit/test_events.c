/* Histograms and event files. TensorBoard reads the files of test_sample in tests/system/user/event_files.sh, which sets SAMPLE
 * to a directory for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eval.h"
#include "events.h"

#define assert_fine(call)                        \
    do {                                         \
        if (call)                                \
            fail_msg("%s: %s", #call, why.text); \
    } while (0)

/* ---- histograms ---- */

static void test_histogram(void **state)
{
    (void)state;
    static const float values[] = {-2, -1.5f, 0, -0.0f, 1e-9f, 1, 1.1f, 1.25f, 7, NAN, INFINITY, -INFINITY};
    static struct histogram histogram;
    struct histogram_buckets buckets;
    histogram_add(&histogram, values, 5);
    histogram_add(&histogram, values + 5, 7);
    assert_int_equal(histogram.values, 9);
    assert_int_equal(histogram.zeros, 2);
    assert_int_equal(histogram.not_finite, 3);
    assert_true(histogram.minimum == -2 && histogram.maximum == 7);
    assert_true(fabs(histogram.sum - 6.85) < 1e-6 && fabs(histogram.squares - (4 + 2.25 + 1 + 1.21 + 1.5625 + 49)) < 1e-6);
    histogram_buckets(&histogram, &buckets);
    double sum = 0;
    for (int i = 0; i < buckets.count; i++)
        sum += buckets.values[i];
    assert_true(sum == 9);
    assert_true(buckets.limit[0] == -2 && buckets.values[0] == 1);
    assert_true(buckets.limit[2] == -1.5 && buckets.values[2] == 1);
    assert_true(buckets.limit[buckets.count - 1] == 8 && buckets.values[buckets.count - 1] == 1);
    int one = 0;
    while (buckets.limit[one] <= 1)
        one++;
    assert_true(buckets.limit[one] == 1.25 && buckets.values[one] == 2);         /* 1 and 1.1 */
    assert_true(buckets.limit[one + 1] == 1.5 && buckets.values[one + 1] == 1);  /* 1.25 */
}

static void test_extreme_histograms(void **state)
{
    (void)state;
    static const float zeros[] = {0, 0}, largest[] = {FLT_MAX, -FLT_MAX, FLT_MIN / 4}, none[] = {NAN};
    static struct histogram of_zeros, of_largest, of_none, of_range;
    struct histogram_buckets buckets;
    histogram_add(&of_zeros, zeros, 2);
    histogram_buckets(&of_zeros, &buckets);
    assert_true(buckets.count == 1 && buckets.limit[0] > 0 && buckets.values[0] == 2);
    histogram_add(&of_largest, largest, 3);
    histogram_buckets(&of_largest, &buckets);
    assert_true(buckets.values[0] == 1 && buckets.values[buckets.count - 1] == 1);
    histogram_add(&of_none, none, 1);
    histogram_buckets(&of_none, &buckets);
    assert_int_equal(buckets.count, 0);
    for (int sign = -1; sign <= 1; sign += 2)
        for (float value = 1; value > 1e-6f; value *= 0.99f)
            histogram_add(&of_range, &(float){(float)sign * value}, 1);
    histogram_buckets(&of_range, &buckets);
    assert_in_range(buckets.count, HISTOGRAM_BUCKETS - 2, HISTOGRAM_BUCKETS);
}

/* ---- files ---- */

static off_t file_size(const char *file)
{
    struct stat found;
    return stat(file, &found) ? -1 : found.st_size;
}

/* The first record of every file, made by TensorBoard's own writer, except for the time in bytes 13 to 21 and the checksum. */
static void test_framing(void **state)
{
    static const uint8_t header[] = {0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22, 0x09};
    static const uint8_t version[] = "\x1a\x0d" "brain.Event:2";
    uint8_t bytes[40];
    struct error why;
    struct event_file file;
    assert_fine(event_file_open(&file, *state, 0, &why));
    FILE *stream = fopen(file.name, "rb");
    assert_int_equal(fread(bytes, 1, sizeof bytes, stream), sizeof bytes);
    fclose(stream);
    assert_memory_equal(bytes, header, sizeof header);
    assert_memory_equal(bytes + 21, version, sizeof version - 1);
    assert_int_equal(file_size(file.name), 40);
    assert_fine(event_file_close(&file, &why));
    assert_fine(event_file_close(&file, &why));
}

/* A full disk, here a limit on the file's size: no part of a record stays, and later records are written. */
static void test_full(void **state)
{
    struct error why;
    struct event_file file;
    struct event event = {.step = 1};
    struct rlimit all, few;
    event_add_text(&event, "text", "a text that is long enough not to fit into the rest of the file");
    signal(SIGXFSZ, SIG_IGN);
    assert_fine(event_file_open(&file, *state, 0, &why));
    getrlimit(RLIMIT_FSIZE, &all);
    few = all;
    few.rlim_cur = (rlim_t)file.bytes + 20;
    off_t whole = file.bytes;
    setrlimit(RLIMIT_FSIZE, &few);
    assert_int_equal(event_file_append(&file, &event, &why), -1);
    assert_non_null(strstr(why.text, "cannot be written: File too large"));
    setrlimit(RLIMIT_FSIZE, &all);
    assert_int_equal(file_size(file.name), whole);
    assert_fine(event_file_append(&file, &event, &why));
    assert_true(file_size(file.name) == file.bytes && file.bytes > whole);
    unlink(file.name);
    assert_int_equal(event_file_append(&file, &event, &why), -1);
    assert_non_null(strstr(why.text, "it was removed"));
    event_clear(&event);
    assert_fine(event_file_close(&file, &why));
}

static void test_no_directory(void **state)
{
    struct error why;
    struct event_file file;
    char name[250];
    snprintf(name, sizeof name, "%s/file", (char *)*state);
    fclose(fopen(name, "w"));
    assert_int_equal(event_file_open(&file, name, 0, &why), -1);
    assert_non_null(strstr(why.text, name));
    assert_fine(event_file_close(&file, &why));
    unlink(name);
}

/* ---- what eval keeps ---- */

/* 30 mistakes and as many right answers; image i gives its label the probability (7 i mod 31) / 100. */
static void test_mistakes(void **state)
{
    (void)state;
    struct error why;
    struct eval_events events = {.file.descriptor = -1};
    assert_fine(eval_events_init(&events, 2, &why));
    for (int round = 0; round < 2; round++) {
        eval_events_reset(&events, 2);
        for (int i = 0; i < 30; i++) {
            struct classified rows[] = {{.image = i, .label = 1, .prediction = 0, .label_probability = (float)(7 * i % 31) / 100},
                                        {.image = 100 + i, .label = 1, .prediction = 1, .label_probability = 0}};
            eval_events_add(&events, 2, rows, 2);
        }
        assert_int_equal(events.mistakes, EVAL_MISTAKES);
        for (int i = 0; i < EVAL_MISTAKES; i++)
            assert_int_equal(7 * events.worst[i].image % 31, i);
        assert_true(events.confusion[2] == 30 && events.confusion[3] == 30 && events.confusion[0] + events.confusion[1] == 0);
    }
    eval_events_free(&events);
}

/* ---- the sample that TensorBoard reads ---- */

static void add_values(struct event *event, const float *values, size_t count)
{
    static uint8_t pixels[5 * 7 * IMAGE_CHANNELS];
    static struct histogram histogram;
    for (int i = 0; i < (int)sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 7);
    histogram_add(&histogram, values, count);
    event_add_scalar(event, "total_loss", 4.67);
    event_add_scalar(event, "nothing", 0);
    event_add_histogram(event, "conv1/weights", &histogram);
    event_add_image(event, "images/image/0", &(struct image){5, 7, pixels});
    event_add_text(event, "command", "**caf\xc3\xa9** \xff\xed\xa0\x80\xe2\x82");
    event_add_lines(event, "start", "one\n\ntwo\n");
}

static void write_run(const char *directory)
{
    static const struct hparam hparams[] = {{.name = "learning_rate", .number = 0.1},
                                            {.name = "verbose", .kind = HPARAM_SWITCH, .number = 1},
                                            {.name = "quiet", .kind = HPARAM_SWITCH},
                                            {.name = "tower", .kind = HPARAM_TEXT, .text = "onednn"}};
    static const struct hparam_metric metrics[] = {{"train", "total_loss"}};
    struct error why;
    struct event_file file;
    struct event event = {.step = 0};
    event_add_run(&event, hparams, sizeof hparams / sizeof *hparams, metrics, 1);
    event_add_run_end(&event, true);
    assert_fine(event_file_open(&file, directory, 0, &why));
    assert_fine(event_file_append(&file, &event, &why));
    assert_fine(event_file_close(&file, &why));
    event_clear(&event);
}

/* The graph of a net that branches, and of more ranks than are drawn. */
static void write_branch(const char *directory)
{
    static const struct layer layers[] = {
        {.name = "conv1", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 1, .outputs = 4, .no_bias = true},
        {.name = "bn1", .kind = LAYER_BATCH_NORM, .epsilon = 1e-3f, .keep = 0.9f, .activation = ACTIVATION_RELU},
        {.name = "conv2", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 1, .outputs = 4, .frozen = true},
        {.name = "add", .kind = LAYER_ADD, .from = "conv2", .add = "bn1", .activation = ACTIVATION_RELU},
        {.name = "dense", .kind = LAYER_DENSE, .decay = 0.1f}};
    static const struct model model = {"branch", "for tests", 6, 6, layers, 5};
    char name[250];
    struct error why;
    struct event_file file;
    struct net net;
    snprintf(name, sizeof name, "%s/branch", directory);
    assert_fine(event_file_open(&file, name, 0, &why));
    assert_fine(net_init(&net, &model, 3, 10, &why));
    assert_fine(event_file_append_graph(&file, &(struct event_graph){.net = &net, .ranks = 20, .images = -1}, &why));
    assert_fine(event_file_close(&file, &why));
    net_free(&net);
}

static void test_sample(void **state)
{
    static float values[1000];
    static const char *const devices[] = {"node1/onednn", "node2/onednn"};
    const char *directory = getenv("SAMPLE");
    char name[250];
    struct error why;
    struct event_file file;
    struct event event = {.step = 100};
    struct net net;
    directory = directory ? directory : *state;
    for (int i = 0; i < 1000; i++)
        values[i] = (float)sin(i) * powf(10, (float)(i % 5 - 4));
    snprintf(name, sizeof name, "%s/values", directory);
    FILE *stream = fopen(name, "wb");
    fwrite(values, sizeof *values, 1000, stream);
    fclose(stream);
    write_run(directory);
    write_branch(directory);
    snprintf(name, sizeof name, "%s/train", directory);
    assert_fine(event_file_open(&file, name, 0, &why));
    assert_fine(net_init(&net, model_find("tutorial", &why), 3, 10, &why));
    struct event_graph graph = {.net = &net, .ranks = 2, .images = 64, .devices = devices};
    assert_fine(event_file_append_graph(&file, &graph, &why));
    add_values(&event, values, 1000);
    for (int step = 100; step <= 300; step += 100) {
        assert_fine(event_file_append(&file, &event, &why));
        event_reset(&event, step + 100);
        event_add_scalar(&event, "total_loss", step);
    }
    assert_fine(event_file_close(&file, &why));
    assert_fine(event_file_open(&file, name, 201, &why)); /* continues after step 200 */
    event_reset(&event, 250);
    event_add_scalar(&event, "total_loss", 2.5);
    assert_fine(event_file_append(&file, &event, &why));
    assert_fine(event_file_close(&file, &why));
    event_clear(&event);
    net_free(&net);
}

static int make_directory(void **state)
{
    static char directory[200];
    const char *where = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/test_events.XXXXXX", where ? where : "/tmp");
    *state = mkdtemp(directory);
    return *state ? 0 : -1;
}

static int remove_directory(void **state)
{
    char command[250];
    snprintf(command, sizeof command, "rm -rf '%s'", (char *)*state);
    return system(command);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_histogram), cmocka_unit_test(test_extreme_histograms),
                                       cmocka_unit_test(test_framing), cmocka_unit_test(test_full),
                                       cmocka_unit_test(test_no_directory), cmocka_unit_test(test_mistakes),
                                       cmocka_unit_test(test_sample)};
    int count = events_library() ? sizeof tests / sizeof *tests : 2; /* a build without event files has histograms only */
    return _cmocka_run_group_tests("events", tests, (size_t)count, make_directory, remove_directory);
}
