/* The kernels that do the work of several layers: bit for bit the results of the single layers' kernels one after another
 * (test_kernels.c compares those with the openblas backend and double precision), however the work is divided; dense layers of
 * few outputs against sums in double precision, and their loss against the loss kernel. */
#include "kernels_pairs.h"

#include "model.h"
#include "parcel.h"

/* ---- a norm with a pool before or after it ---- */

static struct typed gradients(size_t count, const struct pair *p)
{
    float *values = floats_new(count);
    fill_random(values, count, p->random);
    struct typed t = typed_of(values, count, p->half);
    free(values);
    return t;
}

static void assert_same(const char *what, const struct typed *found, const struct typed *expected)
{
    assert_int_equal(found->count, expected->count);
    if (memcmp(found->data, expected->data, found->count * (found->half ? 2 : 4)))
        for (size_t i = 0; i < found->count; i++)
            if (typed_at(found, i) != typed_at(expected, i))
                fail_msg("%s[%zu] is %.9g, expected %.9g", what, i, typed_at(found, i), typed_at(expected, i));
}

static void run_pool(const struct pair *p, const struct typed *x, const struct typed *y, uint8_t *places)
{
    struct pool_forward_arguments a = {.x = x->data, .y = y->data, .places = places, .window = p->window, .batch = p->batch,
                                       .half = p->half};
    RUN(pool_forward, some_blocks(p->random), a);
}

static void run_norm(const struct pair *p, const struct typed *x, const struct typed *y)
{
    struct norm_forward_arguments a = {.x = x->data, .y = y->data, .pixels = x->count / (size_t)p->norm.channels,
                                       .norm = p->norm, .half = p->half};
    RUN(norm_forward, some_blocks(p->random), a);
}

static void check_pool_norm(const struct pair *p)
{
    size_t count = outer_count(p);
    struct typed x = activations(inner_count(p), p), pooled = typed_new(count, p->half), y = typed_new(count, p->half);
    struct typed found_pooled = typed_new(count, p->half), found = typed_new(count, p->half);
    uint8_t *places = bytes_new(count), *found_places = bytes_new(count);
    run_pool(p, &x, &pooled, places);
    run_norm(p, &pooled, &y);
    struct norm_forward_arguments a = {.x = x.data, .y = found.data, .pooled = found_pooled.data, .places = found_places,
                                       .window = p->window, .pixels = count / (size_t)p->norm.channels, .norm = p->norm,
                                       .half = p->half};
    RUN(norm_forward, some_blocks(p->random), a);
    assert_same("pooled", &found_pooled, &pooled);
    assert_same("y", &found, &y);
    assert_memory_equal(found_places, places, count);
    free(x.data), free(pooled.data), free(y.data), free(found_pooled.data), free(found.data), free(places), free(found_places);
}

/* How many columns fit a tile. */
static int columns_of(const struct pool_geometry *w)
{
    int columns = 0;
    while ((columns * w->stride + w->kernel) * w->kernel * w->channels <= NORM_POOL_TILE)
        columns++;
    return columns;
}

static void check_norm_pool(const struct pair *p)
{
    size_t count = outer_count(p);
    struct typed x = activations(inner_count(p), p), between = typed_new(inner_count(p), p->half);
    struct typed y = typed_new(count, p->half), found = typed_new(count, p->half);
    uint8_t *places = bytes_new(count), *found_places = bytes_new(count);
    int most = columns_of(&p->window);
    if (most > 0) {
        run_norm(p, &x, &between);
        run_pool(p, &between, &y, places);
        struct norm_pool_forward_arguments a = {.x = x.data, .y = found.data, .places = found_places, .window = p->window,
                                                .batch = p->batch, .norm = p->norm, .half = p->half,
                                                .columns = 1 + (int)random_below(p->random, (size_t)most)};
        RUN(norm_pool_forward, some_blocks(p->random), a);
        assert_same("y", &found, &y);
        assert_memory_equal(found_places, places, count);
    }
    free(x.data), free(between.data), free(y.data), free(found.data), free(places), free(found_places);
}

