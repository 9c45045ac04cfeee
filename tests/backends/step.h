/* Shared by the tests of whole training steps: reading tests/reference/step.h5, and comparing a step with it. */
#ifndef TESTS_BACKENDS_STEP_H
#define TESTS_BACKENDS_STEP_H

#include "agreement.h"
#include "model.h"

enum { STEP_BATCH = 8, STEP_CLASSES = 10, STEPS = 2 };

/* The result of a step, on the host; vectors are net->parameters long. */
struct outcome {
    double loss, penalty;     /* sum of the cross-entropies; the loss's part from weight decay */
    float *before;            /* parameters before the update */
    float *sums;              /* of the gradients over the batch, without weight decay */
    float *updated, *average; /* parameters and moving averages after the update */
};

static inline void outcome_init(struct outcome *outcome, const struct net *net)
{
    *outcome = (struct outcome){.before = floats_new(net->parameters), .sums = floats_new(net->parameters),
                                .updated = floats_new(net->parameters), .average = floats_new(net->parameters)};
}

static inline void outcome_free(struct outcome *outcome)
{
    free(outcome->before);
    free(outcome->sums);
    free(outcome->updated);
    free(outcome->average);
}

/* ---- the step's input ---- */

static inline void step_net(struct net *net)
{
    struct error why;
    const struct model *model = model_find("tutorial", &why);
    assert_non_null(model);
    must(net_init(net, model, 3, STEP_CLASSES, &why), &why);
    assert_int_equal(net->parameters, 1068298);
}

static inline void step_parameters(struct h5 *h5, const struct net *net, float *parameters)
{
    for (const struct tensor *t = net->tensors; t < net->tensors + net->tensor_count; t++) {
        const char *layer = net->layers[t->layer].layer.name;
        char group[64];
        size_t count;
        snprintf(group, sizeof group, "/parameters/%s", layer);
        float *drawn = reference_drawn(h5, group, t->name + strlen(layer) + 1, NULL, &count);
        assert_int_equal(count, t->count);
        memcpy(parameters + t->offset, drawn, count * sizeof *drawn);
        free(drawn);
    }
}

/* The batch of step 1 or 2; each image is a random stream. Returns STEP_BATCH images, freed by the caller. */
static inline float *step_images(struct h5 *h5, const struct net *net, int step, int32_t labels[STEP_BATCH])
{
    size_t count, length = shape_size(net->input);
    float *images = floats_new(STEP_BATCH * length);
    int64_t *streams = reference_read(h5, H5_INT64, NULL, &count, "/step%d/streams", step);
    int64_t *stored = reference_read(h5, H5_INT64, NULL, &count, "/step%d/labels", step);
    assert_int_equal(count, STEP_BATCH);
    for (int n = 0; n < STEP_BATCH; n++) {
        labels[n] = (int32_t)stored[n];
        for (size_t i = 0; i < length; i++)
            images[n * length + i] = reference_draw((uint64_t)streams[n], i, 2);
    }
    free(streams);
    free(stored);
    return images;
}

/* ---- the step's result ---- */

/* Compares sums over the whole tensor, of which the file holds only a sample. */
static inline void check_sums(const struct experiment *e, struct h5 *h5, const char *name, const float *found,
                              size_t count)
{
    double sum = 0, squares = 0, weighted = 0;
    size_t length;
    for (size_t i = 0; i < count; i++) {
        sum += found[i];
        squares += (double)found[i] * found[i];
        weighted += (double)found[i] * reference_draw(900, i, 1);
    }
    double *sums = reference_read(h5, H5_DOUBLE, NULL, &length, "%s_sums", name);
    double norm = sqrt(sums[1]);
    check_number(e, "  its sum, of norm * sqrt(n)", sum, sums[0], norm * sqrt((double)count));
    check_number(e, "  its norm", sqrt(squares), norm, norm);
    check_number(e, "  its weighted sum, of the norm", weighted, sums[2], norm);
    free(sums);
}

/* Compares what the file holds of the tensor: all of it, or every stride-th element. */
static inline void check_variable(const struct experiment *e, struct h5 *h5, const char *name, const float *found,
                                  size_t count)
{
    struct error why;
    int64_t stride;
    size_t length;
    if (h5_get_integer(h5, name, "stride", &stride, &why))
        stride = 1;
    float *expected = reference_read(h5, H5_FLOAT, NULL, &length, "%s", name);
    assert_int_equal(length, (count - 1) / (size_t)stride + 1);
    float *sample = floats_new(length);
    for (size_t i = 0; i < length; i++)
        sample[i] = found[i * (size_t)stride];
    check_near(e, name, sample, expected, length);
    free(sample);
    free(expected);
    if (stride > 1)
        check_sums(e, h5, name, found, count);
}

/* Compares one layer. TensorFlow's gradient is that of the mean loss, including weight decay. */
static inline void check_layer(const struct experiment *e, struct h5 *h5, int step, const struct net_layer *l,
                               const struct outcome *outcome)
{
    size_t count = l->weights->count + l->biases->count;
    float *gradient = floats_new(count);
    for (size_t i = 0; i < count; i++)
        gradient[i] = outcome->sums[l->weights->offset + i] / STEP_BATCH +
                      (i < l->weights->count ? l->layer.decay * outcome->before[l->weights->offset + i] : 0);
    const struct {
        const char *name;
        const float *values;
    } kinds[] = {{"gradients", gradient},
                 {"updated", outcome->updated + l->weights->offset},
                 {"ema", outcome->average + l->weights->offset}};
    char name[128];
    for (int k = 0; k < 3; k++) {
        snprintf(name, sizeof name, "/step%d/%s/%s/weights", step, kinds[k].name, l->layer.name);
        check_variable(e, h5, name, kinds[k].values, l->weights->count);
        snprintf(name, sizeof name, "/step%d/%s/%s/biases", step, kinds[k].name, l->layer.name);
        check_variable(e, h5, name, kinds[k].values + l->weights->count, l->biases->count);
    }
    free(gradient);
}

/* Compares loss, gradients, parameters and moving averages. */
static inline void check_outcome(const struct experiment *e, struct h5 *h5, int step, const struct net *net,
                                 const struct outcome *outcome)
{
    size_t count;
    float *entropy = reference_read(h5, H5_FLOAT, NULL, &count, "/step%d/cross_entropy", step);
    float *loss = reference_read(h5, H5_FLOAT, NULL, &count, "/step%d/loss", step);
    check_number(e, "cross-entropy", outcome->loss / STEP_BATCH, *entropy, *entropy);
    check_number(e, "total loss", outcome->loss / STEP_BATCH + outcome->penalty, *loss, *loss);
    free(entropy);
    free(loss);
    for (int i = 0; i < net->layer_count; i++)
        if (net->layers[i].weights)
            check_layer(e, h5, step, &net->layers[i], outcome);
}

#endif
