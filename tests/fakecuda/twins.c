/* The module's kernels on the CPU, from the same source (src/backends/cudnn/kernels.inc). Blocks run in a random order, and so do
 * the threads of a block in each phase, one after another; so a kernel that needs an order that it does not enforce goes wrong in
 * some runs. Its shared memory is NaN until written. */
#include <stdlib.h>
#include <string.h>

#define DEVICE_INLINE static inline
#define ALIASING(bytes) __attribute__((aligned(bytes), may_alias))
#define UNROLL
#define ROLLED
#define HALVES(low, high) (half_by_bits(low) | half_by_bits(high) << 16)
#define STORE_TWO(p, a, b) (*(struct half_bits *)(p) = (struct half_bits){{(a), (b)}})
#define STORE_FOUR(p, a, b, c, d) (*(struct bits *)(p) = (struct bits){{(a), (b), (c), (d)}})
#define STORE_SHARED(p, a, b, c, d) STORE_FOUR((p), (a), (b), (c), (d))
#define MULTIPLY_ADD(a, b, c) fmaf((a), (b), (c))
#define ROOT(x) sqrtf(x)
#define RECIPROCAL_ROOT(x) (1 / sqrtf(x))

#include "../../src/backends/cudnn/kernels.inc"

#include "fake.h"

/* Permutations of a block's threads: start + i * stride, with an odd stride. */
struct orders {
    size_t random[THREADS];
    size_t next;
};

static unsigned thread_of(const struct orders *o, unsigned i)
{
    size_t start = o->random[o->next % THREADS], stride = o->random[(o->next + o->next / THREADS + 1) % THREADS] | 1;
    return (unsigned)((start + i * stride) % THREADS);
}

/* An instance's assumptions must be true of its arguments. */
#define IS(a, value) do if ((a) != (value)) return 0; while (0)
#define HOLDS(condition) do if (!(condition)) return 0; while (0)
#include "../../src/backends/cudnn/kernels.instances.inc"

#define TWIN_BLOCK(twin, name, text, threads, phases)                                                                  \
    static void twin##_block(size_t block, size_t blocks, const void *arguments, struct orders *orders)                \
    {                                                                                                                  \
        const struct name##_arguments *a = arguments;                                                                  \
        struct name##_shared shared;                                                                                   \
        struct place at = {block, text##_tiles(a, blocks), 0};                                                         \
        for (; at.tile < at.tiles; at.tile += blocks) {                                                                \
            memset(&shared, 0xFF, sizeof shared);                                                                      \
            for (int phase = 0; phase < phases; phase++, orders->next++)                                               \
                for (unsigned i = 0; i < threads; i++) {                                                               \
                    at.thread = thread_of(orders, i);                                                                  \
                    text##_phase(phase, at, a, &shared);                                                               \
                }                                                                                                      \
        }                                                                                                              \
    }
#define TWIN(name, threads, phases) TWIN_BLOCK(name, name, name, threads, phases)
KERNELS(TWIN)

#define TWIN_INSTANCE(name, text, layer, type, half)                                                                   \
    static bool name##_##layer##_##type##_fits(const void *arguments)                                                  \
    {                                                                                                                  \
        struct name##_arguments a = *(const struct name##_arguments *)arguments;                                       \
        return name##_at_##layer(&a, half);                                                                            \
    }                                                                                                                  \
    TWIN_BLOCK(name##_##layer##_##type, name, text, THREADS, PHASES_##name)
INSTANCES(TWIN_INSTANCE)

struct twin {
    const char *name;
    bool (*fits)(const void *arguments); /* NULL: any */
    void (*run)(size_t block, size_t blocks, const void *arguments, struct orders *orders);
    size_t bytes;
    unsigned threads;
};

#define TWIN_ENTRY(name, threads, phases) {"kernel_" #name, NULL, name##_block, sizeof(struct name##_arguments), threads},
#define INSTANCE_ENTRY(name, text, layer, type, half)                                                                  \
    {"kernel_" #name "_" #layer "_" #type, name##_##layer##_##type##_fits, name##_##layer##_##type##_block,               \
     sizeof(struct name##_arguments), THREADS},
static const struct twin twins[] = {KERNELS(TWIN_ENTRY) INSTANCES(INSTANCE_ENTRY)};

static const struct twin *twin_named(const char *name)
{
    for (size_t i = 0; i < sizeof twins / sizeof *twins; i++)
        if (strcmp(twins[i].name, name) == 0)
            return &twins[i];
    return NULL;
}

bool twin_run(const char *name, dim3 grid, dim3 block, const void *arguments)
{
    const struct twin *twin = twin_named(name);
    struct orders orders = {.next = 0};
    if (!twin || block.x != twin->threads || block.y != 1 || block.z != 1 || grid.x < 1 || grid.y != 1 || grid.z != 1)
        return false;
    if (twin->fits && !twin->fits(arguments))
        return false;
    size_t *blocks = malloc(grid.x * sizeof *blocks);
    if (!blocks)
        abort();
    fake_shuffle(orders.random, THREADS);
    fake_shuffle(blocks, grid.x);
    for (size_t i = 0; i < grid.x; i++)
        twin->run(blocks[i], grid.x, arguments, &orders);
    free(blocks);
    return true;
}

size_t twin_argument_bytes(const char *name)
{
    const struct twin *twin = twin_named(name);
    return twin ? twin->bytes : 0;
}
