/* The engines of the referee's cuDNN for a convolution: three plain ones, and some that may be unwanted. The seed decides which
 * suggested engine comes first and how much workspace each takes, but not what the plain ones compute. */
#include <stdlib.h>
#include <string.h>

#include "cudnn.h"
#include "fake.h"

struct engine_kind {
    struct manner manner;
    cudnnBackendNumericalNote_t notes[3];
    int note_count;
    int64_t workspace; /* bytes; the seed adds some */
    bool refuses;      /* fails when a plan is made of it */
    bool hidden;       /* no heuristic suggests it */
    bool compiled;     /* compiled when a plan is made of it */
};

static const struct engine_kind engines[] = {
    {.workspace = 4096},
    {.manner = {.tensor_cores = true}, .notes = {CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, .note_count = 1},
    {.manner = {.random_order = true}, .notes = {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC}, .note_count = 1,
     .workspace = 1 << 16},
    {.notes = {CUDNN_NUMERICAL_NOTE_FFT}, .note_count = 1, .workspace = (int64_t)1 << 30},
    {.manner = {.down_converts = true},
     .notes = {CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS}, .note_count = 2},
    {.workspace = 1 << 20},
    {.refuses = true},
    {.hidden = true},
    {.manner = {.fails = true}},
    {.manner = {.waits = true}},
    {.hidden = true, .compiled = true},
    {.manner = {.hasty = true}, .hidden = true},
};
enum { ENGINES = sizeof engines / sizeof *engines };

static int64_t seed(void)
{
    const char *text = getenv("FAKECUDA_SEED");
    return text ? atoll(text) & 0xffff : 1;
}

/* Lists the engines, and says whether FAKECUDA_ENGINES named them. */
static int engines_list(int list[ENGINES], bool *named)
{
    const char *text = getenv("FAKECUDA_ENGINES");
    int count = 0;
    *named = text && *text;
    for (int i = 0; !*named && i < ENGINES; i++)
        list[count++] = i;
    for (; *named && *text; text += strspn(text, ",")) {
        char *end;
        long number = strtol(text, &end, 10);
        if (end == text || number < 0 || number >= ENGINES || count == ENGINES)
            fake_misuse("FAKECUDA_ENGINES=%s: they are numbered from 0 to %d", getenv("FAKECUDA_ENGINES"), ENGINES - 1);
        list[count++] = (int)number;
        text = end;
    }
    return count;
}

static bool engine_exists(int64_t number)
{
    int list[ENGINES], count;
    bool named, exists = false;
    count = engines_list(list, &named);
    for (int i = 0; i < count; i++)
        exists = exists || list[i] == number;
    return exists;
}

const struct manner *engine_manner(int engine)
{
    return &engines[engine].manner;
}

int64_t plan_workspace(const struct descriptor *plan)
{
    int64_t bytes = engines[plan->engine].workspace;
    return bytes ? bytes + 256 * ((seed() + plan->engine) % 5) : 0;
}

cudnnStatus_t heuristic_finalize(struct descriptor *d)
{
    struct descriptor *graph = value_descriptor(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    const struct descriptor *device = value_descriptor(d, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP);
    if (graph->kind->type != CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)
        fake_misuse("a heuristic of a %s: cuDNN would crash", graph->kind->name);
    if (!graph->finalized)
        return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a heuristic of a graph that is not finalised");
    d->graph = graph;
    d->known = graph->known && value_find(d, CUDNN_ATTR_ENGINEHEUR_MODE)->count && (!device || device->finalized);
    return CUDNN_STATUS_SUCCESS;
}

/* Makes d a finalised descriptor of an engine for that graph. */
static void become(struct descriptor *d, struct descriptor *graph, int engine)
{
    d->finalized = d->known = true;
    d->graph = graph;
    d->convolution = graph->convolution;
    d->engine = engine;
}

cudnnStatus_t engine_finalize(struct descriptor *d)
{
    struct descriptor *graph = value_descriptor(d, CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
    int64_t number = value_number(d, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, -1);
    if (!graph)
        return refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "an engine of no graph");
    if (graph->kind->type != CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)
        fake_misuse("an engine of a %s: cuDNN would crash", graph->kind->name);
    if (!graph->known || !engine_exists(number))
        return refuse(CUDNN_STATUS_NOT_SUPPORTED, "there is no engine %lld for that", (long long)number);
    become(d, graph, (int)number);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t config_finalize(struct descriptor *d)
{
    struct descriptor *engine = value_descriptor(d, CUDNN_ATTR_ENGINECFG_ENGINE);
    if (!engine || engine->kind->type != CUDNN_BACKEND_ENGINE_DESCRIPTOR)
        fake_misuse("a configuration of %s: cuDNN would crash", engine ? engine->kind->name : "nothing");
    if (!value_find(engine, CUDNN_ATTR_ENGINE_DEVICEPROP)->count &&
        !value_find(engine->graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE)->count)
        return refuse(CUDNN_STATUS_NOT_SUPPORTED, "an engine for no device");
    become(d, engine->graph, engine->engine);
    d->of = engine;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t plan_finalize(struct descriptor *d)
{
    struct descriptor *config = value_descriptor(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    if (!config)
        return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a plan of no engine configuration");
    if (config->kind->type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)
        fake_misuse("a plan of a %s: cuDNN would crash", config->kind->name);
    if (!value_find(d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE)->count && !value_find(d, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP)->count)
        return refuse(CUDNN_STATUS_BAD_PARAM, "a plan needs a handle, or the properties of a device");
    if (engines[config->engine].refuses)
        return refuse(CUDNN_STATUS_NOT_SUPPORTED, "engine %d does not compute that", config->engine);
    d->config = config;
    d->graph = config->graph;
    d->engine = config->engine;
    d->known = true;
    d->convolution = config->convolution;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t pack_finalize(struct descriptor *d)
{
    int64_t uids = value_find(d, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS)->count;
    int64_t pointers = value_find(d, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS)->count;
    if (uids == pointers)
        return CUDNN_STATUS_SUCCESS;
    return refuse(CUDNN_STATUS_BAD_PARAM, "a variant pack of %lld uids and %lld pointers", (long long)uids, (long long)pointers);
}

cudnnStatus_t properties_finalize(struct descriptor *d)
{
    (void)d;
    return CUDNN_STATUS_SUCCESS;
}

/* ---- attributes that can be read ---- */

/* Suggests all engines that are not hidden; the fallback mode only the first of them. */
static int64_t suggestions(const struct descriptor *heuristic, int list[ENGINES])
{
    int mode = value_choice(heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_HEUR_MODE_INSTANT), found[ENGINES], kept = 0;
    bool named;
    int count = engines_list(found, &named);
    for (int i = 0; i < count; i++)
        if (!engines[found[i]].hidden)
            found[kept++] = found[i];
    if (!heuristic->known)
        return 0;
    if (mode == CUDNN_HEUR_MODE_FALLBACK && kept > 1)
        kept = 1;
    for (int i = 0; i < kept; i++)
        list[i] = found[named ? i : (i + seed()) % kept];
    return kept;
}

static cudnnStatus_t results_get(const struct descriptor *heuristic, int64_t room, int64_t *count, struct descriptor **configs)
{
    int list[ENGINES];
    int64_t all = suggestions(heuristic, list), given = room < all ? room : all;
    *count = room ? given : all;
    for (int64_t i = 0; i < given; i++) {
        if (configs[i]->kind->type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR || configs[i]->finalized)
            return refuse(CUDNN_STATUS_BAD_PARAM, "a suggestion needs a new engine configuration");
        become(configs[i], heuristic->graph, list[i]);
    }
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t notes_get(const struct descriptor *engine, int64_t room, int64_t *count, cudnnBackendNumericalNote_t *notes)
{
    const struct engine_kind *kind = &engines[engine->engine];
    *count = kind->note_count;
    for (int i = 0; i < kind->note_count && i < room; i++)
        notes[i] = kind->notes[i];
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t behavior_get(const struct descriptor *engine, int64_t room, int64_t *count, cudnnBackendBehaviorNote_t *notes)
{
    *count = engines[engine->engine].compiled;
    if (*count && room > 0)
        *notes = CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t number_get(int64_t number, int64_t room, int64_t *count, int64_t *element)
{
    *count = 1;
    if (room > 0)
        *element = number;
    return CUDNN_STATUS_SUCCESS;
}

static bool is_asked(const struct descriptor *d, cudnnBackendDescriptorType_t type)
{
    return d->kind->type == type;
}

cudnnStatus_t attribute_get(struct descriptor *d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                            int64_t room, int64_t *count, void *elements)
{
    int64_t ignored;
    count = count ? count : &ignored;
    if (is_asked(d, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR) && name == CUDNN_ATTR_ENGINEHEUR_RESULTS &&
        type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
        return results_get(d, room, count, elements);
    if (is_asked(d, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR) && name == CUDNN_ATTR_ENGINECFG_ENGINE &&
        type == CUDNN_TYPE_BACKEND_DESCRIPTOR && room == 1) {
        become(*(struct descriptor **)elements, d->graph, d->engine);
        *count = 1;
        return CUDNN_STATUS_SUCCESS;
    }
    if (is_asked(d, CUDNN_BACKEND_ENGINE_DESCRIPTOR) && name == CUDNN_ATTR_ENGINE_GLOBAL_INDEX && type == CUDNN_TYPE_INT64)
        return number_get(d->engine, room, count, elements);
    if (is_asked(d, CUDNN_BACKEND_ENGINE_DESCRIPTOR) && name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE &&
        type == CUDNN_TYPE_NUMERICAL_NOTE)
        return notes_get(d, room, count, elements);
    if (is_asked(d, CUDNN_BACKEND_ENGINE_DESCRIPTOR) && name == CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE && type == CUDNN_TYPE_BEHAVIOR_NOTE)
        return behavior_get(d, room, count, elements);
    if (is_asked(d, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR) && name == CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT &&
        type == CUDNN_TYPE_INT64)
        return number_get(ENGINES, room, count, elements);
    if (is_asked(d, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) && name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE)
        return type == CUDNN_TYPE_INT64 ? number_get(plan_workspace(d), room, count, elements) :
               refuse(CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE, "the workspace of a plan is of type INT64");
    return refuse(CUDNN_STATUS_NOT_SUPPORTED, "attribute %d of a %s cannot be asked for here", (int)name, d->kind->name);
}
