/* Shared by the tests of checkpoints: a small model with a state to save, and a directory. */
#ifndef TESTS_UNIT_CHECKPOINT_FIXTURE_H
#define TESTS_UNIT_CHECKPOINT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store.h"

#define assert_fine(call)                        \
    do {                                         \
        if (call)                                \
            fail_msg("%s: %s", #call, why.text); \
    } while (0)

#define assert_refused(call, words)                                              \
    do {                                                                         \
        strcpy(why.text, "(nothing)");                                           \
        assert_int_equal(call, -1);                                              \
        if (!strstr(why.text, words))                                            \
            fail_msg("'%s' is not in the sentence '%s'", words, why.text);       \
    } while (0)

/* ---- a small model and the tutorial's, and a state for either ---- */

static const struct layer small_layers[] = {
    {.name = "conv1", .kind = LAYER_CONVOLUTION, .kernel = 3, .stride = 1, .outputs = 4, .activation = ACTIVATION_RELU},
    {.name = "pool1", .kind = LAYER_MAX_POOL, .kernel = 2, .stride = 2},
    {.name = "dense", .kind = LAYER_DENSE, .outputs = 0},
};
static const struct model small = {"small", "for tests", 6, 6, small_layers, 3};

static const struct provenance provenance[] = {{"library", "some MPI 4.1"}, {"seed", "also an option"}};

struct fixture {
    char directory[4096];
    struct net net;
    struct checkpoint saved, loaded;
};

static inline void state_init(struct fixture *f, const struct model *model)
{
    struct error why;
    assert_fine(net_init(&f->net, model, 3, 10, &why));
    f->saved = (struct checkpoint){.step = 1234, .position = 157952, .seed = 7, .loss_average = 0.1,
                                   .total_loss_average = 1.0 / 3, .wall_seconds = 12.5, .classes = 10, .channels = 3,
                                   .optimizer = &optimizer_sgd};
    f->loaded.optimizer = &optimizer_sgd;
    strcpy(f->saved.model, model->name);
    strcpy(f->saved.dataset, "CIFAR-10");
    strcpy(f->saved.dataset_sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    f->saved.class_names = calloc(10, sizeof *f->saved.class_names);
    for (int i = 0; i < 10; i++)
        snprintf(f->saved.class_names[i], 64, "class %d", i * i);
    float **buffers[] = {&f->saved.parameters, &f->saved.states[OPTIMIZER_EMA], &f->loaded.parameters,
                         &f->loaded.states[OPTIMIZER_EMA]};
    for (int i = 0; i < 4; i++) {
        *buffers[i] = calloc(f->net.parameters, sizeof(float));
        assert_non_null(*buffers[i]);
    }
    for (size_t i = 0; i < f->net.parameters; i++) {
        f->saved.parameters[i] = (float)(i * 31 % 1000) / 7 - 70; /* the same bits on every machine */
        f->saved.states[OPTIMIZER_EMA][i] = (float)(i * 17 % 1000) / -3;
    }
}

static inline void state_free(struct fixture *f)
{
    net_free(&f->net);
    free(f->saved.class_names);
    free(f->saved.parameters);
    optimizer_free(f->saved.states);
    free(f->loaded.parameters);
    optimizer_free(f->loaded.states);
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const char *where = getenv("TMPDIR");
    snprintf(f->directory, sizeof f->directory, "%s/test_checkpoint.XXXXXX", where ? where : "/tmp");
    if (!mkdtemp(f->directory))
        return -1;
    state_init(f, &small);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    char command[4200];
    snprintf(command, sizeof command, "rm -rf '%s'", f->directory);
    int status = system(command);
    state_free(f);
    free(f);
    return status;
}

static inline const char *save(struct fixture *f, uint64_t step)
{
    static char file[4200];
    struct error why;
    f->saved.step = step;
    assert_fine(checkpoint_save(&f->saved, &f->net, f->directory, provenance, 2, &why));
    checkpoint_name(f->directory, step, file, sizeof file);
    return file;
}

static inline bool same_state(const struct fixture *f, const struct checkpoint *l)
{
    const struct checkpoint *s = &f->saved;
    size_t bytes = f->net.parameters * sizeof(float);
    return l->step == s->step && l->position == s->position && l->seed == s->seed &&
           l->loss_average == s->loss_average && l->total_loss_average == s->total_loss_average &&
           l->wall_seconds == s->wall_seconds && l->evaluation_seconds == s->evaluation_seconds &&
           l->classes == s->classes && l->channels == s->channels &&
           l->image_height == s->image_height && l->image_width == s->image_width && !strcmp(l->resize, s->resize) &&
           !memcmp(l->class_names, s->class_names, (size_t)s->classes * sizeof *s->class_names) &&
           !strcmp(l->model, s->model) && !strcmp(l->dataset, s->dataset) &&
           !strcmp(l->dataset_sha256, s->dataset_sha256) && !memcmp(l->parameters, s->parameters, bytes) &&
           !memcmp(l->states[OPTIMIZER_EMA], s->states[OPTIMIZER_EMA], bytes);
}

static inline void load_and_compare(struct fixture *f, const char *file)
{
    struct error why;
    assert_fine(checkpoint_load(&f->loaded, &f->net, file, &why));
    assert_true(same_state(f, &f->loaded));
    free(f->loaded.class_names);
}

#endif
