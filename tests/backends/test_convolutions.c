/* Convolutions of many shapes against their definition, summed in double: output, and the gradients of input, weights and biases;
 * on every backend, by every algorithm that it has. */
#include "convolution.h"

struct shape_case {
    int height, width, in, out, kernel, stride, batch;
    bool relu;
};

/* Minimal filtering rounds more; onednn's direct weight gradient is one chain of additions over all pixels. */
static double tolerance_of(const struct subject *subject)
{
    if (!subject->backend->knows)
        return 5e-6;
    return subject->convolution == CONVOLUTION_DIRECT ? 1e-4 : 2e-5;
}

static void check_shape(const struct subject *subject, size_t samples)
{
    const struct shape_case *s = subject->data;
    const struct layer layer = {.name = "c", .kind = LAYER_CONVOLUTION, .kernel = s->kernel, .stride = s->stride,
                                .outputs = s->out, .activation = s->relu ? ACTIVATION_RELU : ACTIVATION_NONE};
    struct rig rig;
    uint64_t random = 7;
    rig_open(&rig, subject, &layer, (struct shape){s->height, s->width, s->in}, s->batch);
    fill_random(rig.input, rig.input_count, &random);
    fill_random(rig.parameters, rig.net.parameters, &random);
    fill_random(rig.output_gradient, rig.output_count, &random);
    rig_forward(&rig);
    rig_backward(&rig);
    const struct net_layer *l = &rig.net.layers[0];
    const struct convolution_values values = {l, s->batch, rig.input, rig.output, rig.output_gradient,
                                              rig.parameters + l->weights->offset, rig.parameters + l->biases->offset};
    compare_all(&values, rig.input_gradient, rig.gradients, samples, tolerance_of(subject));
    rig_close(&rig);
}

static void test_all_values(void **state) { check_shape(*state, SIZE_MAX); }
static void test_samples(void **state) { check_shape(*state, 100); }

/* All values are compared. The last shape's windows leave pixels out. */
static const struct shape_case small[] = {
    {12, 12, 16, 64, 5, 1, 2, false}, {7, 7, 3, 16, 5, 2, 3, true},  {13, 13, 3, 48, 3, 1, 1, false},
    {12, 12, 48, 16, 3, 2, 4, true},  {9, 10, 2, 5, 4, 3, 2, false}, {9, 9, 5, 3, 2, 4, 1, false},
};

/* Samples are compared. Every image size occurs with every batch, every kernel, and every number of channels on one side. */
static const struct shape_case large[] = {
    {7, 7, 128, 128, 5, 1, 1, true},  {7, 7, 48, 16, 3, 1, 3, true},     {7, 7, 16, 64, 5, 1, 16, false},
    {7, 7, 64, 48, 3, 1, 64, true},   {12, 12, 64, 128, 3, 1, 1, false}, {12, 12, 128, 48, 5, 1, 3, true},
    {12, 12, 48, 16, 3, 1, 16, true}, {12, 12, 64, 64, 5, 1, 64, true},  {13, 13, 16, 16, 5, 1, 1, true},
    {13, 13, 64, 64, 3, 1, 3, false}, {13, 13, 128, 16, 3, 1, 16, true}, {13, 13, 16, 48, 5, 1, 64, false},
    {24, 24, 48, 64, 3, 1, 1, true},  {24, 24, 16, 128, 5, 1, 3, true},  {24, 24, 64, 16, 5, 1, 16, false},
    {24, 24, 16, 16, 3, 1, 64, true}, {32, 32, 64, 48, 5, 1, 1, false},  {32, 32, 48, 128, 3, 1, 3, true},
    {32, 32, 16, 64, 3, 1, 16, true}, {32, 32, 16, 16, 5, 1, 64, false},
};

enum { SMALL = sizeof small / sizeof *small, ALL = SMALL + sizeof large / sizeof *large };

int main(int argc, char **argv)
{
    static char names[ALL][96];
    struct backend_test tests[ALL];
    for (int i = 0; i < ALL; i++) {
        const struct shape_case *s = i < SMALL ? &small[i] : &large[i - SMALL];
        snprintf(names[i], sizeof *names, "%dx%d/%d, %dx%dx%d to %d%s, batch %d", s->kernel, s->kernel, s->stride,
                 s->height, s->width, s->in, s->out, s->relu ? " + ReLU" : "", s->batch);
        tests[i] = (struct backend_test){names[i], i < SMALL ? test_all_values : test_samples, s, true};
    }
    return run_on_backends(argc, argv, tests, ALL);
}
