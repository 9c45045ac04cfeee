/* The algorithm of each convolution is measured, kept as text, and followed by a plan. */
#include "fixture.h"
#include "tower.h"

static const struct layer layers[] = {
    {.name = "conv1", .kind = LAYER_CONVOLUTION, .kernel = 5, .stride = 1, .outputs = 16,
     .activation = ACTIVATION_RELU}, /* has 3 input channels */
    {.name = "conv2", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 1, .outputs = 16, .activation = ACTIVATION_RELU},
    {.name = "conv3", .kind = LAYER_CONVOLUTION, .kernel = 5, .stride = 1, .outputs = 32, .activation = ACTIVATION_RELU},
    {.name = "conv4", .kind = LAYER_CONVOLUTION, .kernel = 5, .stride = 2, .outputs = 32, .activation = ACTIVATION_RELU},
    {.name = "softmax", .kind = LAYER_DENSE},
};
enum { CONV1, CONV2, CONV3, CONV4, LAYERS = sizeof layers / sizeof *layers };
static const struct model model = {"test", "convolutions", 12, 12, layers, LAYERS};

static void request_open(const struct subject *subject, struct net *net, struct tower_request *request)
{
    struct error why;
    must(net_init(net, &model, 3, 10, &why), &why);
    *request = (struct tower_request){.backend = subject->backend, .net = net, .batch = 4, .training = true};
}

static void test_measure(void **state)
{
    const struct subject *subject = *state;
    struct net net;
    struct tower_request request;
    struct convolution_ways ways;
    struct error why;
    request_open(subject, &net, &request);
    must(convolution_ways_init(&ways, &net, &why), &why);
    must(convolutions_measure(&ways, &request, &why), &why);
    for (int i = 0; i < LAYERS; i++) {
        bool two = subject->backend->knows && (i == CONV2 || i == CONV3);
        assert_int_equal(ways.choices[i] != CONVOLUTION_AUTO, two);
        assert_int_equal(ways.direct[i] > 0 && ways.winograd[i] > 0, two);
        if (two) /* noise must not decide */
            assert_int_equal(ways.choices[i] == CONVOLUTION_DIRECT, ways.direct[i] * 1.1 < ways.winograd[i]);
    }
    assert_int_equal(ways.batch, 4);
    convolution_ways_free(&ways);
    net_free(&net);
}

static void test_text(void **state)
{
    const struct subject *subject = *state;
    struct net net;
    struct tower_request request;
    struct convolution_ways ways, read;
    struct error why;
    char text[1024];
    request_open(subject, &net, &request);
    must(convolution_ways_init(&ways, &net, &why), &why);
    must(convolution_ways_init(&read, &net, &why), &why);
    ways.choices[CONV2] = CONVOLUTION_DIRECT;
    convolutions_text(&ways, subject->backend, &net, text, sizeof text);
    assert_string_equal(text, subject->backend->knows ? "conv2=direct conv3=winograd" : "");
    convolutions_read(&read, &net, "conv2=direct other=direct conv3=winograd conv4");
    assert_int_equal(read.choices[CONV2], CONVOLUTION_DIRECT);
    assert_int_equal(read.choices[CONV3], CONVOLUTION_WINOGRAD);
    assert_int_equal(read.choices[CONV1], CONVOLUTION_AUTO);
    assert_int_equal(read.choices[CONV4], CONVOLUTION_AUTO);
    convolution_ways_free(&ways);
    convolution_ways_free(&read);
    net_free(&net);
}

/* Minimal filtering needs fewer operations, which the stage states. */
static void test_followed(void **state)
{
    const struct subject *subject = *state;
    struct net net;
    struct tower_request request;
    const enum convolution_choice choices[LAYERS] = {[CONV2] = CONVOLUTION_DIRECT, [CONV3] = CONVOLUTION_WINOGRAD};
    struct tower tower;
    struct error why;
    request_open(subject, &net, &request);
    request.convolutions = choices;
    must(tower_init(&tower, &request, &why), &why);
    for (int i = 0; i < tower.plan.stage_count; i++)
        assert_int_equal(tower.plan.stages[i].forward_operations > 0,
                         subject->backend->knows && tower.plan.stages[i].first == CONV3);
    tower_free(&tower);
    net_free(&net);
}

int main(int argc, char **argv)
{
    const struct backend_test tests[] = {
        {"ways are measured where there are two", test_measure, NULL, false},
        {"ways as text", test_text, NULL, false},
        {"a plan follows the choice", test_followed, NULL, false},
    };
    return run_on_backends(argc, argv, tests, sizeof tests / sizeof *tests);
}
