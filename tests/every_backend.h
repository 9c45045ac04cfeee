/* What the tests of tests/backends share: a row of tests that is run on every backend that works here, and how close
 * its results must be. */
#ifndef TESTS_EVERY_BACKEND_H
#define TESTS_EVERY_BACKEND_H

#include "reference.h"

#include "backend.h"

/* One test: what is run, and where. */
struct experiment {
    const struct backend *backend;
    const struct layer *operation; /* NULL where it is not of one layer */
    const char *name;
};

/* What the issue allows: the readable backend is held closer. */
static inline double tolerance_of(const struct backend *backend)
{
    return !strcmp(backend->name, "openblas") ? 1e-5 : 1e-4;
}

static inline void succeed(int status, const struct error *why)
{
    if (status)
        fail_msg("%s", why->text);
}

static inline void check_near(const struct experiment *e, const char *what, const float *found, const float *expected,
                              size_t count)
{
    struct difference apart = difference_between(found, expected, count);
    printf("# %s, %s, %s: norm %.1e, most %.1e\n", e->backend->name, e->name, what, apart.norm, apart.most);
    if (!(apart.norm <= tolerance_of(e->backend) && apart.most <= tolerance_of(e->backend)))
        fail_msg("%s, %s: norm of the difference %.2e, largest %.2e, allowed %.0e", e->name, what, apart.norm,
                 apart.most, tolerance_of(e->backend));
}

static inline void check_number(const struct experiment *e, const char *what, double found, double expected,
                                double scale)
{
    double apart = fabs(found - expected) / scale;
    printf("# %s, %s, %s: %.9g, difference %.1e\n", e->backend->name, e->name, what, found, apart);
    if (!(apart <= tolerance_of(e->backend)))
        fail_msg("%s, %s: %.9g, TensorFlow's is %.9g", e->name, what, found, expected);
}

static inline float *take_memory(const struct backend *backend, size_t count)
{
    struct error why;
    float *memory = backend->memory_allocate(count, "a test", &why);
    if (!memory)
        fail_msg("%s", why.text);
    return memory;
}

/* ---- the row ---- */

static inline void test_absent(void **state)
{
    const struct experiment *e = *state;
    struct error why;
    char about[128];
    e->backend->probe(about, sizeof about, &why);
    printf("# %s\n", why.text);
    skip();
}

struct suite {
    struct experiment experiments[256];
    struct CMUnitTest tests[256];
    char names[256][96];
    int count;
};

static inline void suite_add(struct suite *suite, const struct backend *backend, const struct layer *operation,
                             const char *name, CMUnitTestFunction function)
{
    int i = suite->count++;
    if (suite->count > 256)
        abort();
    suite->experiments[i] = (struct experiment){backend, operation, name};
    snprintf(suite->names[i], sizeof suite->names[i], "%s: %s", backend->name, name);
    suite->tests[i] = (struct CMUnitTest){
        .name = suite->names[i], .test_func = function, .initial_state = &suite->experiments[i]};
}

/* Runs add_tests(suite, backend) for each backend that works here, with one thread; another is a skipped test. */
static inline int suite_run(const char *name, void (*add_tests)(struct suite *suite, const struct backend *backend))
{
    static struct suite suite;
    struct error why;
    char about[128];
    const struct backend *backend;
    cmocka_set_message_output(CM_OUTPUT_TAP);
    for (int i = 0; (backend = backend_at(i)); i++)
        if (backend->probe(about, sizeof about, &why) || backend->set_threads(1, &why))
            suite_add(&suite, backend, NULL, "not usable here", test_absent);
        else
            add_tests(&suite, backend);
    return _cmocka_run_group_tests(name, suite.tests, (size_t)suite.count, NULL, NULL);
}

#endif
