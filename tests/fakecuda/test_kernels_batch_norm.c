/* The kernels of batch norm and of sums of two activations, run by their twins on the CPU in many orders: forward against the
 * formulas in double precision, backward against finite differences of those. */
#include "kernels_fixture.h"

/* ---- add ---- */

static void check_add(size_t values, int relu, int half, int in_place, uint64_t *random)
{
    float *a = floats_new(values), *b = floats_new(values), *expected = floats_new(values);
    fill_random(a, values, random);
    fill_random(b, values, random);
    a[random_below(random, values)] = NAN;
    struct typed typed_a = typed_of(a, values, half), typed_b = typed_of(b, values, half);
    struct typed y = in_place ? typed_a : typed_new(values, half);
    for (size_t i = 0; i < values; i++)
        expected[i] = relu && a[i] + b[i] < 0 ? 0 : a[i] + b[i];
    struct add_arguments arguments = {.a = typed_a.data, .b = typed_b.data, .y = y.data, .values = values, .relu = relu,
                                      .half = half};
    RUN(add, some_blocks(random), arguments);
    assert_typed("a + b", &y, expected, values);
    if (!in_place)
        free(y.data);
    free(a), free(b), free(expected), free(typed_a.data), free(typed_b.data);
}

static void test_adds(void **state)
{
    (void)state;
    static const size_t values[] = {1, 3, 4, 1023, 1024, 1025, 5000};
    uint64_t random = 11;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        for (int flags = 0; flags < 8; flags++)
            check_add(values[i], flags & 1, flags >> 1 & 1, flags >> 2, &random);
}

/* ---- centred_sums ---- */

static void check_centred(size_t rows, int channels, int parts, int half, int alone, uint64_t *random)
{
    size_t count = rows * (size_t)channels, run = (rows + (size_t)parts - 1) / (size_t)parts;
    size_t sum_count = (size_t)(parts * channels);
    float *x = floats_new(count), *dy = floats_new(count), *totals = floats_new((size_t)channels), *sums = bytes_new(sum_count * 4);
    double *expected = calloc(sum_count, sizeof *expected);
    assert_non_null(expected);
    fill_random(x, count, random);
    fill_random(dy, count, random);
    fill_random(totals, (size_t)channels, random);
    struct typed typed_x = typed_of(x, count, half), typed_dy = typed_of(dy, count, half);
    for (size_t i = 0; i < count; i++) {
        size_t c = i % (size_t)channels;
        double centred = x[i] - (double)totals[c] / (double)rows;
        expected[i / (size_t)channels / run * (size_t)channels + c] += (alone ? centred : dy[i]) * centred;
    }
    struct centred_sums_arguments a = {.x = typed_x.data, .dy = alone ? NULL : typed_dy.data, .totals = totals, .sums = sums,
                                       .rows = rows, .channels = channels, .parts = parts, .half = half};
    RUN(centred_sums, some_blocks(random), a);
    assert_close("sums", sums, expected, sum_count, 2e-6);
    free(x), free(dy), free(totals), free(sums), free(expected), free(typed_x.data), free(typed_dy.data);
}

static void test_centred_sums(void **state)
{
    (void)state;
    static const struct { size_t rows; int channels, parts; } sizes[] = {
        {576, 64, 9}, {49, 3, 1}, {507, 130, 8}, {1, 192, 1}, {300, 16, 7}, {65, 1, 65},
    };
    uint64_t random = 12;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int flags = 0; flags < 4; flags++)
            check_centred(sizes[i].rows, sizes[i].channels, sizes[i].parts, flags & 1, flags >> 1, &random);
}

/* ---- batch norm, with rows that two blocks share ---- */

enum { ROWS = 53, CHANNELS = 7, COUNT = ROWS * CHANNELS };

struct batch {
    float x[COUNT], gamma[CHANNELS], beta[CHANNELS], weights[COUNT]; /* weights: the objective is the sum of weights * y */
    float means[CHANNELS], squares[CHANNELS]; /* the sums over the rows */
};

static const double epsilon = 0.001;

static void moments_of(const double *x, double *mean, double *variance)
{
    for (int c = 0; c < CHANNELS; c++) {
        mean[c] = variance[c] = 0;
        for (int row = 0; row < ROWS; row++)
            mean[c] += x[row * CHANNELS + c] / ROWS;
        for (int row = 0; row < ROWS; row++)
            variance[c] += pow(x[row * CHANNELS + c] - mean[c], 2) / ROWS;
    }
}

