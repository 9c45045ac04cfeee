/* What the real cuDNN plans for a device that is not there: `plans DEVICE.json` prints a line for each convolution of each model,
 * pass, precision, deterministic or not: the engine that comes first, its workspace, how many fit. A case each in a child process.
 * Exit code 1 where a case found no engine or its child died. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/cudnn/cudnn.h"

enum { BATCH = 128, LIMIT = 32 << 20, HALF_CHANNELS = 8 };

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

static void print_passes(const struct convolution *c, const char *device)
{
    const struct library *library = c->library;
    for (int pass = 0; pass < PASSES; pass++) {
        const struct engine *e = &c->engines[pass][0];
        if (c->engine_count[pass] == 0)
            continue;
        printf("| %s | %s | %s | %s | %s | %s | %.2f | %d |\n", device, c->layer->layer.name, passes[pass],
               precisions[library->precision], library->deterministic ? "yes" : "no", e->name,
               (double)e->workspace / (1 << 20), c->engine_count[pass]);
    }
}

/* In a child: the library may crash. */
static int plan_case(const char *file, const char *device, const struct net_layer *l, bool first, enum precision precision,
                     bool deterministic)
{
    struct error why;
    struct library library = {.precision = precision, .deterministic = deterministic, .workspace_limit = LIMIT};
    struct convolution c;
    int channels = precision == PRECISION_BF16 && l->in.channels < HALF_CHANNELS ? HALF_CHANNELS : l->in.channels;
    struct convolution_request request = {.layer = l, .batch = BATCH, .x_channels = channels, .backward = true,
                                          .input_gradient = !first};
    library.properties = device_read(file, &why);
    if (!library.properties || convolution_init(&c, &library, &request, &why)) {
        printf("| %s | %s | %s | %s: %s\n", device, l->layer.name, precisions[precision], deterministic ? "deterministic" : "any",
               why.text);
        return 1;
    }
    print_passes(&c, device);
    return 0;
}

static int run_case(const char *file, const char *device, const struct net_layer *l, bool first, enum precision precision,
                    bool deterministic)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int failed = plan_case(file, device, l, first, precision, deterministic);
        fflush(stdout);
        _exit(failed); /* the library's own end may take its time */
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 1;
    if (WIFSIGNALED(status))
        printf("| %s | %s | %s: the library died of signal %d\n", device, l->layer.name, precisions[precision], WTERMSIG(status));
    return status != 0;
}

static int run_model(const char *file, const char *device, const struct net *net)
{
    int failed = 0;
    for (int precision = PRECISION_FP32; precision <= PRECISION_BF16; precision++)
        for (int deterministic = 0; deterministic <= 1; deterministic++)
            for (int i = 0; i < net->layer_count; i++)
                if (net->layers[i].layer.kind == LAYER_CONVOLUTION)
                    failed += run_case(file, device, &net->layers[i], i == 0, (enum precision)precision, deterministic);
    return failed;
}

/* Other shapes than the tutorial's. */
static const struct layer others[] = {
    {.name = "conv3x3-16", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 1, .outputs = 16, .relu = true},
    {.name = "conv3x3-48-s2", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 2, .outputs = 48, .relu = true},
    {.name = "conv1x1-128", .kind = LAYER_CONVOLUTION, .kernel = 1, .stride = 1, .outputs = 128, .relu = false},
};

int main(int argc, char **argv)
{
    struct error why;
    struct net net;
    const struct model other = {"others", "for this test", 32, 32, others, sizeof others / sizeof *others};
    const struct model *models[] = {model_find("tutorial", &why), &other};
    int failed = 0;
    if (argc != 3) {
        fprintf(stderr, "usage: plans DEVICE.json NAME\n");
        return 2;
    }
    printf("| device | layer | pass | precision | deterministic | first engine | workspace MiB | that fit |\n"
           "|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        if (!models[i] || net_init(&net, models[i], 3, 10, &why)) {
            fprintf(stderr, "%s\n", why.text);
            return 1;
        }
        failed += run_model(argv[1], argv[2], &net);
    }
    return failed > 0;
}
