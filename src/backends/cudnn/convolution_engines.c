/* Finds the engines of cuDNN that fit a pass of a convolution, and plans them: first those that a heuristic suggests, best guess
 * first, then every other engine once. */
#include "convolution.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* How much of a heuristic's list is read, and how many engines are taken from it: most of a list is one engine with different
 * knobs. The rest of ENGINES_MAX is for engines not in the list; in cuDNN 9.19, at most 20 of those fit. */
enum { SUGGESTIONS_MAX = 64, SUGGESTED_MAX = 16 };

/* ---- which engines fit ---- */

#define NOTE(name) (1u << CUDNN_NUMERICAL_NOTE_##name)

/* Notes of engines that compute less precisely than requested. Tensor cores are unwanted only for float: products of bfloat16 are
 * exact in float. */
static unsigned unwanted_notes(const struct cudnn_library *library)
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

static void engine_name(struct engine *e)
{
    snprintf(e->name, sizeof e->name, "engine %lld%s%s%s", (long long)e->number,
             e->notes & NOTE(TENSOR_CORE) ? ", tensor cores" : "", e->notes & NOTE(WINOGRAD) ? ", Winograd" : "",
             e->notes & NOTE(NONDETERMINISTIC) ? ", not deterministic" : "");
}

/* Fills in number, notes and name of the engine of e->config. */
static int engine_describe(struct engine *e, struct error *why)
{
    cudnnBackendDescriptor_t engine;
    int64_t count;
    if (CUDNN(cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine), why))
        return -1;
    int failed = CUDNN(cudnnBackendGetAttribute(e->config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                                &count, &engine), why) ||
                 CUDNN(cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &count,
                                                &e->number), why) ||
                 notes_get(engine, &e->notes, why);
    descriptor_free(engine);
    engine_name(e);
    return failed ? -1 : 0;
}

/* The attribute that names the device: a handle, or the properties of a device that is not present. */
static struct descriptor_attribute device_attribute(const struct cudnn_library *library, cudnnBackendAttributeName_t handle,
                                         cudnnBackendAttributeName_t properties)
{
    if (library->properties)
        return (struct descriptor_attribute){properties, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &library->properties};
    return (struct descriptor_attribute){handle, CUDNN_TYPE_HANDLE, 1, &library->cudnn};
}

static int engine_plan(struct engine *e, const struct cudnn_library *library, struct error *why)
{
    int64_t count, workspace = 0;
    const struct descriptor_attribute attributes[] = {
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

void engine_free(struct engine *e)
{
    descriptor_free(e->plan);
    descriptor_free(e->config);
    descriptor_free(e->engine);
    memset(e, 0, sizeof *e);
}

/* CIFAR10_CUDNN_WITHOUT=NUMBER,...: engines not to try. Frameworks keep lists of engines that are wrong in some version of cuDNN.
 * An engine that writes out of bounds ends the run, so no other can be tried in the same run. */
static bool is_left_out(int64_t number)
{
    const char *list = getenv("CIFAR10_CUDNN_WITHOUT");
    char *end;
    for (; list && *list; list = *end == ',' ? end + 1 : end) {
        long long one = strtoll(list, &end, 10);
        if (end == list)
            return false;
        if (one == number)
            return true;
    }
    return false;
}

/* Whether the engine of e->config fits; `why`: the reason of the last refusal, in case no engine is left. */
static bool engine_fits(struct engine *e, const struct cudnn_library *library, struct engine_counts *counts, struct error *why)
{
    counts->offered++;
    if (engine_describe(e, why))
        counts->refused++;
    else if ((e->notes & unwanted_notes(library)) || is_left_out(e->number))
        counts->unfit++;
    else if (engine_plan(e, library, why))
        counts->refused++;
    else if (e->workspace > library->workspace_limit)
        counts->too_large++;
    else
        return true;
    return false;
}

/* Keeps the engine if it fits, else frees it. */
static void engine_take(struct cudnn_convolution *c, enum convolution_pass pass, struct engine *e, struct error *why)
{
    if (engine_fits(e, c->library, &c->counts[pass], why))
        c->engines[pass][c->engine_count[pass]++] = *e;
    else
        engine_free(e);
}

/* ---- what cuDNN suggests ---- */

static int configs_new(cudnnBackendDescriptor_t *configs, int64_t count, struct error *why)
{
    for (int64_t i = 0; i < count; i++)
        if (CUDNN(cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &configs[i]), why))
            return -1;
    return 0;
}

static int64_t lesser_count(int64_t a, int64_t b)
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
    *count = lesser_count(known, SUGGESTIONS_MAX);
    if (*count == 0)
        return 0;
    return configs_new(configs, *count, why) ||
           CUDNN(cudnnBackendGetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, *count,
                                          count, configs), why) ? -1 : 0;
}

static cudnnBackendDescriptor_t heuristic_new(const struct cudnn_convolution *c, cudnnBackendDescriptor_t graph,
                                              cudnnBackendHeurMode_t mode, struct error *why)
{
    const struct descriptor_attribute attributes[] = {
        {CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph},
        {CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode},
        {CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &c->library->properties},
    };
    return descriptor_new(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, attributes, COUNT(attributes) - !c->library->properties, why);
}

