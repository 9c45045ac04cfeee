/* Instances of kernels, for shapes that the compiler knows (kernels.instances.inc): bit for bit the results of the kernel for all
 * shapes, except that a tile's sums may be of other pixels. */
#include "kernels_pairs.h"

/* Layers of the tutorial's model: a pool from `size` to half of it, and a norm. */
static struct pair tutorial_pair(int size, size_t batch, int half, uint64_t *random)
{
    struct pair p = {.window = {.height = size, .width = size, .out_height = size / 2, .out_width = size / 2, .channels = 64,
                                .kernel = 3, .stride = 2},
                     .norm = {.channels = 64, .radius = 4, .k = 1, .alpha = 0.001f / 9, .beta = 0.75f},
                     .batch = batch, .half = half, .random = random};
    return p;
}

/* What a kernel reads and writes: once by the kernel for all shapes, once by its instance. */
struct both {
    struct typed inner, outer, places; /* read: values of the pool's input and output */
    struct typed large[2], small[2];   /* written, of these sizes */
    uint8_t *written_places[2];
    float *sums[2];
    size_t parts;
};

static struct both both_new(const struct pair *p)
{
    size_t inner = inner_count(p), outer = outer_count(p);
    struct both b = {.inner = activations(inner, p), .outer = activations(outer, p), .places = typed_new(outer, 0)};
    b.parts = inner / 64;
    for (size_t i = 0; i < outer; i++)
        ((uint8_t *)b.places.data)[i] = (uint8_t)random_below(p->random, 9);
    for (int i = 0; i < 2; i++) {
        b.large[i] = typed_new(inner, p->half), b.small[i] = typed_new(outer, p->half);
        b.written_places[i] = bytes_new(outer), b.sums[i] = calloc(b.parts * 64, sizeof *b.sums[i]);
        assert_non_null(b.sums[i]);
    }
    return b;
}

static void both_check(const struct both *b)
{
    double sums[64] = {0};
    float found[64] = {0};
    assert_memory_equal(b->large[0].data, b->large[1].data, b->large[0].count * (b->large[0].half ? 2 : 4));
    assert_memory_equal(b->small[0].data, b->small[1].data, b->small[0].count * (b->small[0].half ? 2 : 4));
    assert_memory_equal(b->written_places[0], b->written_places[1], b->small[0].count);
    for (size_t i = 0; i < b->parts * 64; i++)
        sums[i % 64] += b->sums[0][i], found[i % 64] += b->sums[1][i];
    assert_close("sums", found, sums, 64, 1e-5);
    free(b->inner.data), free(b->outer.data), free(b->places.data);
    for (int i = 0; i < 2; i++)
        free(b->large[i].data), free(b->small[i].data), free(b->written_places[i]), free(b->sums[i]);
}

