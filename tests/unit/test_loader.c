/* The loader gives batches in the order of the sample stream, the same for any number of threads, ranks and slices. To run this
 * under the thread sanitizer:
 *   make BUILD=build/tsan SANITIZE=thread build/tsan/tests/unit/test_loader && build/tsan/tests/unit/test_loader */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "data.h"
#include "recipe.h"

/* The label of each image is its number, so that a batch shows which samples it holds. */
enum { COUNT = 100, SIDE = 9, CROP = 6, IMAGE = SIDE * SIDE * 3, CROPPED = CROP * CROP * 3, SEED = 11 };
static uint8_t images[COUNT * IMAGE], labels[COUNT];
static struct dataset dataset = {.count = COUNT, .height = SIDE, .width = SIDE, .channels = 3, .classes = COUNT,
                                 .file = "data.h5", .split = "train", .images = images, .labels = labels};

static struct loader_request plain = {.dataset = &dataset, .seed = SEED, .crop_height = CROP,
                                            .crop_width = CROP, .global_batch = 24, .batch = 24, .slices = 1,
                                            .threads = 2, .depth = 2};

static int fill_dataset(void **state)
{
    (void)state;
    plain.augmentations = &recipe_find("tutorial")->augmentations;
    for (int i = 0; i < COUNT * IMAGE; i++)
        images[i] = (uint8_t)rand();
    for (int i = 0; i < COUNT; i++)
        labels[i] = (uint8_t)i;
    return 0;
}

static struct loader start(const struct loader_request *request)
{
    struct loader loader;
    struct error why = {""};
    if (loader_init(&loader, request, &why))
        fail_msg("%s", why.text);
    return loader;
}

static struct batch next(struct loader *loader)
{
    struct batch batch;
    struct error why;
    assert_int_equal(loader_next(loader, &batch, &why), 0);
    return batch;
}

/* Compares each sample of a batch with the results of shuffle and distort. */
static void check_batch(const struct batch *batch, uint64_t position, int count)
{
    struct shuffle shuffle;
    struct error why;
    assert_int_equal(shuffle_init(&shuffle, SEED, COUNT, &why), 0);
    assert_int_equal(batch->position, position);
    assert_int_equal(batch->count, count);
    assert_int_equal((uintptr_t)batch->images % 64, 0);
    for (int i = 0; i < count; i++) {
        uint32_t sample = shuffle_at(&shuffle, position + (uint64_t)i);
        struct frame frame = dataset_frame(&dataset, CROP, CROP);
        struct distortion distortion = distort_draw(plain.augmentations, SEED, position + (uint64_t)i, &frame);
        float expected[CROPPED];
        distort_apply(images + sample * IMAGE, &frame, &distortion, expected);
        assert_int_equal(batch->labels[i], sample);
        assert_memory_equal(batch->images + i * CROPPED, expected, sizeof expected);
    }
    shuffle_free(&shuffle);
}

static void test_same_for_any_threads_and_depth(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 4; threads++)
        for (int depth = 1; depth <= 5; depth += 2) {
            struct loader_request request = plain;
            request.threads = threads;
            request.depth = depth;
            request.position = 1000003;
            struct loader loader = start(&request);
            for (uint64_t step = 0; step < 40; step++) { /* 9.6 epochs; some batches are in two epochs */
                struct batch batch = next(&loader);
                check_batch(&batch, 1000003 + step * 24, 24);
            }
            loader_free(&loader);
        }
}

static void test_slices_are_parts_of_the_global_batch(void **state)
{
    (void)state;
    struct loader_request request = plain;
    request.global_batch = 48;
    request.offset = 16;
    request.batch = 4;
    request.slices = 4;
    request.position = 7;
    struct loader loader = start(&request);
    for (uint64_t step = 0; step < 10; step++)
        for (uint64_t slice = 0; slice < 4; slice++) {
            struct batch batch = next(&loader);
            check_batch(&batch, 7 + step * 48 + 16 + slice * 4, 4);
        }
    loader_free(&loader);
}

enum { GLOBAL = 16, STEPS = 50, STREAM = GLOBAL * STEPS }; /* 8 epochs */

/* The samples that all ranks together take from the stream, by position. */
static void take_stream(int ranks, int slices, int samples[STREAM])
{
    for (int i = 0; i < STREAM; i++)
        samples[i] = -1;
    for (int rank = 0; rank < ranks; rank++) {
        struct loader_request request = plain;
        request.global_batch = GLOBAL;
        request.slices = slices / ranks;
        request.batch = GLOBAL / slices;
        request.offset = rank * (GLOBAL / ranks);
        struct loader loader = start(&request);
        for (int i = 0; i < STEPS * request.slices; i++) {
            struct batch batch = next(&loader);
            for (int j = 0; j < batch.count; j++) {
                assert_true(batch.position + (uint64_t)j < STREAM);
                int *place = &samples[batch.position + (uint64_t)j];
                assert_int_equal(*place, -1); /* not taken before */
                *place = batch.labels[j];
            }
        }
        loader_free(&loader);
    }
}

