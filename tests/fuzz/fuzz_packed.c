/* Packed files: opens the training split as training does, and runs `inspect`. */
#include "alone.h"
#include "h5_edits.h"

#include "commands.h"
#include "data.h"

static const char *const sets[] = {"/train/images", "/train/labels", "/test/images"};
static const char *const attributes[] = {"format", "format_version", "name", "class_names", "resize"};
static const struct edit_targets targets = {"tests/fuzz/seeds/packed/latest.h5", sets, attributes, sizeof sets / sizeof *sets,
                                            sizeof attributes / sizeof *attributes};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct options options = {.command = COMMAND_INSPECT};
    char *name = (char *)h5_input(&targets, data, size);
    struct dataset dataset;
    struct error why = {""};
    if (!dataset_open(&dataset, &alone, name, "train", &why)) {
        must(dataset.count > 0 && dataset.labels[dataset.count - 1] < dataset.classes);
        dataset_close(&dataset);
    } else
        must(why.text[0]);
    options.files = &name;
    options.file_count = 1;
    command_inspect(&options, &alone);
    return 0;
}