static int least_of(int a, int b) { return a < b ? a : b; }

/* ---- backward: through the pool, the norm, and the ReLU before it ---- */

static void run_norm_backward(const struct pair *p, const struct typed *x, const struct typed *dy, const struct typed *dx)
{
    struct norm_backward_arguments a = {.x = x->data, .dy = dy->data, .dx = dx->data, .norm = p->norm, .half = p->half,
                                        .pixels = x->count / (size_t)p->norm.channels};
    RUN(norm_backward, some_blocks(p->random), a);
}

/* Masks dx in place by the ReLU whose output is x. */
static void run_mask(const struct pair *p, const struct typed *x, const struct typed *dx)
{
    size_t channels = (size_t)p->norm.channels;
    float *sums = bytes_new(channels * sizeof *sums);
    struct mask_bias_arguments a = {.dy = dx->data, .y = x->data, .masked = dx->data, .sums = sums, .parts = 1,
                                    .rows = x->count / channels, .channels = p->norm.channels, .dy_half = p->half,
                                    .y_half = p->half, .masked_half = p->half};
    RUN(mask_bias, some_blocks(p->random), a);
    free(sums);
}

/* Each part's sums are those of its pixels. */
static void check_sums(const struct pair *p, const struct typed *dx, const float *sums, size_t parts)
{
    size_t channels = (size_t)p->norm.channels, run = NORM_TILE / channels * channels;
    double *expected = calloc(parts * channels, sizeof *expected);
    assert_non_null(expected);
    for (size_t i = 0; i < dx->count; i++)
        expected[i / run * channels + i % channels] += typed_at(dx, i);
    assert_close("sums", sums, expected, parts * channels, 1e-6);
    free(expected);
}

/* pooled: with a pool after it; masks: with a ReLU before it. */
static void check_norm_back(const struct pair *p, int pooled, int masks)
{
    size_t count = inner_count(p), tile = NORM_TILE / (size_t)p->norm.channels;
    size_t parts = (count / (size_t)p->norm.channels + tile - 1) / tile;
    struct typed x = activations(count, p), between = typed_new(count, p->half), y = typed_new(outer_count(p), p->half);
    struct typed dy = gradients(pooled ? outer_count(p) : count, p), through = typed_new(count, p->half);
    struct typed dx = typed_new(count, p->half), found = typed_new(count, p->half);
    uint8_t *places = bytes_new(outer_count(p));
    float *sums = bytes_new(parts * (size_t)p->norm.channels * sizeof *sums);
    run_norm(p, &x, &between);
    run_pool(p, &between, &y, places);
    struct pool_backward_arguments pool = {.dy = dy.data, .dx = through.data, .places = places, .window = p->window,
                                           .batch = p->batch, .half = p->half};
    if (pooled)
        RUN(pool_backward, some_blocks(p->random), pool);
    run_norm_backward(p, &x, pooled ? &through : &dy, &dx);
    if (masks)
        run_mask(p, &x, &dx);
    struct norm_backward_arguments a = {.x = x.data, .dy = dy.data, .dx = found.data, .places = pooled ? places : NULL,
                                        .window = p->window, .sums = sums, .pixels = count / (size_t)p->norm.channels,
                                        .norm = p->norm, .masks = masks, .half = p->half};
    RUN(norm_backward, some_blocks(p->random), a);
    assert_same("dx", &found, &dx);
    check_sums(p, &found, sums, parts);
    free(x.data), free(between.data), free(y.data), free(dy.data), free(through.data), free(dx.data), free(found.data);
    free(places), free(sums);
}

/* How many rows of a pool's output fit a tile, with the rows before that they need. */
static int rows_of(const struct pool_geometry *w)
{
    return POOL_NORM_TILE / (w->out_width * w->channels) - (w->kernel - 1) / w->stride;
}