static void test_each_sample_once_an_epoch_for_any_ranks(void **state)
{
    (void)state;
    int first[STREAM], samples[STREAM];
    take_stream(1, 1, first);
    for (int epoch = 0; epoch < STREAM / COUNT; epoch++) {
        int seen[COUNT] = {0};
        for (int i = 0; i < COUNT; i++)
            seen[first[epoch * COUNT + i]]++;
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(seen[i], 1);
    }
    for (int ranks = 1; ranks <= 8; ranks *= 2)
        for (int slices = ranks; slices <= 8; slices *= 2) {
            take_stream(ranks, slices, samples);
            assert_memory_equal(samples, first, sizeof first);
        }
}

static void test_a_batch_stays_until_the_next_call(void **state)
{
    (void)state;
    struct loader_request request = plain;
    request.threads = 4;
    request.depth = 1;
    struct loader loader = start(&request);
    for (uint64_t step = 0; step < 10; step++) {
        struct batch batch = next(&loader);
        usleep(3000);
        check_batch(&batch, step * 24, 24);
    }
    loader_free(&loader);
}

/* Counts all threads of this process, or those that block SIGTERM. */
static int count_threads(bool blocking)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/task");
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[300], line[200];
        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        FILE *status = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (!status)
            continue;
        unsigned long long blocked = 0;
        while (fgets(line, sizeof line, status))
            sscanf(line, "SigBlk: %llx", &blocked);
        fclose(status);
        count += !blocking || blocked >> (SIGTERM - 1) & 1;
    }
    closedir(directory);
    return count;
}

static void test_free_joins_all_threads(void **state)
{
    (void)state;
    struct loader_request request = plain;
    request.threads = 3;
    struct loader loader = start(&request); /* a sanitizer may start its own thread together with our first one */
    loader_free(&loader);
    int before = count_threads(false);
    for (int i = 0; i < 50; i++) {
        loader = start(&request);
        if (i % 2)
            next(&loader);
        loader_free(&loader);
    }
    /* A joined thread may remain in the system's list for a moment. */
    for (int i = 0; i < 1000 && count_threads(false) > before; i++)
        usleep(1000);
    assert_int_equal(count_threads(false), before);
    loader_free(&loader); /* a second time: the loader is zeroed now */
    assert_null(loader.state);
}

static void test_signals_are_left_to_the_main_thread(void **state)
{
    (void)state;
    int before = count_threads(true);
    struct loader_request request = plain;
    request.threads = 3;
    struct loader loader = start(&request);
    assert_int_equal(count_threads(true), before + 3);
    sigset_t mask;
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
    assert_int_equal(sigismember(&mask, SIGTERM), 0);
    loader_free(&loader);
}

static void test_waiting_is_measured(void **state)
{
    (void)state;
    struct loader loader = start(&plain);
    for (int i = 0; i < 1000 && loader.wait_seconds == 0; i++)
        next(&loader);
    assert_true(loader.wait_seconds > 0);
    for (int i = 0; i < 100; i++) { /* gives the loader time to prepare batches */
        loader.wait_seconds = 0;
        usleep(10000);
        next(&loader);
        if (loader.wait_seconds == 0)
            break;
    }
    assert_true(loader.wait_seconds == 0);
    loader_free(&loader);
}

static void check_refused(const struct loader_request *request, const char *part)
{
    struct loader loader;
    struct error why = {""};
    assert_int_equal(loader_init(&loader, request, &why), -1);
    if (!strstr(why.text, part))
        fail_msg("'%s' is not in: %s", part, why.text);
    loader_free(&loader);
}

static void test_bad_requests_are_refused(void **state)
{
    (void)state;
    struct loader_request request = plain;
    request.crop_height = SIDE + 1;
    check_refused(&request, "data.h5: images of 9 x 9, from which no 10 x 6 can be cut");
    request = plain;
    request.offset = 1;
    check_refused(&request, "1 slices of 24 images at place 1 do not lie in a global batch of 24");
    request = plain;
    request.batch = 0;
    check_refused(&request, "0 images");
    request = plain;
    request.threads = 0;
    check_refused(&request, "threads");
    struct dataset empty = dataset;
    empty.count = 0;
    request = plain;
    request.dataset = &empty;
    check_refused(&request, "0 images");
    struct dataset large = dataset;
    large.height = large.width = 8192;
    request = plain;
    request.dataset = &large;
    request.crop_height = request.crop_width = 8192;
    request.batch = request.global_batch = 2147483647;
    check_refused(&request, "no memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_for_any_threads_and_depth),
        cmocka_unit_test(test_slices_are_parts_of_the_global_batch),
        cmocka_unit_test(test_each_sample_once_an_epoch_for_any_ranks),
        cmocka_unit_test(test_a_batch_stays_until_the_next_call),
        cmocka_unit_test(test_free_joins_all_threads),
        cmocka_unit_test(test_signals_are_left_to_the_main_thread),
        cmocka_unit_test(test_waiting_is_measured),
        cmocka_unit_test(test_bad_requests_are_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, fill_dataset, NULL);
}
