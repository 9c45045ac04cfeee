#include "fixture.h"

static void test_order(void **state)
{
    (void)state;
    int priority = 1000, count = 0;
    for (const struct backend *b; (b = backend_at(count)); count++) {
        assert_true(b->priority < priority);
        priority = b->priority;
    }
    assert_true(count >= 3); /* including those that are not built in */
    assert_null(backend_at(-1));
    assert_null(backend_at(count + 1));
}

/* Each backend works and is found by its name, or says why not in one sentence. */
static void test_find(void **state)
{
    (void)state;
    const struct backend *best = NULL;
    for (int i = 0; backend_at(i); i++) {
        const struct backend *b = backend_at(i);
        char about[256] = "";
        struct error why = {""};
        if (!b->probe(about, sizeof about, &why)) {
            assert_true(about[0]);
            assert_ptr_equal(backend_find(b->name, &why), b);
            best = best ? best : b;
        } else {
            assert_null(backend_find(b->name, &why));
            assert_non_null(strstr(why.text, b->name));
            assert_null(strchr(why.text, '\n'));
        }
    }
    struct error why = {""};
    assert_ptr_equal(backend_find("auto", &why), best);
    assert_true(best || why.text[0]);
}

static void test_unknown(void **state)
{
    (void)state;
    struct error why = {""};
    assert_null(backend_find("abacus", &why));
    assert_non_null(strstr(why.text, "abacus"));
    for (int i = 0; backend_at(i); i++)
        assert_non_null(strstr(why.text, backend_at(i)->name));
}

/* `auto` skips a backend that cannot compute the model, and names the layer; a plan is refused with the same words. */
static void test_unsupported(void **state)
{
    (void)state;
    static const struct layer large = {.name = "large", .kind = LAYER_MAX_POOL, .kernel = 16, .stride = 16};
    static const struct model model = {"m", "a large pool", 32, 32, &large, 1};
    struct device_place place;
    struct error why;
    struct net net;
    struct plan plan;
    const struct backend *onednn = backend_find("onednn", &why), *openblas = backend_find("openblas", &why);
    if (!onednn || !openblas)
        skip();
    const struct backend *found = backend_open("auto", &model, 1, 0, &place, &why);
    assert_true(found && found != onednn);
    if (found == openblas)
        assert_non_null(strstr(place.skipped, "no onednn: layer large: pools of more than 15x15 are not supported"));
    must(net_init(&net, &model, 3, 10, &why), &why);
    struct plan_request request = {.net = &net, .batch = 1};
    assert_int_equal(onednn->plan(&plan, &request, &why), -1);
    assert_string_equal(why.text, "layer large: pools of more than 15x15 are not supported");
    net_free(&net);
}

/* A kind of layer that the backend's table lacks. */
static void test_unknown_kind(void **state)
{
    (void)state;
    static const struct layer odd = {.name = "odd", .kind = LAYER_KINDS};
    static const struct model model = {"m", "a layer of no kind", 32, 32, &odd, 1};
    for (int i = 0; backend_at(i); i++) {
        struct error why;
        char about[256];
        if (backend_at(i)->probe(about, sizeof about, &why))
            continue;
        assert_int_equal(backend_supports(backend_at(i), &model, &why), -1);
        assert_non_null(strstr(why.text, "layer odd: layers of kind"));
    }
}

/* Represents all tests of a backend that cannot run here: skipped, with the reason. */
static void test_runs_here(void **state)
{
    const struct subject *subject = *state;
    char about[256];
    struct error why;
    if (!subject->backend->probe(about, sizeof about, &why))
        return;
    print_message("%s\n", why.text);
    skip();
}

int main(void)
{
    static struct units units;
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_unsupported),
        cmocka_unit_test(test_unknown_kind),
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        units.tests[units.count++] = tests[i];
    for (int i = 0; i < BACKENDS_MAX && backend_at(i); i++)
        add_unit(&units, "runs here", test_runs_here, (struct subject){.backend = backend_at(i)});
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return _cmocka_run_group_tests("registry", units.tests, units.count, NULL, NULL);
}
