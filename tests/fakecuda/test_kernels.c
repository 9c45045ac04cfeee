/* The layers' kernels, run by their twins on the CPU in many orders, against the openblas backend and plain formulas: bit for bit
 * if both compute in the same order; the norms against sums in double precision. */
#include "kernels_fixture.h"

#include "model.h"

/* ---- convert ---- */

/* A number of any kind: ties, subnormals, the largest, infinities, NaN. */
static float any_float(uint64_t *random)
{
    static const uint32_t special[] = {0x00000000, 0x80000000, 0x7F800000, 0xFF800000, 0x7F7FFFFF, 0x7F7F8000, 0x7F7F7FFF,
                                       0x00000001, 0x00008000, 0x00008001, 0x00018000, 0x3F808000, 0x3F818000, 0x3F808001,
                                       0x7F800001, 0xFFFFFFFF, 0x7FC00000, 0x807FFFFF};
    uint32_t high = (uint32_t)random_below(random, 1 << 16), low = (uint32_t)random_below(random, 1 << 16);
    if (random_below(random, 3) == 0)
        return float_of_bits(special[random_below(random, sizeof special / sizeof *special)]);
    return float_of_bits(high << 16 | (random_below(random, 2) ? low : 0x8000));
}

static void test_floats_become_the_nearest_bfloat16(void **state)
{
    (void)state;
    enum { COUNT = 100003 };
    uint64_t random = 7;
    float *x = floats_new(COUNT);
    struct typed y = typed_new(COUNT, 1);
    for (size_t i = 0; i < COUNT; i++)
        x[i] = any_float(&random);
    struct convert_arguments a = {.x = x, .y = y.data, .rows = COUNT, .x_channels = 1, .y_channels = 1, .y_half = 1};
    RUN(convert, 5, a);
    assert_typed("y", &y, x, COUNT);
    free(x), free(y.data);
}

static void check_convert(size_t rows, int from, int to, int x_half, int y_half, uint64_t *random)
{
    size_t x_count = rows * (size_t)from, y_count = rows * (size_t)to;
    float *x = floats_new(x_count), *y = floats_new(y_count);
    fill_random(x, x_count, random);
    struct typed typed_x = typed_of(x, x_count, x_half), typed_y = typed_new(y_count, y_half);
    for (size_t i = 0; i < y_count; i++)
        y[i] = (int)(i % (size_t)to) < from ? x[i / (size_t)to * (size_t)from + i % (size_t)to] : 0;
    struct convert_arguments a = {.x = typed_x.data, .y = typed_y.data, .rows = rows, .x_channels = from, .y_channels = to,
                                  .x_half = x_half, .y_half = y_half};
    RUN(convert, some_blocks(random), a);
    assert_typed("y", &typed_y, y, y_count);
    free(x), free(y), free(typed_x.data), free(typed_y.data);
}

static void test_converts_types_and_channels(void **state)
{
    (void)state;
    static const int channels[][2] = {{3, 8}, {8, 3}, {1, 8}, {1, 1}, {3, 3}, {4, 4}, {5, 2}, {10, 10}};
    uint64_t random = 1;
    for (size_t rows = 1; rows < 2000; rows = rows * 5 + 2)
        for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
            for (int types = 0; types < 4; types++)
                check_convert(rows, channels[i][0], channels[i][1], types & 1, types >> 1, &random);
}

/* Arrays that are not aligned for vectors: values move one at a time. */
static void test_converts_what_is_not_aligned(void **state)
{
    (void)state;
    enum { COUNT = 1001 };
    uint64_t random = 3;
    float *x = floats_new(COUNT + 1);
    uint16_t *y = bytes_new((COUNT + 1) * sizeof *y);
    fill_random(x, COUNT + 1, &random);
    struct convert_arguments a = {.x = x + 1, .y = y + 1, .rows = COUNT, .x_channels = 1, .y_channels = 1, .y_half = 1};
    RUN(convert, 2, a);
    for (size_t i = 0; i < COUNT; i++)
        assert_true(float_of_bits((uint32_t)y[i + 1] << 16) == round_to_half(x[i + 1]));
    assert_int_equal(y[0], 0xFFFF);
    free(x), free(y);
}