/* Backward through a norm and the pool before it: as through one after the other. */
static void check_pool_norm_back(const struct pair *p)
{
    size_t count = outer_count(p), channels = (size_t)p->norm.channels;
    int rows = rows_of(&p->window), masks = (int)random_below(p->random, 2);
    if (rows < 1)
        return;
    rows = 1 + (int)random_below(p->random, (size_t)least_of(rows, p->window.out_height));
    size_t stripes = (size_t)((p->window.out_height + rows - 1) / rows), run = (size_t)(rows * p->window.out_width) * channels;
    struct typed x = activations(inner_count(p), p), pooled = typed_new(count, p->half), dy = gradients(count, p);
    struct typed between = typed_new(count, p->half), dx = typed_new(inner_count(p), p->half);
    struct typed found = typed_new(inner_count(p), p->half);
    float *sums = bytes_new(p->batch * stripes * channels * sizeof *sums);
    double *expected = calloc(p->batch * stripes * channels, sizeof *expected);
    uint8_t *places = bytes_new(count);
    assert_non_null(expected);
    run_pool(p, &x, &pooled, places);
    run_norm_backward(p, &pooled, &dy, &between);
    if (masks)
        run_mask(p, &pooled, &between);
    for (size_t i = 0, image = count / p->batch; i < count; i++)
        expected[(i / image * stripes + i % image / run) * channels + i % channels] += typed_at(&between, i);
    struct pool_backward_arguments pool = {.dy = between.data, .dx = dx.data, .places = places, .window = p->window,
                                           .batch = p->batch, .half = p->half};
    RUN(pool_backward, some_blocks(p->random), pool);
    struct pool_norm_backward_arguments a = {.x = pooled.data, .dy = dy.data, .dx = found.data, .places = places,
                                             .window = p->window, .sums = sums, .batch = p->batch, .norm = p->norm,
                                             .rows = rows, .masks = masks, .half = p->half};
    RUN(pool_norm_backward, some_blocks(p->random), a);
    assert_same("dx", &found, &dx);
    assert_close("sums", sums, expected, p->batch * stripes * channels, 1e-6);
    free(x.data), free(pooled.data), free(dy.data), free(between.data), free(dx.data), free(found.data);
    free(sums), free(expected), free(places);
}

/* Runs a check on pools and norms of many sizes. */
static void on_pairs(void (*check)(const struct pair *p))
{
    static const struct shape shapes[] = {{12, 12, 64}, {24, 24, 4}, {7, 7, 16}, {13, 5, 48}, {3, 9, 132}, {1, 1, 8}, {3, 2, 1024}};
    static const int windows[][2] = {{3, 2}, {2, 2}, {3, 1}, {5, 3}, {2, 3}};
    static const struct norm_rule norms[] = {{.radius = 4, .k = 1, .alpha = 0.001f / 9, .beta = 0.75f},
                                        {.radius = 70, .k = 2, .alpha = 0.1f, .beta = 0.6f}};
    uint64_t random = 1;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t w = 0; w < sizeof windows / sizeof *windows; w++)
            for (int flags = 0; flags < 8; flags++) {
                struct layer layer = {.name = "pool", .kind = LAYER_MAX_POOL, .kernel = windows[w][0], .stride = windows[w][1]};
                struct model model = {.name = "pool", .height = shapes[i].height, .width = shapes[i].width, .layers = &layer,
                                      .layer_count = 1};
                struct net net;
                struct error why;
                must(net_init(&net, &model, shapes[i].channels, 10, &why), &why);
                const struct net_layer *l = &net.layers[0];
                struct pair p = {.norm = norms[flags & 1], .batch = flags & 2 ? 5 : 1, .half = flags >> 2, .random = &random};
                p.norm.channels = shapes[i].channels;
                p.window = (struct pool_geometry){l->in.height, l->in.width, l->out.height, l->out.width, l->in.channels,
                                           layer.kernel, layer.stride, l->pad_top, l->pad_left};
                check(&p);
                net_free(&net);
            }
}

static void test_a_pool_and_a_norm(void **state)
{
    (void)state;
    on_pairs(check_pool_norm);
}

