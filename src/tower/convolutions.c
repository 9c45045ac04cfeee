/* Chooses the algorithm of each convolution: times a tower of each algorithm, stage by stage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tower.h"

enum { TRIALS = 2, BATCH_MOST = 32 };

bool convolution_has_two_ways(const struct backend *backend, const struct net_layer *l)
{
    return l->layer.kind == LAYER_CONVOLUTION && backend->knows && backend->knows(l, CONVOLUTION_WINOGRAD);
}

int convolution_ways_init(struct convolution_ways *ways, const struct net *net, struct error *why)
{
    const char *what = "the algorithms of convolutions";
    size_t layers = (size_t)net->layer_count;
    *ways = (struct convolution_ways){0};
    ways->choices = memory_new(layers, sizeof *ways->choices, what, why);
    ways->direct = memory_new(layers, sizeof *ways->direct, what, why);
    ways->winograd = memory_new(layers, sizeof *ways->winograd, what, why);
    return ways->choices && ways->direct && ways->winograd ? 0 : -1;
}

void convolution_ways_free(struct convolution_ways *ways)
{
    free(ways->choices);
    free(ways->direct);
    free(ways->winograd);
    *ways = (struct convolution_ways){0};
}

/* seconds: by layer, forward and backward of the stage that begins with it: the best of TRIALS, after one to warm up. */
static int time_steps(struct tower *tower, const struct batch *batch, double *seconds, struct error *why)
{
    struct world alone = {.size = 1, .nodes = 1, .node_size = 1};
    struct reducer reducer = {0};
    struct training_request request = {.reducer = &reducer, .slices = 1, .batch = batch, .world = &alone,
                                       .exchange = EXCHANGE_NONE};
    const struct step unchanged = {.rate = 0}; /* it leaves the parameters as they are */
    int status = reducer_init(&reducer, &alone, EXCHANGE_NONE, tower->net->gradients, 1, 1 << 20, why);
    if (!status)
        status = tower_start(tower, &request, why);
    for (int trial = -1; !status && trial < TRIALS; trial++) {
        tower_zero_times(tower);
        status = tower_give(tower, &unchanged, 1, why);
        for (int i = 0; i < tower->plan.stage_count; i++) {
            double found = tower->times[i].forward + tower->times[i].backward;
            double *best = &seconds[tower->plan.stages[i].first];
            *best = trial <= 0 || found < *best ? found : *best;
        }
    }
    reducer_free(&reducer);
    return status;
}

static int time_tower(const struct tower_request *request, const float *numbers, const int32_t *labels,
                      double *seconds, struct error *why)
{
    struct tower tower;
    struct batch batch = {.count = request->batch, .images = numbers, .labels = labels};
    int status = tower_init(&tower, request, why);
    if (!status)
        status = tower_set_parameters(&tower, numbers, why);
    if (!status)
        status = time_steps(&tower, &batch, seconds, why);
    tower_free(&tower);
    return status;
}

/* Times both algorithms, with values of ordinary size as images and parameters. */
static int time_ways(struct tower_request *request, double *direct, double *winograd, struct error *why)
{
    size_t images = (size_t)request->batch * shape_size(request->net->input);
    size_t count = images > request->net->parameters ? images : request->net->parameters;
    float *numbers = memory_new(count, sizeof *numbers, "numbers to time with", why);
    int32_t *labels = memory_new((size_t)request->batch, sizeof *labels, "labels to time with", why);
    for (size_t i = 0; numbers && i < count; i++)
        numbers[i] = 1e-2f * ((float)(i % 31) - 15);
    request->convolution = CONVOLUTION_DIRECT;
    int status = numbers && labels ? time_tower(request, numbers, labels, direct, why) : -1;
    request->convolution = CONVOLUTION_WINOGRAD;
    if (!status)
        status = time_tower(request, numbers, labels, winograd, why);
    free(numbers);
    free(labels);
    return status;
}

int convolutions_measure(struct convolution_ways *ways, const struct tower_request *request, struct error *why)
{
    const double margin = 1.1; /* so that noise does not decide */
    const struct net *net = request->net;
    double *direct = ways->direct, *winograd = ways->winograd;
    struct tower_request trial = *request;
    bool any = false;
    for (int i = 0; i < net->layer_count; i++)
        any |= convolution_has_two_ways(request->backend, &net->layers[i]);
    trial.convolutions = NULL;
    trial.optimizer = NULL;
    trial.batch = ways->batch = request->batch < BATCH_MOST ? request->batch : BATCH_MOST;
    if (any && time_ways(&trial, direct, winograd, why))
        return -1;
    for (int i = 0; i < net->layer_count; i++)
        if (direct[i] > 0 && winograd[i] > 0 && convolution_has_two_ways(request->backend, &net->layers[i]))
            ways->choices[i] = direct[i] * margin < winograd[i] ? CONVOLUTION_DIRECT : CONVOLUTION_WINOGRAD;
        else
            direct[i] = winograd[i] = 0;
    return 0;
}

/* ---- as text: "conv2=winograd conv3=direct" ---- */

void convolutions_text(const struct convolution_ways *ways, const struct backend *backend, const struct net *net,
                       char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (int i = 0; i < net->layer_count && length < size; i++)
        if (convolution_has_two_ways(backend, &net->layers[i]))
            length += (size_t)snprintf(text + length, size - length, "%s%s=%s", length ? " " : "",
                                       net->layers[i].layer.name,
                                       ways->choices[i] == CONVOLUTION_DIRECT ? "direct" : "winograd");
}

static enum convolution_choice choice_of(const char *word)
{
    if (!strcmp(word, "direct"))
        return CONVOLUTION_DIRECT;
    return strcmp(word, "winograd") ? CONVOLUTION_AUTO : CONVOLUTION_WINOGRAD;
}

void convolutions_read(struct convolution_ways *ways, const struct net *net, const char *text)
{
    char name[64], word[16];
    for (int used; sscanf(text, " %63[^ =]=%15s%n", name, word, &used) == 2; text += used)
        for (int i = 0; i < net->layer_count; i++)
            if (!strcmp(net->layers[i].layer.name, name))
                ways->choices[i] = choice_of(word);
}
