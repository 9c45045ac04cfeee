/* Checkpoints: read by checkpoint_peek, checkpoint_load (into the buffers of a small model), checkpoint_check and `inspect`. */
#include "alone.h"
#include "h5_edits.h"

#include "commands.h"
#include "model.h"
#include "store.h"

static const char *const sets[] = {"/params/conv1/weights", "/params/conv1/biases", "/ema/softmax_linear/weights",
                                         "/ema/conv1/biases", "/params/other"};
static const char *const attributes[] = {"format", "format_version", "model", "step", "position", "image_height", "channels",
                                         "classes", "class_names", "loss_average", "resize", "convolutions",
                                         "parameters", "digest", "complete", "other"};
static const struct edit_targets targets = {"tests/fuzz/seeds/checkpoint/latest.h5", sets, attributes, sizeof sets / sizeof *sets,
                                            sizeof attributes / sizeof *attributes};

/* The model of the seeds (tests/fuzz/seeds.py). */
static const struct layer layers[] = {
    {.name = "conv1", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 1, .outputs = 2, .activation = ACTIVATION_RELU},
    {.name = "softmax_linear", .kind = LAYER_DENSE},
};
static const struct model model = {"small", "for fuzzing", 4, 4, layers, 2};

static void load(const char *name)
{
    static float parameters[4096], shadows[4096];
    struct checkpoint checkpoint = {.parameters = parameters, .optimizer = &optimizer_sgd, .states = {shadows}};
    struct error why = {""};
    struct net net;
    if (checkpoint_peek(&checkpoint, name, &why)) {
        must(why.text[0]);
        return;
    }
    must(checkpoint.classes > 0 && checkpoint.channels > 0);
    free(checkpoint.class_names);
    must(!net_init(&net, &model, 3, 2, &why) && net.parameters <= sizeof parameters / sizeof *parameters);
    if (!checkpoint_load(&checkpoint, &net, name, &why))
        free(checkpoint.class_names);
    else
        must(why.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct options options = {.command = COMMAND_INSPECT};
    char *name = (char *)h5_input(&targets, data, size);
    struct error why = {""};
    load(name);
    must(!checkpoint_check(name, &why) || why.text[0]);
    options.files = &name;
    options.file_count = 1;
    command_inspect(&options, &alone);
    return 0;
}