static void test_a_norm_and_a_pool(void **state)
{
    (void)state;
    on_pairs(check_norm_pool);
}

static void check_a_way_back(const struct pair *p)
{
    int flags = (int)random_below(p->random, 4);
    check_norm_back(p, flags & 1, flags >> 1);
}

static void test_back_through_pool_norm_and_relu(void **state)
{
    (void)state;
    on_pairs(check_a_way_back);
}

static void test_back_through_norm_and_pool(void **state)
{
    (void)state;
    on_pairs(check_pool_norm_back);
}

/* A maximum that is NaN is passed on, and stops the gradient as a ReLU does. */
static void test_pairs_pass_nan_on(void **state)
{
    (void)state;
    float x[16] = {1, 1, 1, 1, NAN, 1, 1, 1, INFINITY, 1, 1, 1, 2, 1, 1, 1}, y[4], pooled[4], dx[4], sums[4];
    const float dy[4] = {1, 1, 1, 1};
    uint8_t places[4];
    struct norm_rule norm = {.channels = 4, .radius = 0, .k = 1, .alpha = 0, .beta = 0.75f};
    struct pool_geometry window = {2, 2, 1, 1, 4, 2, 2, 0, 0};
    struct norm_forward_arguments before = {.x = x, .y = y, .pooled = pooled, .places = places, .window = window, .pixels = 1,
                                            .norm = norm};
    RUN(norm_forward, 1, before);
    assert_true(isnan(y[0]) && isnan(pooled[0]) && places[0] == 1 && y[1] == 1 && places[1] == 0);
    struct norm_backward_arguments back = {.x = pooled, .dy = dy, .dx = dx, .sums = sums, .pixels = 1, .norm = norm, .masks = 1};
    RUN(norm_backward, 1, back);
    assert_true(dx[0] == 0 && sums[0] == 0 && dx[1] == 1 && sums[1] == 1);
    struct norm_pool_forward_arguments behind = {.x = x, .y = y, .places = places, .window = window, .batch = 1, .norm = norm,
                                                 .columns = 1};
    memset(y, 0, sizeof y), memset(places, 9, sizeof places);
    RUN(norm_pool_forward, 1, behind);
    assert_true(isnan(y[0]) && places[0] < 3 && y[1] == 1 && places[1] == 0);
}

/* ---- dense layers of few outputs ---- */

struct few {
    int batch, in, outs, before, relu, x_half, y_half; /* before: the previous layer left its bias to be added */
    float *x, *bias, *weights, *dy; /* weights: followed by the biases */
};

static void few_open(struct few *f, uint64_t *random)
{
    size_t values = (size_t)(f->batch * f->in), weights = (size_t)((f->in + 1) * f->outs), outputs = (size_t)(f->batch * f->outs);
    f->x = floats_new(values), f->bias = floats_new((size_t)f->in);
    f->weights = floats_new(weights), f->dy = floats_new(outputs);
    fill_random(f->x, values, random);
    fill_random(f->bias, (size_t)f->in, random);
    fill_random(f->weights, weights, random);
    fill_random(f->dy, outputs, random);
}

static void few_close(struct few *f)
{
    free(f->x), free(f->bias), free(f->weights), free(f->dy);
}

