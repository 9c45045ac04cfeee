/* Shared by the tests of the kernels: running a kernel on the CPU (twins.c), in another order each time, and separate code for
 * bfloat16. Arrays have exactly the size needed, so that a sanitizer notices accesses beyond it. */
#ifndef TESTS_FAKECUDA_KERNELS_FIXTURE_H
#define TESTS_FAKECUDA_KERNELS_FIXTURE_H

#include "backends/fixture.h"
#include "fake.h"
#include "kernels.h"

/* The order of blocks and threads (fake.h). The referee's own fake_shuffle would need the whole referee. */
void fake_shuffle(size_t *order, size_t n)
{
    static uint64_t state = 1;
    for (size_t i = 0; i < n; i++) {
        size_t j = random_below(&state, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
}

/* Runs a kernel with `count` blocks, which may be any number. */
#define RUN(name, count, arguments) run_kernel("kernel_" #name, (count), &(arguments), sizeof(struct name##_arguments))

static inline void run_kernel(const char *name, unsigned blocks, const void *arguments, size_t bytes)
{
    assert_int_equal(twin_argument_bytes(name), bytes);
    assert_true(twin_run(name, (dim3){blocks, 1, 1}, (dim3){256, 1, 1}, arguments));
}

/* A number of blocks, from one to more than there is work for. */
static inline unsigned some_blocks(uint64_t *random)
{
    static const unsigned choices[] = {1, 2, 3, 7, 40, 300};
    return choices[random_below(random, sizeof choices / sizeof *choices)];
}

static inline void *bytes_new(size_t bytes)
{
    void *memory = malloc(bytes ? bytes : 1);
    assert_non_null(memory);
    return memset(memory, 0xFF, bytes); /* NaN */
}

/* ---- bfloat16: the upper half of a float ---- */

static inline float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t bits_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The nearest bfloat16, in a tie the even one: 8 significant bits, quanta not below 2^-133. */
static inline float round_to_half(float value)
{
    int exponent;
    if (!isfinite(value) || value == 0)
        return value;
    frexp(value, &exponent);
    double quantum = ldexp(1, exponent - 8 < -133 ? -133 : exponent - 8);
    return (float)(nearbyint(value / quantum) * quantum); /* infinite if it is too large */
}

/* An array in the type that a kernel takes: floats, or bfloat16. */
struct typed {
    void *data;
    size_t count;
    int half;
};

static inline struct typed typed_new(size_t count, int half)
{
    return (struct typed){bytes_new(count * (half ? 2 : 4)), count, half};
}

static inline float typed_at(const struct typed *t, size_t i)
{
    return t->half ? float_of_bits((uint32_t)((const uint16_t *)t->data)[i] << 16) : ((const float *)t->data)[i];
}

/* Rounds the values if need be, so that code elsewhere computes with the same numbers. */
static inline struct typed typed_of(float *values, size_t count, int half)
{
    struct typed t = typed_new(count, half);
    for (size_t i = 0; i < count; i++) {
        if (half) {
            values[i] = round_to_half(values[i]);
            ((uint16_t *)t.data)[i] = (uint16_t)(bits_of_float(values[i]) >> 16);
        } else {
            ((float *)t.data)[i] = values[i];
        }
    }
    return t;
}

/* Compares to the bit; for bfloat16, after one rounding. All NaNs are equal. */
static inline void assert_typed(const char *what, const struct typed *found, const float *expected, size_t count)
{
    assert_int_equal(found->count, count);
    for (size_t i = 0; i < count; i++) {
        float want = found->half ? round_to_half(expected[i]) : expected[i], got = typed_at(found, i);
        if (bits_of_float(want) != bits_of_float(got) && !(isnan(want) && isnan(got)))
            fail_msg("%s[%zu] is %.9g, expected %.9g", what, i, got, want);
    }
}

/* ---- a ring of passes with one valid pass, the next one; the others must not be used ---- */

enum { SLOTS = 4, SLOT_BYTES = 128 };

struct ring {
    uint64_t next;
    struct pass_control present;
    _Alignas(64) uint8_t slots[SLOTS * SLOT_BYTES];
};

static inline struct pass_ring ring_open(struct ring *r, uint64_t pass, uint64_t position, uint64_t seed, const uint32_t *samples,
                                         int count)
{
    const struct pass_control control = {.pass = pass, .position = position, .step = 7, .seed = seed, .rate = 0.5f};
    memset(r, 0xFF, sizeof *r);
    r->next = pass;
    memcpy(r->slots + pass % SLOTS * SLOT_BYTES, &control, sizeof control);
    memcpy(r->slots + pass % SLOTS * SLOT_BYTES + sizeof control, samples, (size_t)count * sizeof *samples);
    return (struct pass_ring){.slots = r->slots, .slot_bytes = SLOT_BYTES, .mask = SLOTS - 1, .next = &r->next,
                              .present = &r->present};
}

/* The pass's control lies where the other kernels read it; it stays the next pass until its loss was computed. */
static inline void ring_check(const struct ring *r, uint64_t position, uint64_t seed)
{
    assert_true(r->present.pass == r->next && r->present.position == position && r->present.seed == seed);
    assert_true(r->present.step == 7 && r->present.rate == 0.5f);
}

#endif
