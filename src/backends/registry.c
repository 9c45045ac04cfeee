#include <stdio.h>
#include <string.h>

#include "backends.h"
#include "module.h"

/* A backend that this build lacks is listed too, so that its probe can say why. */
#define ABSENT(NAME, PRIORITY)                                                                                        \
    static int NAME##_absent(char *about, size_t size, struct error *why)                                             \
    {                                                                                                                 \
        snprintf(about, size, "not built in");                                                                        \
        return error_set(why, "this build has no " #NAME " backend (`make info` tells why)");                         \
    }                                                                                                                 \
    const struct backend backend_##NAME = {.name = #NAME, .priority = PRIORITY, .probe = NAME##_absent};

/* A placeholder for the cudnn module; backend_at returns the module's backend if it can be opened. */
static int cudnn_probe(char *about, size_t size, struct error *why)
{
    snprintf(about, size, "not built in");
    return module_backend("cudnn", about, size, why) ? 0 : -1;
}
static const struct backend backend_cudnn = {.name = "cudnn", .priority = 30, .probe = cudnn_probe};

#ifndef HAVE_onednn
ABSENT(onednn, 20)
#endif
#ifndef HAVE_openblas
ABSENT(openblas, 10)
#endif

static const struct backend *const backends[] = {
    &backend_cudnn,
    &backend_onednn,
    &backend_openblas,
};

enum { BACKENDS = sizeof backends / sizeof *backends };

/* The backend at that index if it can run here, else NULL and the reason in `why`. */
static const struct backend *usable(int index, struct error *why)
{
    char about[256];
    if (backends[index] == &backend_cudnn)
        return module_backend("cudnn", about, sizeof about, why);
    return backends[index]->probe(about, sizeof about, why) ? NULL : backends[index];
}

const struct backend *backend_at(int index)
{
    struct error why; /* not needed: the placeholder's probe gives the reason again */
    if (index < 0 || index >= BACKENDS)
        return NULL;
    const struct backend *loaded = backends[index] == &backend_cudnn ? usable(index, &why) : NULL;
    return loaded ? loaded : backends[index];
}

/* The best backend that can run here and compute the model (NULL: any). reasons: why better ones were skipped. */
static const struct backend *find_best(const struct model *model, char *reasons, size_t size, struct error *why)
{
    *reasons = '\0';
    for (int i = 0; i < BACKENDS; i++) {
        struct error reason;
        const struct backend *backend = usable(i, &reason);
        if (backend && (!model || !backend_supports(backend, model, &reason)))
            return backend;
        size_t length = strlen(reasons);
        snprintf(reasons + length, size - length, "%sno %s: %.240s", i ? "; " : "", backends[i]->name, reason.text);
    }
    error_set(why, "--tower auto: no backend can run here: %s", reasons);
    return NULL;
}

const struct backend *backend_find(const char *name, struct error *why)
{
    char reasons[768];
    if (!strcmp(name, "auto"))
        return find_best(NULL, reasons, sizeof reasons, why);
    char known[256] = "auto";
    for (int i = 0; i < BACKENDS; i++) {
        if (!strcmp(name, backends[i]->name)) {
            const struct backend *backend = usable(i, why);
            if (!backend)
                error_in(why, "--tower %s", name);
            return backend;
        }
        size_t length = strlen(known);
        snprintf(known + length, sizeof known - length, ", %s", backends[i]->name);
    }
    error_set(why, "--tower %s: there is no such backend (there is: %s)", name, known);
    return NULL;
}

const struct backend *backend_open(const char *name, const struct model *model, int threads, int node_rank,
                                   struct device_place *place, struct error *why)
{
    *place = (struct device_place){0};
    bool best = !strcmp(name, "auto");
    const struct backend *backend = best ? find_best(model, place->skipped, sizeof place->skipped, why)
                                         : backend_find(name, why);
    if (!backend || backend->set_threads(threads, why))
        return NULL;
    int status = backend->device ? backend->device->choose(node_rank, place, why)
                                 : backend->probe(place->about, sizeof place->about, why);
    return status ? NULL : backend;
}