static void batch_open(struct batch *b, uint64_t random)
{
    double x[COUNT], mean[CHANNELS], variance[CHANNELS];
    fill_random(b->x, COUNT, &random);
    fill_random(b->gamma, CHANNELS, &random);
    fill_random(b->beta, CHANNELS, &random);
    fill_random(b->weights, COUNT, &random);
    for (int i = 0; i < COUNT; i++)
        x[i] = b->x[i] = 3 * b->x[i] + 1;
    moments_of(x, mean, variance);
    for (int c = 0; c < CHANNELS; c++)
        b->means[c] = (float)(mean[c] * ROWS), b->squares[c] = (float)(variance[c] * ROWS);
}

/* The sum of weights * y, in double. */
static double objective(const struct batch *b, const double *x, const double *gamma)
{
    double mean[CHANNELS], variance[CHANNELS], sum = 0;
    moments_of(x, mean, variance);
    for (int i = 0; i < COUNT; i++) {
        int c = i % CHANNELS;
        sum += b->weights[i] * (gamma[c] * (x[i] - mean[c]) / sqrt(variance[c] + epsilon) + b->beta[c]);
    }
    return sum;
}

static struct batch_moments batch_moments(const struct batch *b)
{
    return (struct batch_moments){.mean = b->means, .variance = b->squares, .share = 1.0f / ROWS, .epsilon = (float)epsilon};
}

static void test_normalises(void **state)
{
    (void)state;
    struct batch b;
    double x[COUNT], mean[CHANNELS], variance[CHANNELS], expected[COUNT], mean_sums[CHANNELS], variance_sums[CHANNELS];
    float y[COUNT], means[CHANNELS], variances[CHANNELS];
    batch_open(&b, 13);
    for (int i = 0; i < COUNT; i++)
        x[i] = b.x[i];
    moments_of(x, mean, variance);
    for (int relu = 0; relu < 2; relu++) {
        struct batch_norm_forward_arguments a = {
            .x = b.x, .y = y, .moments = batch_moments(&b), .gamma = b.gamma, .beta = b.beta, .mean_sums = means,
            .variance_sums = variances, .images = 4, .rows = ROWS, .channels = CHANNELS, .relu = relu,
        };
        for (int i = 0; i < COUNT; i++) {
            int c = i % CHANNELS;
            expected[i] = b.gamma[c] * (x[i] - mean[c]) / sqrt(variance[c] + epsilon) + b.beta[c];
            expected[i] = relu ? fmax(0, expected[i]) : expected[i];
            mean_sums[c] = 4 * mean[c], variance_sums[c] = 4 * variance[c];
        }
        RUN(batch_norm_forward, relu + 1, a);
        assert_close("y", y, expected, COUNT, 1e-6);
        assert_close("means", means, mean_sums, CHANNELS, 1e-6);
        assert_close("variances", variances, variance_sums, CHANNELS, 1e-6);
    }
}

static double difference(const struct batch *b, double *x, double *gamma, double *value)
{
    double middle = *value, step = 1e-4;
    *value = middle + step;
    double above = objective(b, x, gamma);
    *value = middle - step;
    double below = objective(b, x, gamma);
    *value = middle;
    return (above - below) / (2 * step);
}

static void test_goes_back(void **state)
{
    (void)state;
    struct batch b;
    double x[COUNT], gamma[CHANNELS], dx[COUNT], dgamma[CHANNELS], dbeta[CHANNELS] = {0}, products[CHANNELS] = {0};
    float got[COUNT], got_gamma[CHANNELS], dbeta_floats[CHANNELS], product_floats[CHANNELS];
    batch_open(&b, 14);
    for (int i = 0; i < COUNT; i++) {
        x[i] = b.x[i], gamma[i % CHANNELS] = b.gamma[i % CHANNELS];
        dbeta[i % CHANNELS] += b.weights[i];
        products[i % CHANNELS] += b.weights[i] * (b.x[i] - (double)b.means[i % CHANNELS] / ROWS);
    }
    for (int i = 0; i < COUNT; i++)
        dx[i] = difference(&b, x, gamma, &x[i]);
    for (int c = 0; c < CHANNELS; c++) {
        dgamma[c] = difference(&b, x, gamma, &gamma[c]);
        dbeta_floats[c] = (float)dbeta[c], product_floats[c] = (float)products[c];
    }
    struct batch_norm_backward_arguments a = {
        .x = b.x, .dy = b.weights, .dx = got, .moments = batch_moments(&b), .gamma = b.gamma, .dbeta = dbeta_floats,
        .products = product_floats, .dgamma = got_gamma, .rows = ROWS, .channels = CHANNELS,
    };
    RUN(batch_norm_backward, 2, a);
    assert_close("dx", got, dx, COUNT, 1e-5);
    assert_close("dgamma", got_gamma, dgamma, CHANNELS, 1e-5);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adds),
        cmocka_unit_test(test_centred_sums),
        cmocka_unit_test(test_normalises),
        cmocka_unit_test(test_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
