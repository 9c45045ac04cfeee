/* JPEG and PNG images, decoded and resized. */
#include "fuzz.h"

#include "image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image image = {0};
    struct error why = {""};
    if (!image_decode(&image, data, size, "input", &why)) {
        must(image.height >= 1 && image.width >= 1 && (int64_t)image.height * image.width <= IMAGE_PIXELS_MAX);
        must(!image_resize(&image, 32, 32, size % 2 ? RESIZE_CROP : RESIZE_SQUASH, &why));
        must(image.height == 32 && image.width == 32);
        volatile uint8_t last = image.pixels[32 * 32 * IMAGE_CHANNELS - 1];
        (void)last;
    } else
        must(!image.pixels && why.text[0]);
    image_free(&image);
    return 0;
}

static uint32_t crc_of(const uint8_t *data, size_t size)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* A PNG image consists of chunks: a length, a type, data, and a checksum of type and data. */
static void sums_repair(uint8_t *data, size_t size)
{
    enum { SIGNATURE = 8, AROUND = 12 };
    for (size_t at = SIGNATURE; at + AROUND <= size;) {
        size_t length = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 | (size_t)data[at + 2] << 8 | data[at + 3];
        if (length > size - at - AROUND)
            return;
        uint32_t crc = crc_of(data + at + 4, length + 4);
        for (int i = 0; i < 4; i++)
            data[at + 8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += AROUND + length;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, size_max);
    if (seed % 8 && size > 8 && !memcmp(data, "\x89PNG", 4))
        sums_repair(data, size);
    return size;
}
