/* Shared by the tests of backends: a net on one backend, with host copies of all that it reads and writes; and a runner that runs
 * every test on every backend that can run here. If a backend fails, the test fails with its message. */
#ifndef TESTS_BACKENDS_FIXTURE_H
#define TESTS_BACKENDS_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"

/* ---- random values ---- */

/* Uniform in [-1, 1): the upper 24 bits of xorshift64*. */
static inline float random_float(uint64_t *state)
{
    *state ^= *state >> 12, *state ^= *state << 25, *state ^= *state >> 27;
    return (float)((*state * 0x2545F4914F6CDD1Dull) >> 40) / (float)(1 << 23) - 1;
}

static inline size_t random_below(uint64_t *state, size_t n)
{
    size_t index = (size_t)((random_float(state) + 1) / 2 * (double)n);
    return index < n ? index : n - 1;
}

static inline void fill_random(float *values, size_t count, uint64_t *state)
{
    for (size_t i = 0; i < count; i++)
        values[i] = random_float(state);
}

/* ---- rig: a net on a backend ---- */

/* What a test runs on, and its data. */
struct subject {
    const struct backend *backend;
    enum convolution_choice convolution;
    const void *data;
};

struct rig {
    const struct backend *backend;
    struct model model;
    struct net net;
    struct plan plan;
    float *device_parameters, *device_gradients; /* in the backend's memory */
    size_t input_count, output_count;
    float *parameters, *gradients;         /* host copies: (net.parameters) */
    float *input, *input_gradient;         /* (batch, height, width, channels) */
    float *output, *output_gradient;       /* (batch, outputs) */
};

static inline void must(int status, const struct error *why)
{
    if (status)
        fail_msg("%s", why->text);
}

static inline float *floats_new(size_t count)
{
    float *floats = calloc(count ? count : 1, sizeof *floats);
    assert_non_null(floats);
    return floats;
}

static inline void rig_allocate(struct rig *rig)
{
    struct error why;
    size_t parameters = rig->net.parameters;
    rig->device_parameters = rig->backend->memory_allocate(parameters, "parameters", &why);
    rig->device_gradients = rig->backend->memory_allocate(parameters, "gradients", &why);
    assert_non_null(rig->device_parameters);
    assert_non_null(rig->device_gradients);
    rig->input_count = (size_t)rig->plan.batch * shape_size(rig->net.input);
    rig->output_count = (size_t)rig->plan.batch * shape_size(rig->net.layers[rig->net.layer_count - 1].out);
    rig->parameters = floats_new(parameters);
    rig->gradients = floats_new(parameters);
    rig->input = floats_new(rig->input_count);
    rig->input_gradient = floats_new(rig->input_count);
    rig->output = floats_new(rig->output_count);
    rig->output_gradient = floats_new(rig->output_count);
}

/* Skips the test if the backend cannot compute the model. */
static inline void skip_unsupported(const struct backend *backend, const struct model *model)
{
    struct error why;
    if (!backend_supports(backend, model, &why))
        return;
    print_message("%s\n", why.text);
    skip();
}

/* Opens a rig of a model, as the request says; sets request.net. */
static inline void rig_open_plan(struct rig *rig, const struct backend *backend, const struct model *model,
                                 int channels, int classes, struct plan_request request)
{
    struct error why;
    memset(rig, 0, sizeof *rig);
    rig->backend = backend;
    rig->model = *model;
    must(net_init(&rig->net, &rig->model, channels, classes, &why), &why);
    request.net = &rig->net;
    must(backend->plan(&rig->plan, &request, &why), &why);
    rig_allocate(rig);
}

/* Opens a rig of a model, with input gradients if it trains. */
static inline void rig_open_model(struct rig *rig, const struct subject *subject, const struct model *model,
                                  int channels, int classes, int batch, bool training)
{
    struct plan_request request = {.batch = batch, .training = training, .input_gradient = training, .deterministic = true,
                                   .convolution = subject->convolution};
    rig_open_plan(rig, subject->backend, model, channels, classes, request);
}

/* Opens a rig of one layer, for training. */
static inline void rig_open(struct rig *rig, const struct subject *subject, const struct layer *layer,
                            struct shape input, int batch)
{
    struct model model = {"test", "one layer", input.height, input.width, layer, 1};
    rig_open_model(rig, subject, &model, input.channels, 10, batch, true);
}

static inline void rig_close(struct rig *rig)
{
    rig->backend->plan_free(&rig->plan);
    net_free(&rig->net);
    rig->backend->memory_free(rig->device_parameters);
    rig->backend->memory_free(rig->device_gradients);
    free(rig->parameters), free(rig->gradients);
    free(rig->input), free(rig->input_gradient);
    free(rig->output), free(rig->output_gradient);
}

