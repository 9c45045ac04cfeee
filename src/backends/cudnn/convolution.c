/* Convolutions by cuDNN: plans and runs them. convolution_engines.c finds the engines, convolution_choose.c chooses one. */
#include "convolution.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- plans ---- */

int cudnn_convolution_init(struct cudnn_convolution *c, const struct cudnn_library *library,
                           const struct convolution_request *request, struct error *why)
{
    memset(c, 0, sizeof *c);
    c->library = library, c->layer = request->layer, c->batch = request->batch, c->x_channels = request->x_channels;
    c->dfilter_half = library->precision == PRECISION_BF16;
    const bool wanted[PASSES] = {true, request->input_gradient, request->backward};
    struct passes *own = c->own = memory_new(1, sizeof *own, "a convolution's plans", why);
    if (!own)
        return -1;
    for (int pass = 0; pass < PASSES; pass++)
        if (wanted[pass] && (pass_graph_init(&own->graphs[pass], c, (enum convolution_pass)pass, why) ||
                             engines_find(c, (enum convolution_pass)pass, why)))
            return -1;
    return 0;
}

size_t cudnn_convolution_workspace(const struct cudnn_convolution *c)
{
    size_t most = 0;
    for (int pass = 0; pass < PASSES; pass++)
        for (int i = 0; i < c->engine_count[pass]; i++)
            if (c->engines[pass][i].workspace > most)
                most = c->engines[pass][i].workspace;
    return most;
}

void cudnn_convolution_free(struct cudnn_convolution *c)
{
    struct passes *own = c->own;
    for (int pass = 0; pass < PASSES; pass++) {
        for (int i = 0; i < c->engine_count[pass]; i++)
            engine_free(&c->engines[pass][i]);
        if (own) {
            descriptor_free(own->packs[pass]);
            pass_graph_free(&own->graphs[pass]);
        }
    }
    free(own);
    memset(c, 0, sizeof *c);
}

/* ---- running ---- */

static int pack_make(struct cudnn_convolution *c, enum convolution_pass pass, void *const places[TENSORS], struct error *why)
{
    const int64_t all[TENSORS] = {TENSOR_X, TENSOR_FILTER, TENSOR_Y, TENSOR_BIAS};
    const int64_t count = pass == PASS_FORWARD && has_bias(c->layer) ? TENSORS : TENSOR_BIAS;
    struct passes *own = c->own;
    const struct descriptor_attribute attributes[] = {
        {CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, all},
        {CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, places},
        {CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &c->library->workspace},
    };
    descriptor_free(own->packs[pass]);
    own->packs[pass] = descriptor_new(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, attributes, COUNT(attributes), why);
    memcpy(own->places[pass], places, sizeof own->places[pass]);
    return own->packs[pass] ? 0 : -1;
}

int pack_follow(struct cudnn_convolution *c, enum convolution_pass pass, const struct convolution_memory *m, struct error *why)
{
    const struct passes *own = c->own;
    void *const places[TENSORS] = {
        [TENSOR_X] = pass == PASS_INPUT ? m->dx : m->x,
        [TENSOR_FILTER] = pass == PASS_WEIGHTS ? m->dfilter : m->filter,
        [TENSOR_Y] = pass == PASS_FORWARD ? m->y : m->dy,
        [TENSOR_BIAS] = pass == PASS_FORWARD ? (void *)m->bias : NULL,
    };
    if (own->packs[pass] && !memcmp(places, own->places[pass], sizeof places))
        return 0;
    return pack_make(c, pass, places, why);
}

int engine_run(const struct cudnn_convolution *c, enum convolution_pass pass, int i, struct error *why)
{
    const struct passes *own = c->own;
    return CUDNN(cudnnBackendExecute(c->library->cudnn, c->engines[pass][i].plan, own->packs[pass]), why);
}

int cudnn_convolution_run(struct cudnn_convolution *c, enum convolution_pass pass, const struct convolution_memory *memory,
                    struct error *why)
{
    return pack_follow(c, pass, memory, why) || engine_run(c, pass, c->chosen[pass], why) ? -1 : 0;
}

/* Appends to the text, as far as there is room. */
static void text_add(char *text, size_t size, const char *format, ...)
{
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + length, size - length, format, arguments);
    va_end(arguments);
}

/* " (0.042 ms, best of 6, 3 too large, 1 failed, 1 wrong)": the parts that apply. */
static void choice_about(const struct cudnn_convolution *c, int pass, char *text, size_t size)
{
    const struct engine_counts *counts = &c->counts[pass];
    const char *before = " (";
    if (c->milliseconds[pass] > 0) {
        text_add(text, size, "%s%.3f ms, best of %d", before, (double)c->milliseconds[pass],
                 c->engine_count[pass] - counts->failed - counts->wrong);
        before = ", ";
    }
    if (counts->too_large > 0) {
        text_add(text, size, "%s%d too large", before, counts->too_large);
        before = ", ";
    }
    if (counts->failed > 0) {
        text_add(text, size, "%s%d failed", before, counts->failed);
        before = ", ";
    }
    if (counts->wrong > 0) {
        text_add(text, size, "%s%d wrong", before, counts->wrong);
        before = ", ";
    }
    if (*before == ',')
        text_add(text, size, ")");
}

void cudnn_convolution_about(const struct cudnn_convolution *c, char *text, size_t size)
{
    static const char *const words[PASSES] = {"forward", "input", "weights"};
    text[0] = '\0';
    for (int pass = 0; pass < PASSES; pass++) {
        if (c->engine_count[pass] == 0)
            continue;
        text_add(text, size, "%s%s %s", *text ? "; " : "", words[pass], c->engines[pass][c->chosen[pass]].name);
        choice_about(c, pass, text, size);
    }
}