/* ---- bias_relu ---- */

static void check_bias_relu(size_t rows, int channels, int relu, int half, uint64_t *random)
{
    size_t count = rows * (size_t)channels;
    float *y = floats_new(count), *bias = floats_new((size_t)channels);
    fill_random(y, count, random);
    fill_random(bias, (size_t)channels, random);
    y[random_below(random, count)] = NAN;
    struct typed typed = typed_of(y, count, half);
    for (size_t i = 0; i < count; i++) {
        y[i] += bias[i % (size_t)channels];
        if (relu && y[i] < 0)
            y[i] = 0;
    }
    struct bias_relu_arguments a = {.y = typed.data, .bias = bias, .rows = rows, .channels = channels, .relu = relu,
                                    .half = half};
    RUN(bias_relu, some_blocks(random), a);
    assert_typed("y", &typed, y, count);
    free(y), free(bias), free(typed.data);
}

static void test_bias_and_relu(void **state)
{
    (void)state;
    static const int channels[] = {1, 3, 10, 16, 48, 130, 384};
    uint64_t random = 2;
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
        for (size_t rows = 1; rows <= 16; rows = rows * 3 + (rows == 3 ? 7 : 0))
            for (int flags = 0; flags < 4; flags++)
                check_bias_relu(rows, channels[i], flags & 1, flags >> 1, &random);
}

/* ---- a layer: its kernels against the openblas backend ---- */

static struct subject openblas(void)
{
    struct error why;
    const struct backend *backend = backend_find("openblas", &why);
    if (!backend)
        fail_msg("%s", why.text);
    return (struct subject){.backend = backend};
}

/* The layer's input and output gradient are random values of its type; its output and input gradient are computed. */
struct layer_case {
    struct rig rig;
    struct typed x, dy, y, dx;
    uint64_t *random;
};

static void layer_open(struct layer_case *l, const struct layer *layer, struct shape shape, int batch, int half,
                       uint64_t *random)
{
    struct subject subject = openblas();
    rig_open(&l->rig, &subject, layer, shape, batch);
    l->random = random;
    fill_random(l->rig.input, l->rig.input_count, random);
    fill_random(l->rig.output_gradient, l->rig.output_count, random);
    for (size_t i = 0; layer->kind == LAYER_MAX_POOL && i < l->rig.input_count; i++)
        l->rig.input[i] = roundf(4 * l->rig.input[i]) / 4; /* so that there are equal values */
    l->x = typed_of(l->rig.input, l->rig.input_count, half);
    l->dy = typed_of(l->rig.output_gradient, l->rig.output_count, half);
    l->y = typed_new(l->rig.output_count, half);
    l->dx = typed_new(l->rig.input_count, half);
    rig_forward(&l->rig);
    rig_backward(&l->rig);
}

static void layer_close(struct layer_case *l)
{
    assert_typed("output", &l->y, l->rig.output, l->rig.output_count);
    assert_typed("input gradient", &l->dx, l->rig.input_gradient, l->rig.input_count);
    free(l->x.data), free(l->dy.data), free(l->y.data), free(l->dx.data);
    rig_close(&l->rig);
}

/* ---- pools ---- */

static void check_pool(const struct layer *layer, struct shape shape, int batch, int half, uint64_t *random)
{
    struct layer_case l;
    layer_open(&l, layer, shape, batch, half, random);
    const struct net_layer *n = &l.rig.net.layers[0];
    uint8_t *places = bytes_new(l.rig.output_count);
    struct pool_geometry window = {.height = shape.height, .width = shape.width, .out_height = n->out.height,
                            .out_width = n->out.width, .channels = shape.channels, .kernel = layer->kernel,
                            .stride = layer->stride, .pad_top = n->pad_top, .pad_left = n->pad_left};
    struct pool_forward_arguments forward = {.x = l.x.data, .y = l.y.data, .places = places, .window = window,
                                             .batch = (size_t)batch, .half = half};
    struct pool_backward_arguments backward = {.dy = l.dy.data, .dx = l.dx.data, .places = places, .window = window,
                                               .batch = (size_t)batch, .half = half};
    RUN(pool_forward, some_blocks(random), forward);
    RUN(pool_backward, some_blocks(random), backward);
    layer_close(&l);
    free(places);
}

