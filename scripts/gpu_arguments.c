/* For gpu_sass.py: prints the arguments with which a step of the tutorial's model at batch 128 launches the kernels for all shapes,
 * one line per kernel:
 *     KERNEL@TYPE BLOCKS BYTES    TYPE: float or half; BYTES: its struct in kernels.h, in hexadecimal
 * The pointers are dummies: aligned and not NULL. */
#include <stdio.h>

#include "kernels.h"

enum { BATCH = 128, PARAMETERS = 1068298, LAYERS = 5 };

struct layer { uint32_t weights, biases, end; int kernel, in, out; };
static const struct layer layers[LAYERS] = {
    {0, 4800, 4864, 5, 3, 64}, {4864, 107264, 107328, 5, 64, 64}, {107328, 992064, 992448, 0, 2304, 384},
    {992448, 1066176, 1066368, 0, 384, 192}, {1066368, 1068288, PARAMETERS, 0, 192, 10}};

static void *somewhere(int n)
{
    return (void *)((uintptr_t)n << 28);
}

static void print(const char *kernel, int half, unsigned blocks, const void *arguments, size_t size)
{
    printf("%s@%s %u ", kernel, half ? "half" : "float", blocks);
    for (size_t i = 0; i < size; i++)
        printf("%02x", ((const unsigned char *)arguments)[i]);
    printf("\n");
}

static int channels_of(const struct layer *l, int half)
{
    return half ? (l->in + 7) / 8 * 8 : l->in;
}

static void distort(int half)
{
    struct distort_arguments a = {
        .ring = {somewhere(1), 65536, 63, somewhere(2), somewhere(3)}, .images = somewhere(4), .labels = somewhere(5),
        .augmentations = {{[AUGMENT_CROP] = {.on = true}, [AUGMENT_FLIP] = {.on = true, .chance = 0.5f},
                           [AUGMENT_CONTRAST] = {.on = true, .low = 0.2f, .span = 1.6f}}},
        .frame = {32, 32, 3, 24, 24}, .batch = BATCH, .y_channels = channels_of(layers, half), .half = half, .y = somewhere(6), .labels_out = somewhere(7)};
    print("distort", half, BATCH, &a, sizeof a);
}

static void few(int half)
{
    struct few_forward_arguments forward = {
        .x = somewhere(1), .y = somewhere(2), .bias = somewhere(3), .weights = somewhere(4), .labels = somewhere(5),
        .gradient = somewhere(6), .losses = somewhere(7), .batch = BATCH, .in = 192, .outs = 10, .relu = 1, .x_half = half};
    struct few_backward_arguments backward = {
        .x = somewhere(1), .dy = somewhere(2), .dx = somewhere(3), .weights = somewhere(4), .dweights = somewhere(5),
        .dbias = somewhere(6), .losses = somewhere(7), .tail = somewhere(8), .control = somewhere(9), .next = somewhere(10),
        .batch = BATCH, .in = 192, .outs = 10, .masks = 1, .x_half = half};
    print("few_forward", half, BATCH, &forward, sizeof forward);
    print("few_backward", half, 192 / FEW_ROWS + 2, &backward, sizeof backward);
}

/* Sets the arguments and returns the number of blocks. */
static uint32_t finish_set(struct finish_arguments *a, int half)
{
    static const int runs[] = {BATCH * 3, BATCH * 144 / 32};
    *a = (struct finish_arguments){.gradients = somewhere(1), .parameters = somewhere(2), .faults = somewhere(3)};
    for (int i = 0; i < LAYERS; i++) {
        const struct layer *l = &layers[i];
        if (l->kernel)
            finish_add(a, (struct finish_part){.filter = somewhere(4), .sums = somewhere(5), .weights = l->weights,
                                             .biases = l->biases, .in = l->in, .out = l->out, .y_in = channels_of(l, half),
                                             .runs = runs[i], .kernel = (uint16_t)l->kernel, .half = (uint8_t)half});
        else
            finish_add(a, (struct finish_part){.weights = l->weights, .end = l->end});
    }
    finish_add(a, (struct finish_part){.end = PARAMETERS, .of_parameters = 1});
    return a->tiles;
}

static struct slice slice_of(const struct layer *l, int half)
{
    /* Our own kernels read the last layer's parameters, and the biases of the layer before it, in place. */
    const struct layer *before_last = &layers[LAYERS - 2], *last = &layers[LAYERS - 1];
    struct slice s = {.weights = l->weights, .biases = l->biases, .end = l->end, .decay = 0.004f, .kernel = l->kernel,
                      .in = l->in, .out = l->out, .y_in = channels_of(l, half), .half = half};
    s.filter = l->kernel || (half && l < last) ? somewhere(10) : NULL;
    s.bias = half && l < before_last ? somewhere(11) : NULL;
    return s;
}

static void end(int half)
{
    struct finish_arguments finish;
    unsigned blocks = finish_set(&finish, half);
    struct update_arguments update = {
        .parameters = somewhere(1), .gradients = somewhere(2), .shadows = somewhere(3), .tail = somewhere(4),
        .faults = somewhere(5), .control = somewhere(6), .ring = somewhere(7), .count = PARAMETERS, .ring_length = 64,
        .slice_count = LAYERS, .fault_count = (int)blocks};
    for (int i = 0; i < LAYERS; i++)
        update.slices[i] = slice_of(&layers[i], half);
    print("finish", half, blocks, &finish, sizeof finish);
    print("update", half, PENALTIES_MAX, &update, sizeof update);
}

int main(void)
{
    for (int half = 0; half < 2; half++)
        distort(half), few(half), end(half);
    return 0;
}