/* As RUN, but the second time (i = 1) by the instance of that name. */
#define RUN_BOTH(i, kernel, layer, p, a)                                                                               \
    run_kernel(i == 0 ? "kernel_" #kernel : (p)->half ? "kernel_" #kernel "_" #layer "_half"                           \
                                                      : "kernel_" #kernel "_" #layer "_float",                         \
               some_blocks((p)->random), &(a), sizeof(struct kernel##_arguments))

static void check_forward_instances(const struct pair *pool1, const struct pair *pool2)
{
    struct both b1 = both_new(pool1), b2 = both_new(pool2);
    for (int i = 0; i < 2; i++) {
        struct norm_forward_arguments norm1 = {
            .x = b1.inner.data, .y = b1.small[i].data, .pooled = b1.large[i].data, .places = b1.written_places[i],
            .window = pool1->window, .pixels = pool1->batch * 144, .norm = pool1->norm, .half = pool1->half};
        struct norm_pool_forward_arguments norm2 = {
            .x = b2.inner.data, .y = b2.small[i].data, .places = b2.written_places[i], .window = pool2->window,
            .batch = pool2->batch, .norm = pool2->norm, .columns = 6, .half = pool2->half};
        RUN_BOTH(i, norm_forward, norm1, pool1, norm1);
        RUN_BOTH(i, norm_pool_forward, norm2, pool2, norm2);
    }
    both_check(&b1), both_check(&b2);
}

static void check_backward_instances(const struct pair *pool1, const struct pair *pool2)
{
    struct both b1 = both_new(pool1), b2 = both_new(pool2), b3 = both_new(pool1), b4 = both_new(pool1);
    for (int i = 0; i < 2; i++) {
        struct norm_backward_arguments norm1 = {
            .x = b1.outer.data, .dy = b1.inner.data, .dx = b1.small[i].data, .sums = b1.sums[i], .pixels = pool1->batch * 144,
            .norm = pool1->norm, .masks = 1, .half = pool1->half};
        struct norm_backward_arguments norm2 = {
            .x = b2.inner.data, .dy = b2.outer.data, .dx = b2.large[i].data, .places = b2.places.data, .window = pool2->window,
            .sums = b2.sums[i], .pixels = pool2->batch * 144, .norm = pool2->norm, .masks = 1, .half = pool2->half};
        struct pool_backward_arguments pool = {
            .dy = b3.outer.data, .dx = b3.large[i].data, .places = b3.places.data, .window = pool1->window,
            .batch = pool1->batch, .half = pool1->half};
        struct pool_norm_backward_arguments both = {
            .x = b4.outer.data, .dy = b4.inner.data, .dx = b4.large[i].data, .places = b4.places.data, .window = pool1->window,
            .sums = b4.sums[i], .batch = pool1->batch, .norm = pool1->norm, .rows = 4, .masks = 1, .half = pool1->half};
        RUN_BOTH(i, norm_backward, norm1, pool1, norm1);
        RUN_BOTH(i, norm_backward, norm2, pool2, norm2);
        RUN_BOTH(i, pool_backward, pool1, pool1, pool);
        RUN_BOTH(i, pool_norm_backward, norm1, pool1, both);
    }
    both_check(&b1), both_check(&b2), both_check(&b3), both_check(&b4);
}

static void test_instances(void **state)
{
    (void)state;
    uint64_t random = 4;
    for (size_t batch = 1; batch <= 3; batch += 2)
        for (int half = 0; half < 2; half++) {
            struct pair pool1 = tutorial_pair(24, batch, half, &random), pool2 = tutorial_pair(12, batch, half, &random);
            check_forward_instances(&pool1, &pool2);
            check_backward_instances(&pool1, &pool2);
        }
}

/* The assumptions of an instance are checked before it is used. */
static void test_instances_want_their_shapes(void **state)
{
    (void)state;
    uint64_t random = 5;
    struct pair p = tutorial_pair(24, 1, 0, &random);
    struct both b = both_new(&p);
    struct pool_backward_arguments a = {.dy = b.outer.data, .dx = b.large[0].data, .places = b.places.data, .window = p.window,
                                        .batch = 1};
    const dim3 grid = {1, 1, 1}, block = {256, 1, 1};
    assert_true(twin_run("kernel_pool_backward_pool1_float", grid, block, &a));
    assert_false(twin_run("kernel_pool_backward_pool1_half", grid, block, &a));
    a.window.pad_top = 1;
    assert_false(twin_run("kernel_pool_backward_pool1_float", grid, block, &a));
    a.window.pad_top = 0, a.dx = (float *)a.dx + 1;
    assert_false(twin_run("kernel_pool_backward_pool1_float", grid, block, &a));
    for (int i = 0; i < 2; i++)
        free(b.large[i].data), free(b.small[i].data), free(b.written_places[i]), free(b.sums[i]);
    free(b.inner.data), free(b.outer.data), free(b.places.data);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_instances),
        cmocka_unit_test(test_instances_want_their_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
