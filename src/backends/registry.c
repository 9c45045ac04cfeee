#include <stdio.h>
#include <string.h>

#include "backends.h"

/* A backend that this build lacks is listed all the same, so that whoever asks for it reads why. */
#define ABSENT(NAME, PRIORITY)                                                                                        \
    static int NAME##_absent(char *about, size_t size, struct error *why)                                             \
    {                                                                                                                 \
        snprintf(about, size, "not built in");                                                                        \
        return error_set(why, "this build has no " #NAME " backend (`make info` tells why)");                         \
    }                                                                                                                 \
    const struct backend backend_##NAME = {.name = #NAME, .priority = PRIORITY, .probe = NAME##_absent};

#ifndef HAVE_cudnn
ABSENT(cudnn, 30)
#endif
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

const struct backend *backend_at(int index)
{
    return index >= 0 && index < BACKENDS ? backends[index] : NULL;
}

static const struct backend *find_best(struct error *why)
{
    char reasons[768] = "";
    for (int i = 0; i < BACKENDS; i++) {
        char about[256];
        struct error reason;
        if (!backends[i]->probe(about, sizeof about, &reason))
            return backends[i];
        size_t length = strlen(reasons);
        snprintf(reasons + length, sizeof reasons - length, "%s%.240s", i ? "; " : "", reason.text);
    }
    error_set(why, "--tower auto: no backend can run here: %s", reasons);
    return NULL;
}

const struct backend *backend_find(const char *name, struct error *why)
{
    if (!strcmp(name, "auto"))
        return find_best(why);
    char known[256] = "auto";
    for (int i = 0; i < BACKENDS; i++) {
        if (!strcmp(name, backends[i]->name)) {
            char about[256];
            if (!backends[i]->probe(about, sizeof about, why))
                return backends[i];
            error_in(why, "--tower %s", name);
            return NULL;
        }
        size_t length = strlen(known);
        snprintf(known + length, sizeof known - length, ", %s", backends[i]->name);
    }
    error_set(why, "--tower %s: there is no such backend (there is: %s)", name, known);
    return NULL;
}

enum convolution_choice convolution_choice_find(const char *name)
{
    if (!strcmp(name, "direct"))
        return CONVOLUTION_DIRECT;
    return strcmp(name, "winograd") ? CONVOLUTION_AUTO : CONVOLUTION_WINOGRAD;
}