static const struct shape shapes[] = {{24, 24, 3}, {7, 7, 16}, {13, 13, 1}, {12, 12, 64}, {13, 5, 48}, {3, 9, 130}, {1, 1, 5}};
static const int batches[] = {1, 3, 16};
enum { SHAPES = sizeof shapes / sizeof *shapes, BATCHES = sizeof batches / sizeof *batches };

static void test_pools_as_openblas(void **state)
{
    (void)state;
    static const int windows[][2] = {{3, 2}, {2, 2}, {3, 1}, {5, 3}, {2, 3}};
    uint64_t random = 4;
    for (size_t w = 0; w < sizeof windows / sizeof *windows; w++)
        for (size_t i = 0; i < SHAPES; i++)
            for (int flags = 0; flags < 2 * BATCHES; flags++) {
                struct layer layer = {.name = "pool", .kind = LAYER_MAX_POOL, .kernel = windows[w][0], .stride = windows[w][1]};
                check_pool(&layer, shapes[i], batches[flags / 2], flags % 2, &random);
            }
}

/* NaN wins over the largest value, and over infinity. */
static void test_a_pool_passes_nan_on(void **state)
{
    (void)state;
    float x[4] = {1, NAN, INFINITY, 2}, y = 0;
    uint8_t place = 9;
    struct pool_forward_arguments a = {
        .x = x, .y = &y, .places = &place, .batch = 1,
        .window = {.height = 2, .width = 2, .out_height = 1, .out_width = 1, .channels = 1, .kernel = 2, .stride = 2}};
    RUN(pool_forward, 1, a);
    assert_true(isnan(y));
    assert_int_equal(place, 1);
}

/* ---- norms ---- */

struct norm_case {
    struct norm_rule norm;
    size_t pixels;
    struct typed x, dy;
    double *y, *dx, *y_error, *dx_error; /* the results, and how far floats may be from them */
};

/* The window around channel c of a row: [first, last]. */
static size_t window_first(const struct norm_rule *n, size_t c) { return c < (size_t)n->radius ? 0 : c - (size_t)n->radius; }

static size_t window_last(const struct norm_rule *n, size_t c)
{
    return c + (size_t)n->radius < (size_t)n->channels ? c + (size_t)n->radius : (size_t)n->channels - 1;
}

/* Computes the results and errors of one pixel, whose values begin at `base`. A sum of w values without cancellation is off by at
 * most w - 1 roundings, its power by beta times that; the roots are off by two units each, and what follows the power by some
 * more roundings. If signs differ, as in dx, the errors are relative to the terms' magnitudes. For bfloat16 one rounding is
 * added. */
static void norm_expect(struct norm_case *n, size_t base)
{
    size_t channels = (size_t)n->norm.channels;
    double *scale = calloc(2 * channels, sizeof *scale), *power = scale + channels, beta = n->norm.beta, unit = ldexp(1, -24);
    double window = 2 * (double)n->norm.radius + 1, half = n->x.half ? ldexp(1, -8) : 0;
    assert_non_null(scale);
    for (size_t c = 0; c < channels; c++) {
        scale[c] = n->norm.k;
        for (size_t j = window_first(&n->norm, c); j <= window_last(&n->norm, c); j++)
            scale[c] += (double)n->norm.alpha * typed_at(&n->x, base + j) * typed_at(&n->x, base + j);
        power[c] = pow(scale[c], -beta);
        n->y[base + c] = typed_at(&n->x, base + c) * power[c];
        n->y_error[base + c] = fabs(n->y[base + c]) * ((beta * (window + 2) + 8) * unit + half);
    }
    for (size_t c = 0; c < channels; c++) {
        double factor = 2.0 * n->norm.alpha * beta * typed_at(&n->x, base + c), sum = 0, magnitude = 0;
        double direct = typed_at(&n->dy, base + c) * power[c];
        for (size_t j = window_first(&n->norm, c); j <= window_last(&n->norm, c); j++) {
            double term = (double)typed_at(&n->dy, base + j) * typed_at(&n->x, base + j) * power[j] / scale[j];
            sum += term, magnitude += fabs(term);
        }
        n->dx[base + c] = direct - factor * sum;
        n->dx_error[base + c] = (fabs(direct) + fabs(factor) * magnitude) * ((beta + 2) * (window + 2) + 16) * unit +
                                fabs(n->dx[base + c]) * half;
    }
    free(scale);
}

