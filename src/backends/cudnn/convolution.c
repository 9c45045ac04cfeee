/* Convolutions by cuDNN: the engines that it offers for each pass, those that fit chosen, the fastest run. */
#include "convolution.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct own {
    struct pass_graph graphs[PASSES];
    /* Where the tensors of a pass lie, as cuDNN takes it: made anew where one of them lies elsewhere than in the run before. */
    cudnnBackendDescriptor_t packs[PASSES];
    void *places[PASSES][TENSORS];
    int offered, refused, unfit, too_large; /* engines, of the pass that is being planned */
};

/* ---- which engines fit ---- */

enum { SUGGESTIONS_MAX = 64, RUNS = 3 }; /* of a heuristic; timed, of an engine */

#define NOTE(name) (1u << CUDNN_NUMERICAL_NOTE_##name)

/* Notes of engines that compute with less than what was asked for. bfloat16 products are exact in float. */
static unsigned unwanted_notes(const struct library *library)
{
    unsigned less = NOTE(DOWN_CONVERT_INPUTS) | NOTE(REDUCED_PRECISION_REDUCTION);
    return less | (library->precision == PRECISION_FP32 ? NOTE(TENSOR_CORE) : 0) |
           (library->deterministic ? NOTE(NONDETERMINISTIC) : 0);
}

static int notes_get(cudnnBackendDescriptor_t engine, unsigned *notes, struct error *why)
{
    cudnnBackendNumericalNote_t list[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    int64_t count;
    if (CUDNN(cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                       CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, list), why))
        return -1;
    *notes = 0;
    for (int64_t i = 0; i < count && i < CUDNN_NUMERICAL_NOTE_TYPE_COUNT; i++)
        *notes |= 1u << list[i];
    return 0;
}

static void engine_name(struct engine *e, int64_t number)
{
    snprintf(e->name, sizeof e->name, "engine %lld%s%s%s", (long long)number,
             e->notes & NOTE(TENSOR_CORE) ? ", tensor cores" : "", e->notes & NOTE(WINOGRAD) ? ", Winograd" : "",
             e->notes & NOTE(NONDETERMINISTIC) ? ", not deterministic" : "");
}

/* Number and notes of the engine behind e->config. */
static int engine_describe(struct engine *e, struct error *why)
{
    cudnnBackendDescriptor_t engine;
    int64_t count, number = -1;
    if (CUDNN(cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine), why))
        return -1;
    int failed = CUDNN(cudnnBackendGetAttribute(e->config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                                &count, &engine), why) ||
                 CUDNN(cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &count,
                                                &number), why) ||
                 notes_get(engine, &e->notes, why);
    descriptor_free(engine);
    engine_name(e, number);
    return failed ? -1 : 0;
}

/* The device's own attribute: a handle, or the properties of a device that is not there. */
static struct attribute device_attribute(const struct library *library, cudnnBackendAttributeName_t handle,
                                         cudnnBackendAttributeName_t properties)
{
    if (library->properties)
        return (struct attribute){properties, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &library->properties};
    return (struct attribute){handle, CUDNN_TYPE_HANDLE, 1, &library->cudnn};
}

static int engine_plan(struct engine *e, const struct library *library, struct error *why)
{
    int64_t count, workspace = 0;
    const struct attribute attributes[] = {
        {CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &e->config},
        device_attribute(library, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP),
    };
    e->plan = descriptor_new(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, attributes, COUNT(attributes), why);
    if (!e->plan || CUDNN(cudnnBackendGetAttribute(e->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1,
                                                   &count, &workspace), why))
        return -1;
    e->workspace = (size_t)workspace;
    return 0;
}

static void engine_free(struct engine *e)
{
    descriptor_free(e->plan);
    descriptor_free(e->config);
    memset(e, 0, sizeof *e);
}

/* Takes the suggestion over (e->config), and keeps it where it fits. Which engines a library refuses in the end is its own
 * affair: `why` tells of the last one, for the case that none is left. */
static bool engine_fits(struct engine *e, const struct library *library, struct own *own, struct error *why)
{
    own->offered++;
    if (engine_describe(e, why))
        own->refused++;
    else if (e->notes & unwanted_notes(library))
        own->unfit++;
    else if (engine_plan(e, library, why))
        own->refused++;
    else if (e->workspace > library->workspace_limit)
        own->too_large++;
    else
        return true;
    return false;
}

/* ---- what cuDNN suggests ---- */

static int configs_new(cudnnBackendDescriptor_t *configs, int64_t count, struct error *why)
{
    for (int64_t i = 0; i < count; i++)
        if (CUDNN(cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &configs[i]), why))
            return -1;
    return 0;
}

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Suggested engines, best guess first: the caller frees `configs` (zeroed; SUGGESTIONS_MAX). */
static int suggestions_get(cudnnBackendDescriptor_t heuristic, cudnnBackendDescriptor_t *configs, int64_t *count,
                           struct error *why)
{
    int64_t known = 0;
    if (CUDNN(cudnnBackendGetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &known,
                                       NULL), why))
        return -1;
    *count = lesser(known, SUGGESTIONS_MAX);
    if (*count == 0)
        return 0;
    return configs_new(configs, *count, why) ||
           CUDNN(cudnnBackendGetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, *count,
                                          count, configs), why) ? -1 : 0;
}

