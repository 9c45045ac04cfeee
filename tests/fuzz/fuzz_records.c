/* CIFAR-10's binary version: a directory with class names and records. The input is the length of batches.meta.txt (two bytes, low
 * byte first), its text, and data_batch_1.bin. */
#include "source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t names = data[0] + 256u * data[1];
    names = names < size - 2 ? names : size - 2;
    fuzz_file("batches.meta.txt", data + 2, names);
    fuzz_file("data_batch_1.bin", data + 2 + names, size - 2 - names);
    source_read(fuzz_directory());
    return 0;
}