static void assert_within(const char *what, const struct typed *found, const double *expected, const double *error)
{
    for (size_t i = 0; i < found->count; i++)
        if (!(fabs(typed_at(found, i) - expected[i]) <= error[i] + 1e-37))
            fail_msg("%s[%zu] is %.9g, expected %.9g +- %.2g", what, i, typed_at(found, i), expected[i], error[i]);
}

static void norm_open(struct norm_case *n, const struct norm_rule *norm, struct shape shape, int batch, int half, uint64_t *random)
{
    size_t pixels = (size_t)batch * (size_t)shape.height * (size_t)shape.width, count = pixels * (size_t)shape.channels;
    float *values = floats_new(count);
    *n = (struct norm_case){.norm = *norm, .pixels = pixels};
    n->norm.channels = shape.channels;
    fill_random(values, count, random);
    n->x = typed_of(values, count, half);
    fill_random(values, count, random);
    n->dy = typed_of(values, count, half);
    n->y = bytes_new(4 * count * sizeof *n->y);
    n->dx = n->y + count, n->y_error = n->dx + count, n->dx_error = n->y_error + count;
    for (size_t i = 0; i < count; i += (size_t)shape.channels)
        norm_expect(n, i);
    free(values);
}

static void check_norm(const struct norm_rule *norm, struct shape shape, int batch, int half, uint64_t *random)
{
    struct norm_case n;
    norm_open(&n, norm, shape, batch, half, random);
    struct typed y = typed_new(n.x.count, half), dx = typed_new(n.x.count, half);
    struct norm_forward_arguments forward = {.x = n.x.data, .y = y.data, .pixels = n.pixels, .norm = n.norm, .half = half};
    struct norm_backward_arguments backward = {.x = n.x.data, .dy = n.dy.data, .dx = dx.data, .pixels = n.pixels,
                                               .norm = n.norm, .half = half};
    RUN(norm_forward, some_blocks(random), forward);
    RUN(norm_backward, some_blocks(random), backward);
    assert_within("output", &y, n.y, n.y_error);
    assert_within("input gradient", &dx, n.dx, n.dx_error);
    free(n.x.data), free(n.dy.data), free(n.y), free(y.data), free(dx.data);
}

static void test_norms_as_in_double_precision(void **state)
{
    (void)state;
    static const struct norm_rule norms[] = {
        {.radius = 4, .k = 1, .alpha = 0.001f / 9, .beta = 0.75f}, {.radius = 4, .k = 2, .alpha = 0.5f, .beta = 0.5f},
        {.radius = 2, .k = 2, .alpha = 0.5f, .beta = 0.75f},       {.radius = 70, .k = 1, .alpha = 0.1f, .beta = 0.6f},
    };
    static const struct shape wide[] = {{2, 2, 300}, {1, 3, 1024}, {3, 1, 513}, {2, 2, 256}};
    uint64_t random = 5;
    for (size_t n = 0; n < sizeof norms / sizeof *norms; n++)
        for (int flags = 0; flags < 2 * BATCHES; flags++) {
            for (size_t i = 0; i < SHAPES; i++)
                check_norm(&norms[n], shapes[i], batches[flags / 2], flags % 2, &random);
            for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
                check_norm(&norms[n], wide[i], batches[flags / 2], flags % 2, &random);
        }
}

/* ---- mask_bias ---- */

struct mask_case {
    size_t rows;
    int channels, parts, relu, in_place, dy_half, y_half, masked_half;
};