static cudnnBackendDescriptor_t heuristic_new(const struct convolution *c, cudnnBackendDescriptor_t graph,
                                              cudnnBackendHeurMode_t mode, struct error *why)
{
    const struct attribute attributes[] = {
        {CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph},
        {CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode},
        {CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &c->library->properties},
    };
    return descriptor_new(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, attributes, COUNT(attributes) - !c->library->properties, why);
}

/* Adds the engines that this heuristic suggests and that fit. It may have nothing to say. */
static void engines_add(struct convolution *c, enum convolution_pass pass, cudnnBackendHeurMode_t mode, struct error *why)
{
    struct own *own = c->own;
    cudnnBackendDescriptor_t configs[SUGGESTIONS_MAX] = {0}, heuristic;
    int64_t count = 0;
    heuristic = heuristic_new(c, own->graphs[pass].graph, mode, why);
    if (heuristic && suggestions_get(heuristic, configs, &count, why))
        count = 0;
    for (int64_t i = 0; i < count && c->engine_count[pass] < ENGINES_MAX; i++) {
        struct engine e = {.config = configs[i]};
        configs[i] = NULL;
        if (engine_fits(&e, c->library, own, why))
            c->engines[pass][c->engine_count[pass]++] = e;
        else
            engine_free(&e);
    }
    for (int i = 0; i < SUGGESTIONS_MAX; i++)
        descriptor_free(configs[i]);
    descriptor_free(heuristic);
}

/* ---- a pass's plans ---- */

static const char *const pass_texts[PASSES] = {
    [PASS_FORWARD] = "forward", [PASS_INPUT] = "gradient of the input", [PASS_WEIGHTS] = "gradient of the weights",
};
static const char *const precision_texts[] = {
    [PRECISION_FP32] = "fp32", [PRECISION_TF32] = "tf32", [PRECISION_BF16] = "bf16",
};

static int no_engine(const struct convolution *c, enum convolution_pass pass, struct error *why)
{
    const struct net_layer *l = c->layer;
    const struct own *own = c->own;
    struct error last = *why;
    return error_set(why,
                     "cuDNN has no way to compute layer %s, %s: %d images of %dx%dx%d, %d windows %dx%d, stride %d, in %s%s, with "
                     "at most %.1f MiB of workspace (of %d engines offered %d compute otherwise, %d need more workspace, %d were "
                     "refused)%s%.300s",
                     l->layer.name, pass_texts[pass], c->batch, l->in.height, l->in.width, c->x_channels, l->layer.outputs,
                     l->layer.kernel, l->layer.kernel, l->layer.stride, precision_texts[c->library->precision],
                     c->library->deterministic ? ", deterministic" : "", (double)c->library->workspace_limit / (1 << 20),
                     own->offered, own->unfit, own->too_large, own->refused, *last.text ? "; " : "", last.text);
}

static int pass_init(struct convolution *c, enum convolution_pass pass, struct error *why)
{
    const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
    struct own *own = c->own;
    if (pass_graph_init(&own->graphs[pass], c, pass, why))
        return -1;
    own->offered = own->refused = own->unfit = own->too_large = 0;
    why->text[0] = '\0';
    for (size_t i = 0; i < COUNT(modes) && c->engine_count[pass] == 0; i++)
        engines_add(c, pass, modes[i], why);
    return c->engine_count[pass] > 0 ? 0 : no_engine(c, pass, why);
}

int convolution_init(struct convolution *c, const struct library *library, const struct convolution_request *request,
                     struct error *why)
{
    memset(c, 0, sizeof *c);
    c->library = library, c->layer = request->layer, c->batch = request->batch, c->x_channels = request->x_channels;
    c->dfilter_half = library->precision == PRECISION_BF16;
    const bool wanted[PASSES] = {true, request->input_gradient, request->backward};
    struct own *own = c->own = memory_new(1, sizeof *own, "a convolution's plans", why);
    if (!own)
        return -1;
    for (int pass = 0; pass < PASSES; pass++)
        if (wanted[pass] && pass_init(c, pass, why))
            return -1;
    return 0;
}

size_t convolution_workspace(const struct convolution *c)
{
    size_t most = 0;
    for (int pass = 0; pass < PASSES; pass++)
        for (int i = 0; i < c->engine_count[pass]; i++)
            if (c->engines[pass][i].workspace > most)
                most = c->engines[pass][i].workspace;
    return most;
}

