/* The order of samples: one permutation per epoch, a pure function of seed and epoch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data.h"

static struct shuffle make(uint64_t seed, uint32_t count)
{
    struct shuffle shuffle;
    struct error why;
    assert_int_equal(shuffle_init(&shuffle, seed, count, &why), 0);
    return shuffle;
}

static void check_permutation(struct shuffle *shuffle, uint64_t epoch)
{
    char *seen = calloc(shuffle->count, 1);
    assert_non_null(seen);
    for (uint32_t i = 0; i < shuffle->count; i++) {
        uint32_t sample = shuffle_at(shuffle, epoch * shuffle->count + i);
        assert_true(sample < shuffle->count);
        assert_false(seen[sample]);
        seen[sample] = 1;
    }
    free(seen);
}

static void test_each_epoch_is_a_permutation(void **state)
{
    (void)state;
    const uint32_t counts[] = {1, 2, 3, 4, 5, 997, 50000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct shuffle shuffle = make(7, counts[i]);
        for (uint64_t epoch = 0; epoch < 3; epoch++)
            check_permutation(&shuffle, epoch);
        check_permutation(&shuffle, 1000000);
        shuffle_free(&shuffle);
    }
}

/* The number of places at which two orders have the same sample; if they are independent, 1 is expected. */
static int count_equal(struct shuffle *a, uint64_t epoch_a, struct shuffle *b, uint64_t epoch_b)
{
    int equal = 0;
    for (uint32_t i = 0; i < a->count; i++)
        equal += shuffle_at(a, epoch_a * a->count + i) == shuffle_at(b, epoch_b * b->count + i);
    return equal;
}

static void test_epochs_and_seeds_differ(void **state)
{
    (void)state;
    struct shuffle a = make(1, 1000), b = make(1, 1000), c = make(2, 1000), d = make(1ull << 32 | 1, 1000);
    assert_int_equal(count_equal(&a, 0, &b, 0), 1000);
    assert_in_range(count_equal(&a, 0, &b, 1), 0, 10);
    assert_in_range(count_equal(&a, 0, &c, 0), 0, 10);
    assert_in_range(count_equal(&a, 0, &d, 0), 0, 10);
    shuffle_free(&a);
    shuffle_free(&b);
    shuffle_free(&c);
    shuffle_free(&d);
}

static void test_order_of_asking_does_not_matter(void **state)
{
    (void)state;
    struct shuffle ahead = make(3, 100), jumping = make(3, 100);
    uint32_t samples[500];
    for (int i = 0; i < 500; i++)
        samples[i] = shuffle_at(&ahead, (uint64_t)i);
    for (int i = 0; i < 500; i++) {
        uint64_t position = (uint64_t)i * 307 % 500;
        assert_int_equal(shuffle_at(&jumping, position), samples[position]);
    }
    shuffle_free(&ahead);
    shuffle_free(&jumping);
}

/* All 24 orders of four samples, 1000 each expected over 24,000 epochs: chi-square of 23 degrees of
 * freedom, of which 1 in 100,000 is above 66. */
static void test_all_orders_are_equally_likely(void **state)
{
    (void)state;
    struct shuffle shuffle = make(5, 4);
    int counts[256] = {0};
    for (uint64_t epoch = 0; epoch < 24000; epoch++) {
        unsigned order = 0;
        for (unsigned i = 0; i < 4; i++)
            order = order * 4 + shuffle_at(&shuffle, epoch * 4 + i);
        counts[order]++;
    }
    int orders = 0;
    double chi_square = 0;
    for (int i = 0; i < 256; i++)
        if (counts[i]) {
            orders++;
            chi_square += (counts[i] - 1000.0) * (counts[i] - 1000.0) / 1000.0;
        }
    assert_int_equal(orders, 24);
    assert_true(chi_square < 66);
    shuffle_free(&shuffle);
}

static void test_no_samples_are_refused(void **state)
{
    (void)state;
    struct shuffle shuffle;
    struct error why;
    assert_int_equal(shuffle_init(&shuffle, 1, 0, &why), -1);
    assert_non_null(strstr(why.text, "no samples"));
    shuffle_free(&shuffle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_epoch_is_a_permutation),
        cmocka_unit_test(test_epochs_and_seeds_differ),
        cmocka_unit_test(test_order_of_asking_does_not_matter),
        cmocka_unit_test(test_all_orders_are_equally_likely),
        cmocka_unit_test(test_no_samples_are_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