/* Compares the forward pass; f->x becomes what the layer reads. */
static void check_few_forward(struct few *f, uint64_t *random)
{
    size_t values = (size_t)(f->batch * f->in), outputs = (size_t)(f->batch * f->outs);
    struct typed x = typed_of(f->x, values, f->x_half), y = typed_new(outputs, f->y_half);
    double *expected = calloc(outputs, sizeof *expected);
    assert_non_null(expected);
    for (size_t i = 0; f->before && i < values; i++) {
        float value = f->x[i] + f->bias[i % (size_t)f->in];
        f->x[i] = f->relu && value < 0 ? 0 : f->x_half ? round_to_half(value) : value;
    }
    for (int n = 0; n < f->batch; n++)
        for (int c = 0; c < f->outs; c++) {
            double sum = f->weights[f->in * f->outs + c];
            for (int k = 0; k < f->in; k++)
                sum += (double)f->x[n * f->in + k] * f->weights[k * f->outs + c];
            expected[n * f->outs + c] = sum;
        }
    struct few_forward_arguments a = {.x = x.data, .y = y.data, .bias = f->before ? f->bias : NULL, .weights = f->weights,
                                      .batch = (size_t)f->batch, .in = f->in, .outs = f->outs, .relu = f->relu,
                                      .x_half = f->x_half, .y_half = f->y_half};
    RUN(few_forward, some_blocks(random), a);
    assert_typed("x", &x, f->x, values);
    float *found = floats_new(outputs);
    for (size_t i = 0; i < outputs; i++)
        found[i] = typed_at(&y, i);
    assert_close("y", found, expected, outputs, f->y_half ? 5e-3 : 1e-6);
    free(x.data), free(y.data), free(expected), free(found);
}

/* The expected sums: gradients of weights and biases, of x, and of the previous layer's bias. */
struct few_sums {
    double *weights, *dx, *bias;
};

static void few_expect(const struct few *f, struct few_sums *s)
{
    s->weights = calloc((size_t)((f->in + 1) * f->outs), sizeof(double));
    s->dx = calloc((size_t)(f->batch * f->in), sizeof(double)), s->bias = calloc((size_t)f->in, sizeof(double));
    assert_true(s->weights && s->dx && s->bias);
    for (int n = 0; n < f->batch; n++)
        for (int k = 0; k <= f->in; k++) {
            float x = k < f->in ? f->x[n * f->in + k] : 1;
            double dx = 0;
            for (int c = 0; c < f->outs; c++) {
                s->weights[k * f->outs + c] += (double)x * f->dy[n * f->outs + c];
                dx += (double)f->dy[n * f->outs + c] * f->weights[k * f->outs + c];
            }
            if (k == f->in || (f->relu && !(x > 0)))
                continue;
            s->dx[n * f->in + k] = dx;
            s->bias[k] += dx;
        }
}

static void check_few_backward(struct few *f, uint64_t *random)
{
    size_t values = (size_t)(f->batch * f->in), weights = (size_t)((f->in + 1) * f->outs);
    struct typed x = typed_of(f->x, values, f->x_half), dx = typed_new(values, f->x_half);
    struct typed dy = typed_of(f->dy, (size_t)(f->batch * f->outs), f->y_half);
    float *dweights = bytes_new(weights * sizeof *dweights), *dbias = bytes_new((size_t)f->in * sizeof *dbias);
    float *found = floats_new(values);
    struct few_sums s;
    few_expect(f, &s);
    struct few_backward_arguments a = {.x = x.data, .dy = dy.data, .dx = dx.data, .weights = f->weights, .dweights = dweights,
                                       .dbias = f->before ? dbias : NULL, .batch = (size_t)f->batch, .in = f->in,
                                       .outs = f->outs, .masks = f->relu, .x_half = f->x_half, .y_half = f->y_half};
    RUN(few_backward, some_blocks(random), a);
    for (size_t i = 0; i < values; i++)
        found[i] = typed_at(&dx, i);
    assert_close("dx", found, s.dx, values, f->x_half ? 5e-3 : 1e-6);
    assert_close("gradients of weights and biases", dweights, s.weights, weights, 2e-6);
    if (f->before)
        assert_close("gradient of the bias before", dbias, s.bias, (size_t)f->in, f->x_half ? 1e-2 : 2e-6);
    a.dx = NULL, a.dbias = NULL; /* the first layer */
    RUN(few_backward, some_blocks(random), a);
    assert_close("gradients of weights and biases alone", dweights, s.weights, weights, 2e-6);
    free(x.data), free(dx.data), free(dy.data), free(dweights), free(dbias), free(found);
    free(s.weights), free(s.dx), free(s.bias);
}