/* input, parameters -> output */
static inline void rig_forward(struct rig *rig)
{
    struct error why;
    const struct backend *b = rig->backend;
    must(b->memory_upload(rig->plan.input, rig->input, rig->input_count, &why), &why);
    must(b->memory_upload(rig->device_parameters, rig->parameters, rig->net.parameters, &why), &why);
    for (int i = 0; i < rig->plan.stage_count; i++) {
        struct stage *stage = &rig->plan.stages[i];
        if (stage->prepare)
            must(stage->prepare(stage, rig->device_parameters, &why), &why);
        must(stage->forward(stage, rig->device_gradients, &why), &why);
    }
    must(b->memory_download(rig->output, rig->plan.output, rig->output_count, &why), &why);
}

/* The backward pass of all stages, from the output gradient in the plan -> gradients, input_gradient */
static inline void rig_backward_stages(struct rig *rig)
{
    struct error why;
    const struct backend *b = rig->backend;
    for (int i = rig->plan.stage_count - 1; i >= 0; i--)
        must(rig->plan.stages[i].backward(&rig->plan.stages[i], rig->device_gradients, &why), &why);
    must(b->memory_download(rig->gradients, rig->device_gradients, rig->net.parameters, &why), &why);
    if (rig->plan.input_gradient)
        must(b->memory_download(rig->input_gradient, rig->plan.input_gradient, rig->input_count, &why), &why);
}

/* output_gradient -> gradients, input_gradient */
static inline void rig_backward(struct rig *rig)
{
    struct error why;
    must(rig->backend->memory_upload(rig->plan.output_gradient, rig->output_gradient, rig->output_count, &why), &why);
    rig_backward_stages(rig);
}

/* Forward, loss, backward of the first `count` images. */
static inline struct loss_sums rig_step(struct rig *rig, const int32_t *labels, int count)
{
    struct error why;
    struct loss_sums sums;
    rig_forward(rig);
    must(rig->backend->loss(&rig->plan, labels, count, &sums, &why), &why);
    must(rig->backend->memory_download(rig->output_gradient, rig->plan.output_gradient, rig->output_count, &why), &why);
    rig_backward_stages(rig);
    return sums;
}

/* ---- comparison ---- */

/* The largest difference is at most `tolerance` of the largest value expected. */
static inline void assert_close(const char *what, const float *got, const double *want, size_t count, double tolerance)
{
    double largest = 0, worst = 0;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = fabs(got[i] - want[i]);
        largest = fmax(largest, fabs(want[i]));
        if (difference > worst || isnan(difference))
            worst = isnan(difference) ? INFINITY : difference, at = i;
    }
    if (worst > tolerance * largest)
        fail_msg("%s[%zu] is %.9g, expected %.9g; largest value %.3g, tolerance %.1g of it", what, at, got[at],
                 want[at], largest, tolerance);
}

static inline void assert_close_floats(const char *what, const float *got, const float *want, size_t count,
                                       double tolerance)
{
    double *wide = calloc(count ? count : 1, sizeof *wide);
    assert_non_null(wide);
    for (size_t i = 0; i < count; i++)
        wide[i] = want[i];
    assert_close(what, got, wide, count, tolerance);
    free(wide);
}

/* ---- every test on every backend ---- */

/* function(state): *state is a struct subject with `data`. */
struct backend_test {
    const char *name;
    CMUnitTestFunction function;
    const void *data;
    bool convolutes; /* also run with direct convolutions, on a backend that has another algorithm */
};

enum { BACKENDS_MAX = 8, UNITS_MAX = 512 };

struct units {
    char names[UNITS_MAX][128];
    struct subject subjects[UNITS_MAX];
    struct CMUnitTest tests[UNITS_MAX];
    size_t count;
};

static inline void add_unit(struct units *units, const char *name, CMUnitTestFunction function,
                            struct subject subject)
{
    size_t i = units->count++;
    if (i >= UNITS_MAX)
        abort();
    snprintf(units->names[i], sizeof units->names[i], "%s: %s", subject.backend->name, name);
    units->subjects[i] = subject;
    units->tests[i] = (struct CMUnitTest){units->names[i], function, NULL, NULL, &units->subjects[i]};
}

static inline void add_backend(struct units *units, const struct backend *backend, const struct backend_test *tests,
                               int count)
{
    char about[256], name[100];
    struct error why;
    if (backend->probe(about, sizeof about, &why)) /* test_registry reports the reason */
        return;
    if (backend->set_threads(1, &why))
        abort();
    for (int t = 0; t < count; t++) {
        struct subject subject = {backend, CONVOLUTION_AUTO, tests[t].data};
        add_unit(units, tests[t].name, tests[t].function, subject);
        if (!tests[t].convolutes || !backend->knows)
            continue;
        snprintf(name, sizeof name, "%s (direct)", tests[t].name);
        subject.convolution = CONVOLUTION_DIRECT;
        add_unit(units, name, tests[t].function, subject);
    }
}

/* Runs the tests as "backend: name", on one thread, in TAP. A pattern on the command line selects tests (cmocka's * and ?). */
static inline int run_on_backends(int argc, char **argv, const struct backend_test *tests, int count)
{
    static struct units units;
    for (int i = 0; i < BACKENDS_MAX && backend_at(i); i++)
        add_backend(&units, backend_at(i), tests, count);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return _cmocka_run_group_tests("backends", units.tests, units.count, NULL, NULL);
}

#endif
