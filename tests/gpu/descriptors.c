/* What cuDNN says to descriptors, right ones and wrong ones (descriptor_cases.h): `descriptors DEVICE.json` prints a line a case,
 * `NAME: planned`, `NAME: no engine`, or the call that was refused and its status. A case each in a child process, since the real
 * library may crash. It runs on the real library, for a device that is not there, and on the referee's: they must agree. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptor_cases.h"

enum { SUGGESTIONS_MAX = 64, MISUSE = 87, SECONDS = 30 };

static char properties[1 << 16];

/* In a child process. */
struct making {
    const struct descriptor_case *c;
    cudnnBackendDescriptor_t made[PARTS];
    const char *step; /* the last call, whose status is reported */
    enum part part;
};

/* The case's change of that part; NULL: none. name: of the attribute, or any (0) where the change is of the whole part. */
static const struct change *change_of(const struct making *m, enum how how, enum part part, const struct attribute *a)
{
    for (size_t i = 0; i < sizeof m->c->changes / sizeof *m->c->changes; i++) {
        const struct change *change = &m->c->changes[i];
        if (change->how == how && change->part == part && (!a || change->attribute.name == a->name))
            return change;
    }
    return NULL;
}

/* Parts in place of their numbers. */
static const void *resolve(const struct making *m, const struct attribute *a, cudnnBackendDescriptor_t room[ATTRIBUTES_MAX])
{
    const enum part *parts = a->values;
    if (a->type != CUDNN_TYPE_BACKEND_DESCRIPTOR || !parts)
        return a->values;
    for (int64_t i = 0; i < a->count && i < ATTRIBUTES_MAX; i++)
        room[i] = parts[i] == NOTHING ? NULL : m->made[parts[i]];
    return room;
}

static cudnnStatus_t set(struct making *m, enum part part, const struct attribute *a)
{
    cudnnBackendDescriptor_t room[ATTRIBUTES_MAX];
    m->step = "set";
    return cudnnBackendSetAttribute(m->made[part], a->name, a->type, a->count, resolve(m, a, room));
}

/* The attributes that a part has without any change. */
static int attributes_of(const struct making *m, enum part part, struct attribute list[ATTRIBUTES_MAX])
{
    int count = 0;
    if (part == DEVICE)
        list[count++] = (struct attribute){CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, (int64_t)strlen(properties),
                                           properties};
    if (part == GRAPH)
        list[count++] = operations[m->c->pass];
    for (const struct attribute *a = specs[part].attributes; count < ATTRIBUTES_MAX && a->count; a++)
        list[count++] = *a;
    return count;
}

static cudnnStatus_t set_all(struct making *m, enum part part)
{
    struct attribute list[ATTRIBUTES_MAX];
    int count = attributes_of(m, part, list);
    bool changed = false;
    for (int i = 0; i < count; i++) {
        const struct change *instead = change_of(m, INSTEAD, part, &list[i]);
        const struct attribute *a = instead ? &instead->attribute : &list[i];
        changed = changed || instead;
        cudnnStatus_t status = change_of(m, WITHOUT, part, a) ? CUDNN_STATUS_SUCCESS : set(m, part, a);
        if (status != CUDNN_STATUS_SUCCESS)
            return status;
    }
    const struct change *beside = change_of(m, INSTEAD, part, NULL);
    return beside && !changed ? set(m, part, &beside->attribute) : CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t ask(struct making *m, enum part part, const struct attribute *a)
{
    cudnnBackendDescriptor_t room[ATTRIBUTES_MAX];
    int64_t found[ATTRIBUTES_MAX] = {0}, count;
    const void *descriptors = a->type == CUDNN_TYPE_BACKEND_DESCRIPTOR ? resolve(m, a, room) : NULL;
    m->step = "get";
    return cudnnBackendGetAttribute(m->made[part], a->name, a->type, a->count, &count, descriptors ? room : (void *)found);
}

static cudnnStatus_t finalize(struct making *m, enum part part)
{
    m->step = "finalize";
    cudnnStatus_t status = cudnnBackendFinalize(m->made[part]);
    if (status == CUDNN_STATUS_SUCCESS && change_of(m, AGAIN, part, NULL)) {
        m->step = "finalize again";
        status = cudnnBackendFinalize(m->made[part]);
    }
    return status;
}

static cudnnStatus_t make(struct making *m, enum part part)
{
    const struct change *late = change_of(m, LATE, part, NULL), *asked = change_of(m, ASKED, part, NULL);
    m->part = part;
    m->step = "create";
    cudnnStatus_t status = cudnnBackendCreateDescriptor(specs[part].type, &m->made[part]);
    if (status == CUDNN_STATUS_SUCCESS)
        status = set_all(m, part);
    if (status == CUDNN_STATUS_SUCCESS && !change_of(m, OPEN, part, NULL))
        status = finalize(m, part);
    if (status == CUDNN_STATUS_SUCCESS && late)
        status = set(m, part, &late->attribute);
    if (status == CUDNN_STATUS_SUCCESS && asked)
        status = ask(m, part, &asked->attribute);
    return status;
}

/* A plan by the first suggestion that the library makes one of. */
static cudnnStatus_t make_plan(struct making *m, bool *offered)
{
    cudnnBackendDescriptor_t configs[SUGGESTIONS_MAX];
    int64_t count = 0;
    cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
    m->part = HEURISTIC, m->step = "get";
    for (int i = 0; i < SUGGESTIONS_MAX && status == CUDNN_STATUS_SUCCESS; i++)
        status = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &configs[i]);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendGetAttribute(m->made[HEURISTIC], CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                          SUGGESTIONS_MAX, &count, configs);
    *offered = status == CUDNN_STATUS_SUCCESS && count > 0;
    for (int64_t i = 0; i < count && (i == 0 || status != CUDNN_STATUS_SUCCESS); i++) {
        m->made[CONFIG] = configs[i];
        status = make(m, PLAN);
    }
    return status;
}

static void run_case(const struct descriptor_case *c)
{
    struct making m = {.c = c};
    bool offered = false;
    cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
    for (const enum part *part = orders[c->pass]; *part && status == CUDNN_STATUS_SUCCESS; part++)
        status = *part == PLAN && c->pass != PASS_ENGINE ? make_plan(&m, &offered) : make(&m, *part);
    if (status != CUDNN_STATUS_SUCCESS)
        printf("%s: %s, %s: %d\n", c->name, specs[m.part].name, m.step, (int)status);
    else
        printf("%s: %s\n", c->name, c->pass == PASS_PACK ? "made" : offered || c->pass == PASS_ENGINE ? "planned" : "no engine");
}

/* In a child: false where it could not be run. What ends a process, by a signal or by the referee's verdict, is a result. */
static bool run_child(const struct descriptor_case *c)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(SECONDS);
        run_case(c);
        fflush(stdout);
        _exit(0); /* the library's own end may take its time, and the referee's tells of what is left */
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return false;
    if (WIFSIGNALED(status) || WEXITSTATUS(status) == MISUSE)
        printf("%s: crashes\n", c->name);
    return WIFSIGNALED(status) ? WTERMSIG(status) != SIGALRM : WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == MISUSE;
}

int main(int argc, char **argv)
{
    FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
    size_t length = f ? fread(properties, 1, sizeof properties - 1, f) : 0;
    int failed = 0;
    if (f)
        fclose(f);
    if (length == 0) {
        fprintf(stderr, "usage: descriptors DEVICE.json\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        failed += !run_child(&cases[i]);
    return failed > 0;
}