void convolution_free(struct convolution *c)
{
    struct own *own = c->own;
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

static int pack_make(struct convolution *c, enum convolution_pass pass, void *const places[TENSORS], struct error *why)
{
    const int64_t all[TENSORS] = {TENSOR_X, TENSOR_FILTER, TENSOR_Y, TENSOR_BIAS};
    const int64_t count = pass == PASS_FORWARD ? TENSORS : TENSOR_BIAS;
    struct own *own = c->own;
    const struct attribute attributes[] = {
        {CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, all},
        {CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, places},
        {CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &c->library->workspace},
    };
    descriptor_free(own->packs[pass]);
    own->packs[pass] = descriptor_new(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, attributes, COUNT(attributes), why);
    memcpy(own->places[pass], places, sizeof own->places[pass]);
    return own->packs[pass] ? 0 : -1;
}

/* The pass's pack, made anew where something lies elsewhere than before. */
static int pack_follow(struct convolution *c, enum convolution_pass pass, const struct convolution_memory *m,
                       struct error *why)
{
    const struct own *own = c->own;
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

static int engine_run(const struct convolution *c, enum convolution_pass pass, int i, struct error *why)
{
    const struct own *own = c->own;
    return CUDNN(cudnnBackendExecute(c->library->cudnn, c->engines[pass][i].plan, own->packs[pass]), why);
}

int convolution_run(struct convolution *c, enum convolution_pass pass, const struct convolution_memory *memory,
                    struct error *why)
{
    return pack_follow(c, pass, memory, why) || engine_run(c, pass, c->chosen[pass], why) ? -1 : 0;
}

/* ---- choosing ---- */

static int run_time(const struct convolution *c, enum convolution_pass pass, int i, const cudaEvent_t events[2],
                    float *milliseconds, struct error *why)
{
    cudaStream_t stream = c->library->stream;
    return CUDA(cudaEventRecord(events[0], stream), why) || engine_run(c, pass, i, why) ||
           CUDA(cudaEventRecord(events[1], stream), why) || CUDA(cudaEventSynchronize(events[1]), why) ||
           CUDA(cudaEventElapsedTime(milliseconds, events[0], events[1]), why) ? -1 : 0;
}

/* The least time of some runs. It has run before. */
static int engine_time(const struct convolution *c, enum convolution_pass pass, int i, const cudaEvent_t events[2],
                       float *least, struct error *why)
{
    float milliseconds;
    *least = FLT_MAX;
    for (int run = 0; run < RUNS; run++) {
        if (run_time(c, pass, i, events, &milliseconds, why))
            return -1;
        if (milliseconds < *least)
            *least = milliseconds;
    }
    return 0;
}

static int pass_choose(struct convolution *c, enum convolution_pass pass, const cudaEvent_t events[2], struct error *why)
{
    float best = FLT_MAX, milliseconds;
    for (int i = 0; i < c->engine_count[pass]; i++) {
        if (engine_run(c, pass, i, why)) /* what could be planned may still not run */
            continue;
        if (engine_time(c, pass, i, events, &milliseconds, why))
            return error_in(why, "%s, %s", pass_texts[pass], c->engines[pass][i].name);
        if (milliseconds < best) {
            best = c->milliseconds[pass] = milliseconds;
            c->chosen[pass] = i;
        }
    }
    return best < FLT_MAX ? 0 : error_in(why, "%s, none of %d engines", pass_texts[pass], c->engine_count[pass]);
}

static int passes_choose(struct convolution *c, const struct convolution_memory *memory, const cudaEvent_t events[2],
                         struct error *why)
{
    for (int pass = 0; pass < PASSES; pass++)
        if (c->engine_count[pass] > 1 && (pack_follow(c, pass, memory, why) || pass_choose(c, pass, events, why)))
            return -1;
    return 0;
}

int convolution_choose(struct convolution *c, const struct convolution_memory *memory, struct error *why)
{
    cudaEvent_t events[2] = {NULL, NULL};
    if (c->library->deterministic)
        return 0;
    int failed = CUDA(cudaEventCreateWithFlags(&events[0], cudaEventDefault), why) ||
                 CUDA(cudaEventCreateWithFlags(&events[1], cudaEventDefault), why) ||
                 passes_choose(c, memory, events, why);
    for (int i = 0; i < 2; i++)
        if (events[i] && cudaEventDestroy(events[i]) != cudaSuccess && !failed)
            failed = error_set(why, "an event cannot be given back");
    return failed ? -1 : 0;
}

void convolution_about(const struct convolution *c, char *text, size_t size)
{
    static const char *const words[PASSES] = {"forward", "input", "weights"};
    size_t length = 0;
    text[0] = '\0';
    for (int pass = 0; pass < PASSES && length < size; pass++) {
        if (c->engine_count[pass] == 0)
            continue;
        const struct engine *e = &c->engines[pass][c->chosen[pass]];
        length += (size_t)snprintf(text + length, size - length, "%s%s %s", length ? "; " : "", words[pass], e->name);
        if (c->milliseconds[pass] > 0 && length < size)
            length += (size_t)snprintf(text + length, size - length, " (%.3f ms, best of %d)", (double)c->milliseconds[pass],
                                       c->engine_count[pass]);
    }
}
