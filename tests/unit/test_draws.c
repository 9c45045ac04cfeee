/* Compares the generator with the published known answers of Philox4x32-10 (Random123, kat_vectors), and tests the numbers made
 * from its words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "draws.h"

/* Counter words 0 and 1 are the position, 2 the block, 3 the purpose; the key is the seed, low word first. */
static void check_words(uint64_t seed, uint32_t purpose, uint64_t position, uint32_t block, const uint32_t expected[4])
{
    uint32_t words[4];
    draw_words(seed, (enum draw_purpose)purpose, position, block, words);
    for (int i = 0; i < 4; i++)
        assert_int_equal(words[i], expected[i]);
}

static void test_known_answers(void **state)
{
    (void)state;
    check_words(0, 0, 0, 0, (const uint32_t[]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    check_words(UINT64_MAX, UINT32_MAX, UINT64_MAX, UINT32_MAX,
                (const uint32_t[]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    check_words(0x299f31d0a4093822, 0x03707344, 0x85a308d3243f6a88, 0x13198a2e,
                (const uint32_t[]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

static void test_uniform_lies_in_its_interval(void **state)
{
    (void)state;
    assert_true(draw_uniform(0) == 0);
    assert_true(draw_uniform(0x80000000) == 0.5f);
    assert_true(draw_uniform(UINT32_MAX) < 1);
}

static void test_below_reaches_all_and_no_more(void **state)
{
    (void)state;
    assert_int_equal(draw_below(0, 9), 0);
    assert_int_equal(draw_below(UINT32_MAX, 9), 8);
    assert_int_equal(draw_below(UINT32_MAX, 1), 0);
    assert_int_equal(draw_below(UINT32_MAX, UINT32_MAX), UINT32_MAX - 1);
    int counts[9] = {0};
    for (uint64_t position = 0; position < 9000; position++) {
        uint32_t words[4];
        draw_words(1, DRAW_DISTORT, position, 0, words);
        counts[draw_below(words[0], 9)]++;
    }
    for (int i = 0; i < 9; i++) /* expected 1000, deviation 30 */
        assert_in_range(counts[i], 850, 1150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_uniform_lies_in_its_interval),
        cmocka_unit_test(test_below_reaches_all_and_no_more),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
