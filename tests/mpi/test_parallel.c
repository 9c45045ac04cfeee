/* World, parity and reducer, on any number of ranks. tests/run uses these numbers.
 * ranks: 1 2 3 4 5 8 */
#include <setjmp.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "draws.h"
#include "parallel.h"

static struct world world;
static struct world apart; /* the same ranks as if they were on two nodes: they share no memory */

enum { PARAMETERS = 5003, LENGTH = PARAMETERS + PARCEL_SLOTS };

/* A made-up gradient, a pure function of (slice, index). Its values differ by orders of magnitude, so that another order of
 * additions gives other bits. */
static float gradient(int slice, int index)
{
    uint32_t words[4];
    draw_words(7, DRAW_WEIGHTS, (uint64_t)slice, (uint32_t)index, words);
    float value = draw_uniform(words[0]) - 0.5f;
    return value * (float)(1 << draw_below(words[1], 20));
}

static float whole_number(int slice, int index)
{
    return (float)((slice * 31 + index) % 1000);
}

/* Sums in the fixed tree, by its definition: the left part has the largest power of two below the number of slices. */
static float tree_sum(float (*value)(int, int), int first, int count, int index)
{
    if (count == 1)
        return value(first, index);
    int left = 1;
    while (2 * left < count)
        left *= 2;
    float a = tree_sum(value, first, left, index), b = tree_sum(value, first + left, count - left, index);
    return a + b;
}

static const float *reduce(struct reducer *reducer, float (*value)(int, int))
{
    struct error why;
    const float *sums;
    for (int slice = 0; slice < reducer->slices; slice++) {
        float *parcel = reducer_begin(reducer, slice);
        for (int i = 0; i < PARCEL_SLOTS; i++)
            parcel[PARAMETERS + i] = value(world.rank * reducer->slices + slice, PARAMETERS + i);
        for (int offset = PARAMETERS; offset > 0;) { /* as in a backward pass: from the end, in uneven pieces */
            int piece = offset % 997 + 1 < offset ? offset % 997 + 1 : offset;
            for (int i = offset - piece; i < offset; i++)
                parcel[i] = value(world.rank * reducer->slices + slice, i);
            offset -= piece;
            assert_int_equal(reducer_ready(reducer, (size_t)offset, &why), 0);
        }
        assert_int_equal(reducer_end(reducer, &why), 0);
    }
    assert_int_equal(reducer_finish(reducer, &sums, &why), 0);
    return sums;
}

static void test_buckets_sum_exactly(void **state)
{
    (void)state;
    struct reducer reducer;
    struct phases phases = {.now = {PHASE_BACKWARD, 3}};
    struct error why;
    static const size_t buckets[] = {4, 1000, 16384, 1 << 20};
    for (size_t b = 0; b < sizeof buckets / sizeof *buckets; b++) {
        assert_int_equal(reducer_init(&reducer, &world, EXCHANGE_BUCKETS, PARAMETERS, 1, buckets[b], &why), 0);
        assert_int_equal(reducer.leaves.shared, false);
        reducer.phases = &phases;
        for (int step = 0; step < 3; step++) {
            const float *sums = reduce(&reducer, whole_number);
            for (int i = 0; i < LENGTH; i++) {
                float expected = 0;
                for (int rank = 0; rank < world.size; rank++)
                    expected += whole_number(rank, i);
                assert_true(sums[i] == expected);
            }
        }
        assert_int_equal(phases.now.kind, PHASE_BACKWARD); /* restored after the phase of waiting */
        assert_int_equal(phases.now.part, 3);
        reducer_free(&reducer);
    }
}

/* found: the exchange that reducer_init must choose. */
static void check_tree(const struct world *on, enum exchange exchange, enum exchange found, int slices)
{
    struct reducer reducer;
    struct error why;
    int all = slices * world.size;
    assert_int_equal(reducer_init(&reducer, on, exchange, PARAMETERS, slices, 4096, &why), 0);
    assert_int_equal(reducer.exchange, found);
    assert_int_equal(reducer.leaves.shared, found == EXCHANGE_SHARED);
    for (int step = 0; step < 2; step++) {
        const float *sums = reduce(&reducer, gradient);
        for (int i = 0; i < LENGTH; i++) {
            float expected = tree_sum(gradient, 0, all, i);
            assert_memory_equal(&sums[i], &expected, sizeof expected);
        }
    }
    reducer_free(&reducer);
}

