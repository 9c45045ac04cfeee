/* Archives of records or images: tar and zip, compressed or not. */
#include "source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    source_read(fuzz_file("input", data, size));
    return 0;
}

enum { BLOCK = 512, SUM = 148, SUM_LENGTH = 8, MAGIC = 257 };

/* The checksum of a tar header is the sum of its bytes, with spaces in place of the checksum. */
static void sum_repair(uint8_t *header)
{
    unsigned sum = 0;
    char text[SUM_LENGTH + 1];
    memset(header + SUM, ' ', SUM_LENGTH);
    for (int i = 0; i < BLOCK; i++)
        sum += header[i];
    snprintf(text, sizeof text, "%06o", sum);
    memcpy(header + SUM, text, SUM_LENGTH - 1);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, size_max);
    for (size_t at = 0; seed % 8 && at + BLOCK <= size; at += BLOCK)
        if (!memcmp(data + at + MAGIC, "ustar", 5))
            sum_repair(data + at);
    return size;
}