/* Each part's sums are those of its rows. */
static void check_sums(const struct mask_case *m, const float *masked, const float *sums)
{
    size_t channels = (size_t)m->channels, run = (m->rows + (size_t)m->parts - 1) / (size_t)m->parts;
    double *expected = calloc((size_t)m->parts * channels, sizeof *expected);
    assert_non_null(expected);
    for (size_t row = 0; row < m->rows; row++)
        for (size_t c = 0; c < channels; c++)
            expected[row / run * channels + c] += masked[row * channels + c];
    assert_close("sums", sums, expected, (size_t)m->parts * channels, 1e-6);
    free(expected);
}

static void check_mask(const struct mask_case *m, uint64_t *random)
{
    size_t count = m->rows * (size_t)m->channels, sum_count = (size_t)m->parts * (size_t)m->channels;
    float *dy = floats_new(count), *y = floats_new(count), *sums = bytes_new(sum_count * sizeof *sums);
    fill_random(dy, count, random);
    fill_random(y, count, random);
    struct typed typed_dy = typed_of(dy, count, m->dy_half), typed_y = typed_of(y, count, m->y_half);
    struct typed masked = m->in_place ? typed_dy : typed_new(count, m->masked_half);
    for (size_t i = 0; m->relu && i < count; i++)
        dy[i] = y[i] > 0 ? dy[i] : 0;
    struct mask_bias_arguments a = {.dy = typed_dy.data, .y = m->relu ? typed_y.data : NULL, .masked = masked.data,
                                    .sums = sums, .rows = m->rows, .channels = m->channels, .parts = m->parts,
                                    .dy_half = m->dy_half, .y_half = m->y_half, .masked_half = masked.half};
    RUN(mask_bias, some_blocks(random), a);
    assert_typed("masked", &masked, dy, count);
    check_sums(m, dy, sums);
    if (!m->in_place)
        free(masked.data);
    free(dy), free(y), free(sums), free(typed_dy.data), free(typed_y.data);
}

static void test_masks_and_sums(void **state)
{
    (void)state;
    static const struct mask_case sizes[] = {
        {.rows = 576, .channels = 64, .parts = 9},  {.rows = 49, .channels = 3, .parts = 1},
        {.rows = 128, .channels = 384, .parts = 2}, {.rows = 16, .channels = 10, .parts = 1},
        {.rows = 507, .channels = 130, .parts = 8}, {.rows = 1, .channels = 192, .parts = 1},
        {.rows = 300, .channels = 16, .parts = 7},  {.rows = 65, .channels = 1, .parts = 65},
    };
    uint64_t random = 6;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int flags = 0; flags < 32; flags++) {
            struct mask_case m = sizes[i];
            m.relu = flags & 1, m.in_place = flags >> 1 & 1;
            m.dy_half = flags >> 2 & 1, m.y_half = flags >> 3 & 1, m.masked_half = flags >> 4 & 1;
            check_mask(&m, &random);
        }
}

static void test_sums_alone(void **state)
{
    (void)state;
    float dy[6] = {1, 2, 3, 4, 5, 6}, y[6] = {1, 0, -1, 1, NAN, 1}, sums[3] = {0};
    struct mask_bias_arguments a = {.dy = dy, .y = y, .sums = sums, .rows = 2, .channels = 3, .parts = 1};
    RUN(mask_bias, 1, a);
    const float expected[3] = {1 + 4, 0 + 0, 0 + 6};
    assert_memory_equal(sums, expected, sizeof sums);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floats_become_the_nearest_bfloat16),
        cmocka_unit_test(test_converts_types_and_channels),
        cmocka_unit_test(test_converts_what_is_not_aligned),
        cmocka_unit_test(test_bias_and_relu),
        cmocka_unit_test(test_pools_as_openblas),
        cmocka_unit_test(test_a_pool_passes_nan_on),
        cmocka_unit_test(test_norms_as_in_double_precision),
        cmocka_unit_test(test_masks_and_sums),
        cmocka_unit_test(test_sums_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