static void test_tree_is_the_same_on_any_ranks(void **state)
{
    (void)state;
    for (int slices = 1; slices <= 16; slices *= 2) {
        check_tree(&world, EXCHANGE_TREE, EXCHANGE_TREE, slices);
        check_tree(&world, EXCHANGE_SHARED, world.size > 1 ? EXCHANGE_SHARED : EXCHANGE_NONE, slices);
        check_tree(&apart, EXCHANGE_SHARED, world.size > 1 ? EXCHANGE_TREE : EXCHANGE_NONE, slices);
    }
    if (world.size == 1)
        for (int slices = 1; slices <= 13; slices++)
            check_tree(&world, EXCHANGE_NONE, EXCHANGE_NONE, slices);
}

static void test_the_fastest_exchange(void **state)
{
    (void)state;
    assert_int_equal(exchange_fastest(&world, false), EXCHANGE_SHARED);
    assert_int_equal(exchange_fastest(&world, true), EXCHANGE_SHARED);
    assert_int_equal(exchange_fastest(&apart, false), EXCHANGE_BUCKETS);
    assert_int_equal(exchange_fastest(&apart, true), EXCHANGE_TREE);
}

/* The step is not done if one rank has a fault, or if the loss is finite on each rank but not in the sum. It is if a rank wants to
 * stop. */