/* The loss and its gradient, forward, and the tail, backward: bit for bit what the loss kernel makes of the same outputs;
 * test_kernels_step.c compares that with the host's. Some labels are invalid. */
static void check_few_loss(const struct few *f, uint64_t *random)
{
    size_t values = (size_t)(f->batch * f->in), outputs = (size_t)(f->batch * f->outs), batch = (size_t)f->batch;
    struct typed x = typed_of(f->x, values, f->x_half), y = typed_new(outputs, f->y_half), gradient = typed_new(outputs, f->y_half);
    struct image_result *losses = bytes_new(batch * sizeof *losses);
    struct pass_control control = {.pass = 7, .stop = 2};
    uint64_t next = 0, wanted_next = 0;
    float *logits = floats_new(outputs), *wanted = floats_new(outputs), tail[PARCEL_SLOTS], wanted_tail[PARCEL_SLOTS];
    float *dweights = floats_new((size_t)((f->in + 1) * f->outs));
    int32_t *labels = bytes_new(batch * sizeof *labels);
    bool whole = random_below(random, 2);
    for (size_t n = 0; n < batch; n++)
        labels[n] = (int32_t)random_below(random, (size_t)f->outs + !whole);
    struct few_forward_arguments forward = {.x = x.data, .y = y.data, .weights = f->weights, .labels = labels,
                                            .gradient = gradient.data, .losses = losses, .batch = batch, .in = f->in,
                                            .outs = f->outs, .x_half = f->x_half, .y_half = f->y_half};
    RUN(few_forward, some_blocks(random), forward);
    struct few_backward_arguments backward = {.x = x.data, .dy = gradient.data, .weights = f->weights, .dweights = dweights,
                                              .losses = losses, .tail = tail, .control = &control, .next = &next, .batch = batch,
                                              .in = f->in, .outs = f->outs, .x_half = f->x_half, .y_half = f->y_half};
    RUN(few_backward, some_blocks(random), backward);
    for (size_t i = 0; i < outputs; i++)
        logits[i] = typed_at(&y, i);
    struct loss_arguments loss = {.logits = logits, .labels = labels, .gradient = wanted, .tail = wanted_tail,
                                  .control = &control, .next = &wanted_next, .batch = f->batch, .count = f->batch,
                                  .classes = f->outs};
    RUN(loss, 1, loss);
    assert_typed("gradient of the outputs", &gradient, wanted, outputs);
    for (int i = 0; i < PARCEL_SLOTS; i++)
        assert_true(bits_of_float(tail[i]) == bits_of_float(wanted_tail[i]));
    assert_true(next == 8 && wanted_next == 8);
    assert_true(!whole || tail[PARCEL_FAULT] == 0);
    free(x.data), free(y.data), free(gradient.data), free(losses), free(logits), free(wanted), free(dweights), free(labels);
}

static void test_few_outputs(void **state)
{
    (void)state;
    static const int sizes[][3] = {{128, 192, 10}, {3, 192, 16}, {1, 1, 1}, {17, 300, 2}, {40, 15, 7}, {5, 2304, 10}, {2, 16, 16},
                                   {600, 9, 10}};
    uint64_t random = 2;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int flags = 0; flags < 16; flags++) {
            struct few f = {.batch = sizes[i][0], .in = sizes[i][1], .outs = sizes[i][2], .before = flags & 1,
                            .relu = flags & 1 && flags & 2, .x_half = flags >> 2 & 1, .y_half = flags >> 3 & 1};
            few_open(&f, &random);
            check_few_forward(&f, &random);
            check_few_backward(&f, &random);
            check_few_loss(&f, &random);
            few_close(&f);
        }
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pool_and_a_norm),
        cmocka_unit_test(test_a_norm_and_a_pool),
        cmocka_unit_test(test_back_through_pool_norm_and_relu),
        cmocka_unit_test(test_back_through_norm_and_pool),
        cmocka_unit_test(test_pairs_pass_nan_on),
        cmocka_unit_test(test_few_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
