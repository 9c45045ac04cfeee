/* How closely a backend must agree with TensorFlow, and checks that it does. */
#ifndef TESTS_BACKENDS_AGREEMENT_H
#define TESTS_BACKENDS_AGREEMENT_H

#include "fixture.h"
#include "reference.h"

/* The backend under test, and the name of what it computes. */
struct experiment {
    const struct backend *backend;
    const char *name;
};

/* openblas, the simple backend, must agree more closely. */
static inline double tolerance_of(const struct backend *backend)
{
    return !strcmp(backend->name, "openblas") ? 1e-5 : 1e-4;
}

static inline void check_near(const struct experiment *e, const char *what, const float *found, const float *expected,
                              size_t count)
{
    double tolerance = tolerance_of(e->backend);
    struct difference apart = difference_between(found, expected, count);
    printf("# %s, %s, %s: norm %.1e, most %.1e\n", e->backend->name, e->name, what, apart.norm, apart.most);
    if (!(apart.norm <= tolerance && apart.most <= tolerance))
        fail_msg("%s, %s: norm of the difference %.2e, largest %.2e, allowed %.0e", e->name, what, apart.norm,
                 apart.most, tolerance);
}

/* The difference is relative to `scale`. */
static inline void check_number(const struct experiment *e, const char *what, double found, double expected,
                                double scale)
{
    double apart = fabs(found - expected) / scale;
    printf("# %s, %s, %s: %.9g, difference %.1e\n", e->backend->name, e->name, what, found, apart);
    if (!(apart <= tolerance_of(e->backend)))
        fail_msg("%s, %s: %.9g, TensorFlow's is %.9g", e->name, what, found, expected);
}

#endif