/* Adds the engines that this heuristic suggests and that fit. It may suggest none. */
static void suggestions_add(struct cudnn_convolution *c, enum convolution_pass pass, cudnnBackendHeurMode_t mode, struct error *why)
{
    const struct passes *own = c->own;
    cudnnBackendDescriptor_t configs[SUGGESTIONS_MAX] = {0}, heuristic;
    int64_t count = 0;
    heuristic = heuristic_new(c, own->graphs[pass].graph, mode, why);
    if (heuristic && suggestions_get(heuristic, configs, &count, why))
        count = 0;
    for (int64_t i = 0; i < count && c->engine_count[pass] < SUGGESTED_MAX; i++) {
        struct engine e = {.config = configs[i]};
        configs[i] = NULL;
        engine_take(c, pass, &e, why);
    }
    for (int i = 0; i < SUGGESTIONS_MAX; i++)
        descriptor_free(configs[i]);
    descriptor_free(heuristic);
}

/* ---- all others ---- */

static bool is_known(const struct cudnn_convolution *c, enum convolution_pass pass, int64_t number)
{
    for (int i = 0; i < c->engine_count[pass]; i++)
        if (c->engines[pass][i].number == number)
            return true;
    return false;
}

/* Whether the engine is compiled when it is planned, which may take seconds. Such engines are taken only if a heuristic suggests
 * them. */
static bool is_compiled(cudnnBackendDescriptor_t engine, struct error *why)
{
    cudnnBackendBehaviorNote_t list[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
    int64_t count = 0;
    bool compiled = CUDNN(cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                                                   CUDNN_BEHAVIOR_NOTE_TYPE_COUNT, &count, list), why);
    for (int64_t i = 0; i < count && i < CUDNN_BEHAVIOR_NOTE_TYPE_COUNT; i++)
        compiled = compiled || list[i] == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
    return compiled;
}

/* Makes the engine of that number with its default knobs; -1 also if the device or the pass has none, or it would be compiled. */
static int engine_init(struct engine *e, const struct cudnn_convolution *c, cudnnBackendDescriptor_t graph, int64_t number,
                       struct error *why)
{
    const struct descriptor_attribute attributes[] = {
        {CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph},
        {CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &number},
        {CUDNN_ATTR_ENGINE_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &c->library->properties},
    };
    const struct descriptor_attribute of_engine = {CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &e->engine};
    e->engine = descriptor_new(CUDNN_BACKEND_ENGINE_DESCRIPTOR, attributes, COUNT(attributes) - !c->library->properties, why);
    if (e->engine && !is_compiled(e->engine, why))
        e->config = descriptor_new(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &of_engine, 1, why);
    return e->config ? 0 : -1;
}

/* Adds the other engines that fit. */
static void others_add(struct cudnn_convolution *c, enum convolution_pass pass, struct error *why)
{
    const struct passes *own = c->own;
    cudnnBackendDescriptor_t graph = own->graphs[pass].graph;
    struct error ignored; /* a missing engine is not a refusal */
    int64_t count, numbers = 0;
    if (CUDNN(cudnnBackendGetAttribute(graph, CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT, CUDNN_TYPE_INT64, 1, &count,
                                       &numbers), why))
        return;
    for (int64_t number = 0; number < numbers && c->engine_count[pass] < ENGINES_MAX; number++) {
        struct engine e = {.number = number};
        if (is_known(c, pass, number))
            continue;
        if (engine_init(&e, c, graph, number, &ignored))
            engine_free(&e);
        else
            engine_take(c, pass, &e, why);
    }
}

/* Moves the generic engine to the end: with `deterministic` the first engine that works is taken, and a heuristic may list the
 * generic one before a better one. */
static void generic_last(struct engine *engines, int count)
{
    struct engine generic[ENGINES_MAX];
    int kept = 0, moved = 0;
    for (int i = 0; i < count; i++)
        if (engines[i].number == GENERIC)
            generic[moved++] = engines[i];
        else
            engines[kept++] = engines[i];
    memcpy(engines + kept, generic, (size_t)moved * sizeof *generic);
}

static int no_engine(const struct cudnn_convolution *c, enum convolution_pass pass, struct error *why)
{
    static const char *const precisions[] = {
        [PRECISION_FP32] = "fp32", [PRECISION_TF32] = "tf32", [PRECISION_BF16] = "bf16",
    };
    const struct net_layer *l = c->layer;
    const struct engine_counts *counts = &c->counts[pass];
    struct error last = *why;
    return error_set(why,
                     "cuDNN has no way to compute layer %s, %s: %d images of %dx%dx%d, %d windows %dx%d, stride %d, in %s%s, with "
                     "at most %.1f MiB of workspace (of %d engines offered %d compute otherwise, %d need more workspace, %d were "
                     "refused)%s%.300s",
                     l->layer.name, pass_texts[pass], c->batch, l->in.height, l->in.width, c->x_channels, l->layer.outputs,
                     l->layer.kernel, l->layer.kernel, l->layer.stride, precisions[c->library->precision],
                     c->library->deterministic ? ", deterministic" : "", (double)c->library->workspace_limit / (1 << 20),
                     counts->offered, counts->unfit, counts->too_large, counts->refused, *last.text ? "; " : "", last.text);
}

int engines_find(struct cudnn_convolution *c, enum convolution_pass pass, struct error *why)
{
    const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
    why->text[0] = '\0';
    for (size_t i = 0; i < COUNT(modes) && c->engine_count[pass] == 0; i++)
        suggestions_add(c, pass, modes[i], why);
    others_add(c, pass, why);
    generic_last(c->engines[pass], c->engine_count[pass]);
    return c->engine_count[pass] > 0 ? 0 : no_engine(c, pass, why);
}