static void test_what_a_parcel_says(void **state)
{
    (void)state;
    const struct {
        double loss;
        float add;
        bool sound;
    } cases[] = {{2.5, 1, true}, {INFINITY, 0, false}, {NAN, 0, false}, {3e38, 3e38f, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float tail[PARCEL_SLOTS];
        parcel_write(tail, cases[i].loss, 3, 8);
        parcel_write_stop(tail, (float)(i == 0));
        assert_true(tail[PARCEL_CORRECT] == 3 && tail[PARCEL_COUNT] == 8);
        assert_true(tail[PARCEL_FAULT] == (i == 1 || i == 2));
        assert_int_equal(parcel_stops(tail), i == 0);
        tail[PARCEL_LOSS] += cases[i].add;
        assert_int_equal(parcel_is_sound(tail), cases[i].sound);
    }
    float other[PARCEL_SLOTS] = {[PARCEL_LOSS] = 1, [PARCEL_COUNT] = 8, [PARCEL_FAULT] = 1};
    assert_false(parcel_is_sound(other));
}

static void test_reducer_refuses(void **state)
{
    (void)state;
    struct reducer reducer;
    struct error why;
    assert_int_equal(reducer_init(&reducer, &world, EXCHANGE_BUCKETS, PARAMETERS, 2, 4096, &why), -1);
    reducer_free(&reducer);
    assert_int_equal(reducer_init(&reducer, &world, EXCHANGE_SHARED, PARAMETERS, 3, 4096, &why), world.size > 1 ? -1 : 0);
    reducer_free(&reducer);
    assert_int_equal(reducer_init(&reducer, &world, EXCHANGE_NONE, PARAMETERS, 1, 4096, &why), world.size > 1 ? -1 : 0);
    reducer_free(&reducer);
}

static void test_agree_tells_all_the_first_sentence(void **state)
{
    (void)state;
    struct error why;
    assert_int_equal(world_agree(&world, 0, &why), 0);
    int last = world.size - 1;
    int status = world.rank == last ? error_set(&why, "rank %d has no data", last) : 0;
    assert_int_equal(world_agree(&world, status, &why), -1);
    assert_non_null(strstr(why.text, "has no data"));
    error_set(&why, "everybody fails, rank %d", world.rank);
    assert_int_equal(world_agree(&world, -1, &why), -1);
    assert_string_equal(why.text, "everybody fails, rank 0");
}

static void test_sums_and_broadcasts(void **state)
{
    (void)state;
    struct error why;
    int64_t values[2] = {1, ((int64_t)1 << 40) + world.rank};
    assert_int_equal(world_sum(&world, values, 2, &why), 0);
    assert_int_equal(values[0], world.size);
    assert_true(values[1] == world.size * ((int64_t)1 << 40) + world.size * (world.size - 1) / 2);
    int data[3] = {world.rank, world.rank, world.rank};
    assert_int_equal(world_broadcast(&world, data, sizeof data, &why), 0);
    assert_int_equal(data[2], 0);
    int *all = malloc(sizeof(int) * (size_t)world.size);
    assert_int_equal(world_gather(&world, &world.rank, sizeof(int), world.rank == 0 ? all : NULL, &why), 0);
    for (int rank = 0; world.rank == 0 && rank < world.size; rank++)
        assert_int_equal(all[rank], rank);
    free(all);
}

static void test_memory_is_shared_on_the_node(void **state)
{
    (void)state;
    struct error why;
    struct shared_memory memory;
    assert_int_equal(world.nodes, 1);
    assert_int_equal(world.node_size, world.size);
    world_share(&world, 1000000, &memory);
    assert_int_equal(memory.shared, world.size > 1);
    assert_int_equal(memory.data != NULL, memory.shared);
    if (!memory.shared)
        return;
    uint8_t *bytes = memory.data;
    bytes[world.rank] = (uint8_t)(100 + world.rank);
    assert_int_equal(world_barrier(&world, true, &why), 0);
    for (int rank = 0; rank < world.size; rank++)
        assert_int_equal(bytes[rank], 100 + rank);
    assert_int_equal(world_barrier(&world, true, &why), 0);
    world_unshare(&memory);
}

static void test_parity_names_the_rank_that_drifted(void **state)
{
    (void)state;
    struct error why;
    float values[1001];
    for (int i = 0; i < 1001; i++)
        values[i] = (float)i;
    assert_int_equal(parity_check(&world, parity_hash(values, 1001), 5, &why), 0);
    for (int at = 0; at < 1001; at += 500) { /* a flipped bit anywhere changes the hash */
        uint64_t before = parity_hash(values, 1001);
        uint32_t bits;
        memcpy(&bits, &values[at], 4);
        bits ^= 1;
        memcpy(&values[at], &bits, 4);
        assert_true(parity_hash(values, 1001) != before);
        bits ^= 1;
        memcpy(&values[at], &bits, 4);
    }
    if (world.size == 1)
        return;
    for (int odd = 0; odd < world.size; odd++) { /* rank 0 may be the odd one; two ranks have no majority */
        values[500] += world.rank == odd ? 1e-3f : 0;
        uint64_t hash = parity_hash(values, 1001);
        assert_int_equal(parity_check(&world, hash, 6, &why), PARITY_DIFFERS);
        char named[128];
        snprintf(named, sizeof named, "parameters of rank %d (hash %016" PRIx64 ") differ from those of most", odd, hash);
        if (world.rank == odd)
            assert_true(!strstr(why.text, named) == (world.size == 2));
        assert_true(world.size > 2 || (strstr(why.text, "rank 0 (hash ") && strstr(why.text, ", rank 1 (hash ")));
        assert_null(strstr(why.text, "(hash 0000000000000000)"));
        values[500] = 500;
    }
    assert_int_equal(parity_check(&world, (uint64_t)world.rank, 6, &why), PARITY_DIFFERS);
    assert_non_null(strstr(why.text, "step 6: the parameters of rank 0 (hash 0000000000000000), rank 1 "));
    assert_int_equal(parity_check(&world, (uint64_t)(world.rank / 2 * 2 == 2), 6, &why), world.size > 2 ? PARITY_DIFFERS : 0);
}

int main(int argc, char **argv)
{
    struct error why;
    if (world_open(&world, &argc, &argv, &why))
        world_abort(&world, why.text);
    apart = world;
    apart.nodes = 2;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets_sum_exactly),
        cmocka_unit_test(test_tree_is_the_same_on_any_ranks),
        cmocka_unit_test(test_the_fastest_exchange),
        cmocka_unit_test(test_what_a_parcel_says),
        cmocka_unit_test(test_reducer_refuses),
        cmocka_unit_test(test_agree_tells_all_the_first_sentence),
        cmocka_unit_test(test_sums_and_broadcasts),
        cmocka_unit_test(test_memory_is_shared_on_the_node),
        cmocka_unit_test(test_parity_names_the_rank_that_drifted),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed)
        world_abort(&world, "a test failed");
    return world_close(&world, 0);
}
