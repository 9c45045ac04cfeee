/* A step allocates nothing: this program's malloc, calloc, realloc and aligned_alloc are glibc's
 * with a count before them, also for the libraries. (Not under a sanitizer, which has its own.) */
#include <malloc.h>

#include "fixture.h"

static long allocations;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
enum { COUNTING = 1 };

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_memalign(alignment, size);
}
#else
enum { COUNTING = 0 };
#endif

static void test_step(void **state)
{
    (void)state;
    struct error why;
    const struct backend *backend = backend_find("openblas", &why);
    if (!backend || !COUNTING)
        skip();
    must(backend->set_threads(1, &why), &why);
    struct rig rig;
    const int32_t labels[4] = {1, 2, 3, 4};
    rig_open_model(&rig, &(struct subject){.backend = backend}, model_find("tutorial", &why), 3, 10, 4, true);
    assert_true(allocations > 10);
    rig_step(&rig, labels, 4); /* the library's own first time */
    long before = allocations;
    for (int i = 0; i < 10; i++)
        rig_step(&rig, labels, 4);
    assert_int_equal(allocations - before, 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_step)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("a step of openblas allocates nothing", tests, NULL, NULL);
}
