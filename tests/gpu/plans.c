/* What the real cuDNN plans for a device that is not there: `plans DEVICE.json` prints a line for each convolution of each model,
 * pass, precision, deterministic or not, and for the tutorial's model at each batch, within the default workspace: how many engines
 * are offered, fit, and are too large; which comes first, its workspace and the largest. A case each in a child process.
 * Exit code 1 where a case found no engine or its child died, or the generic engine comes first and cuDNN has another. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/cudnn/cudnn.h"

enum { HALF_CHANNELS = 8 };

static const int batches[] = {128, 512, 2048};

/* What is planned, and for which device. */
struct wish {
    const char *file, *device;
    const struct net *net;
    int batch;
    enum precision precision;
    bool deterministic;
};

static const char *const precisions[] = {[PRECISION_FP32] = "fp32", [PRECISION_TF32] = "tf32", [PRECISION_BF16] = "bf16"};
static const char *const passes[PASSES] = {[PASS_FORWARD] = "forward", [PASS_INPUT] = "input", [PASS_WEIGHTS] = "weights"};

/* A device by its properties, as cuDNN serialises them. */
static cudnnBackendDescriptor_t device_read(const char *file, struct error *why)
{
    static char text[1 << 16];
    FILE *f = fopen(file, "r");
    size_t length = f ? fread(text, 1, sizeof text - 1, f) : 0;
    cudnnBackendDescriptor_t device = NULL;
    if (f)
        fclose(f);
    if (length == 0) {
        error_set(why, "%s cannot be read", file);
        return NULL;
    }
    if (CUDNN(cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &device), why) ||
        CUDNN(cudnnBackendSetAttribute(device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, (int64_t)length, text),
              why) || CUDNN(cudnnBackendFinalize(device), why))
        return NULL;
    return device;
}

static int with_tensor_cores(const struct convolution *c, int pass)
{
    int count = 0;
    for (int i = 0; i < c->engine_count[pass]; i++)
        count += c->engines[pass][i].notes >> CUDNN_NUMERICAL_NOTE_TENSOR_CORE & 1;
    return count;
}

static size_t largest(const struct convolution *c, int pass)
{
    size_t most = 0;
    for (int i = 0; i < c->engine_count[pass]; i++)
        if (c->engines[pass][i].workspace > most)
            most = c->engines[pass][i].workspace;
    return most;
}

static void print_pass(const struct convolution *c, int pass, const struct wish *w)
{
    const struct engine *e = &c->engines[pass][0];
    const struct engine_counts *counts = &c->counts[pass];
    printf("| %s | %s | %s | %s | %s | %d | %d | %d | %d | %d | %s | %.1f | %.1f | %.0f |\n", w->device,
           w->deterministic ? "yes" : "no", c->layer->layer.name, passes[pass], precisions[w->precision], w->batch, counts->offered,
           c->engine_count[pass], with_tensor_cores(c, pass), counts->too_large, e->name, (double)e->workspace / (1 << 20),
           (double)largest(c, pass) / (1 << 20), (double)c->library->workspace_limit / (1 << 20));
}

/* Engine 0 computes any convolution, slowly: it comes first only where there is no other. */
static int print_passes(const struct convolution *c, const struct wish *w)
{
    int failed = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        if (c->engine_count[pass] == 0)
            continue;
        print_pass(c, pass, w);
        bool others = c->engines[pass][c->engine_count[pass] - 1].number != 0 || c->counts[pass].too_large > 0;
        if (c->engines[pass][0].number == 0 && others)
            failed = !!printf("the generic engine comes first, and there is another\n");
    }
    return failed;
}

/* In a child: the library may crash. */
static int plan_case(const struct wish *w, const struct net_layer *l)
{
    struct error why;
    const struct plan_request plan = {.net = w->net, .batch = w->batch, .precision = w->precision};
    struct library library = {.precision = w->precision, .deterministic = w->deterministic,
                              .workspace_limit = workspace_limit(&plan)};
    struct convolution c;
    bool first = l == w->net->layers;
    int channels = w->precision == PRECISION_BF16 && l->in.channels < HALF_CHANNELS ? HALF_CHANNELS : l->in.channels;
    struct convolution_request request = {.layer = l, .batch = w->batch, .x_channels = channels, .backward = true,
                                          .input_gradient = !first};
    library.properties = device_read(w->file, &why);
    if (!library.properties || convolution_init(&c, &library, &request, &why)) {
        printf("%s: %s\n", w->device, why.text);
        return 1;
    }
    return print_passes(&c, w);
}

static int run_case(const struct wish *w, const struct net_layer *l)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int failed = plan_case(w, l);
        fflush(stdout);
        _exit(failed); /* the library's own end may take its time */
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 1;
    if (WIFSIGNALED(status))
        printf("%s, %s, %s: the library died of signal %d\n", w->device, l->layer.name, precisions[w->precision],
               WTERMSIG(status));
    return status != 0;
}

static int run_model(struct wish wish)
{
    int failed = 0;
    for (int i = 0; i < wish.net->layer_count; i++)
        for (int precision = PRECISION_FP32; precision <= PRECISION_BF16; precision++)
            for (int deterministic = 0; deterministic <= 1; deterministic++) {
                wish.precision = (enum precision)precision;
                wish.deterministic = deterministic;
                if (wish.net->layers[i].layer.kind == LAYER_CONVOLUTION)
                    failed += run_case(&wish, &wish.net->layers[i]);
            }
    return failed;
}

/* Other shapes than the tutorial's. */
static const struct layer others[] = {
    {.name = "conv3x3-16", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 1, .outputs = 16, .activation = ACTIVATION_RELU},
    {.name = "conv3x3-48-s2", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 2, .outputs = 48, .activation = ACTIVATION_RELU},
    {.name = "conv1x1-128", .kind = LAYER_CONVOLUTION, .kernel = 1, .stride = 1, .outputs = 128, .activation = ACTIVATION_NONE},
};

int main(int argc, char **argv)
{
    struct error why;
    struct net tutorial, other;
    const struct model model = {"others", "for this test", 32, 32, others, sizeof others / sizeof *others};
    int failed = 0;
    if (argc != 3) {
        fprintf(stderr, "usage: plans DEVICE.json NAME\n");
        return 2;
    }
    if (net_init(&tutorial, model_find("tutorial", &why), 3, 10, &why) || net_init(&other, &model, 3, 10, &why)) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    printf("cuDNN %zu\n| device | deterministic | layer | pass | precision | batch | offered | fit | on tensor cores | too large | "
           "first | its MiB | largest MiB | limit MiB |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
           cudnnGetVersion());
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++)
        failed += run_model((struct wish){.file = argv[1], .device = argv[2], .net = &tutorial, .batch = batches[i]});
    failed += run_model((struct wish){.file = argv[1], .device = argv[2], .net = &other, .batch = batches[0]});
    return failed > 0;
}
