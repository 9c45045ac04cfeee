/* A step allocates nothing, on any backend: batch, forward, loss, backward, reduction, update and moving averages. This program
 * replaces malloc and related functions by ones that count and call glibc's, for the libraries and all threads too (except under a
 * sanitizer, which has its own).
 *
 * Some libraries do allocate, and may do so a limited number of times. oneDNN allocates the argument list and the context of every
 * execution (through libstdc++'s operator new), and a workspace for each dnnl_sgemm (3.7 without AVX-512: for every few rows of the
 * result). libgomp (GCC 12) allocates for every parallel region on one thread, clang's libomp for every region, and OpenBLAS a list
 * of jobs for every product on several threads.
 *
 * A device's libraries and driver may allocate on the host. So for a device, only this program and its module count, and with the
 * referee (tests/fakecuda) also device memory. */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture.h"
#include "optimize.h"
#include "recipe.h"
#include "tower.h"

static long allocations, excused; /* excused: of those libraries, while `watching` */
static bool watching;
static bool on_device; /* whether the watched backend is a device */

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
enum { COUNTING = 1 };

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static bool is_excused(const void *caller)
{
    static const char *const libraries[] = {"/libdnnl.", "/libstdc++.", "/libgomp.", "/libomp.", "/libopenblas."};
    Dl_info info, own;
    if (!dladdr(caller, &info) || !info.dli_fname)
        return false;
    if (on_device)
        return dladdr(&watching, &own) && info.dli_fbase != own.dli_fbase && !strstr(info.dli_fname, "/cifar10_");
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        if (strstr(info.dli_fname, libraries[i]))
            return true;
    return false;
}

static void count(const void *caller)
{
    bool other = __atomic_load_n(&watching, __ATOMIC_RELAXED) && is_excused(caller);
    __atomic_add_fetch(other ? &excused : &allocations, 1, __ATOMIC_RELAXED);
}

#define COUNT() count(__builtin_return_address(0))

void *malloc(size_t size)
{
    COUNT();
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    COUNT();
    return __libc_calloc(n, size);
}

void *realloc(void *memory, size_t size)
{
    COUNT();
    return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size)
{
    COUNT();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    COUNT();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    COUNT();
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset)
{
    COUNT();
    return (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
}
#else
enum { COUNTING = 0 };
#endif

/* ---- a run on one rank ---- */

enum { IMAGES = 10, SIDE = 26, BATCH = 4 };

static uint8_t pixels[IMAGES * SIDE * SIDE * 3], labels[IMAGES];
static const struct dataset dataset = {.count = IMAGES, .height = SIDE, .width = SIDE, .channels = 3, .classes = 10,
                                       .file = "a test", .split = "train", .images = pixels, .labels = labels};
static const struct world world = {.size = 1, .node_size = 1, .nodes = 1};

struct run {
    const struct backend *backend;
    struct net net;
    struct tower tower;
    struct reducer reducer;
    struct loader loader;
    uint64_t step;
};

static void run_init(struct run *run, const struct subject *subject, int slices)
{
    struct error why;
    memset(run, 0, sizeof *run);
    struct training_request training = {.reducer = &run->reducer, .slices = slices, .loader = &run->loader, .world = &world,
                                        .exchange = slices > 1 ? EXCHANGE_SHARED : EXCHANGE_NONE, .dataset = &dataset,
                                        .augmentations = &recipe_find("tutorial")->augmentations};
    run->backend = subject->backend;
    must(net_init(&run->net, model_find("tutorial", &why), 3, 10, &why), &why);
    struct tower_request tower = {.backend = subject->backend, .net = &run->net, .batch = BATCH, .training = true,
                                  .optimizer = &optimizer_sgd, .master = true,
                                  .convolution = subject->convolution};
    struct loader_request loader = {.dataset = &dataset, .augmentations = &recipe_find("tutorial")->augmentations,
                                    .crop_height = run->net.input.height, .crop_width = run->net.input.width,
                                    .global_batch = slices * BATCH, .batch = BATCH, .slices = slices, .threads = 2, .depth = 2};
    must(tower_init(&run->tower, &tower, &why), &why);
    must(reducer_init(&run->reducer, &world, EXCHANGE_NONE, run->net.gradients, slices, 1 << 20, &why), &why);
    must(loader_init(&run->loader, &loader, &why), &why);
    float *parameters = floats_new(run->net.parameters);
    net_parameters(&run->net, 1, parameters);
    must(tower_set_parameters(&run->tower, parameters, &why), &why);
    must(tower_start(&run->tower, &training, &why), &why);
    free(parameters);
}

static void run_free(struct run *run)
{
    loader_free(&run->loader);
    tower_free(&run->tower);
    reducer_free(&run->reducer);
    net_free(&run->net);
}

/* Makes a step as training does. */
static void run_step(struct run *run)
{
    struct error why;
    struct step_result result;
    uint64_t number = ++run->step;
    struct step step = {.number = number, .position = (number - 1) * (uint64_t)(run->reducer.slices * BATCH), .rate = 0.1f,
                        .ema_decay = ema_decay(0.9999f, number)};
    must(tower_give(&run->tower, &step, 1, &why), &why);
    must(tower_results(&run->tower, &result, 1, &why), &why);
    assert_true(result.step == number && result.count == (float)(run->reducer.slices * BATCH) && result.fault == 0);
}

/* Allocations of device memory and pinned memory, as the referee counts them; 0 on a real device. */
static long device_allocations(void)
{
    void *referee = dlopen("libcudart.so.13", RTLD_LAZY | RTLD_NOLOAD);
    long (*calls)(const char *name) = referee ? (long (*)(const char *))dlsym(referee, "fake_calls") : NULL;
    long sum = calls ? calls("cudaMalloc") + calls("cudaHostAlloc") : 0;
    if (referee)
        dlclose(referee);
    return sum;
}

static long device_before;

/* Counts allocations from here to watch_end. */
static void watch_begin(const struct subject *subject)
{
    assert_true(allocations > 10); /* the count works; it restarts here */
    on_device = subject->backend->device != NULL;
    device_before = device_allocations();
    allocations = excused = 0;
    __atomic_store_n(&watching, true, __ATOMIC_RELAXED);
}

/* Allocations allowed to libraries per pass. A pass through the tutorial's net takes some dozens of executions, products and
 * parallel regions; oneDNN 3.7 without AVX-512 allocates 3,000 times for the gradients of the dense weights. */
static int excused_a_pass(const struct subject *subject, int threads)
{
    if (!strcmp(subject->backend->name, "openblas"))
        return threads == 1 ? 0 : 100;
    return strcmp(subject->backend->name, "onednn") ? 100 : 4000;
}

static void watch_end(const struct subject *subject, int passes, int threads)
{
    int a_pass = excused_a_pass(subject, threads);
    __atomic_store_n(&watching, false, __ATOMIC_RELAXED);
    long own = allocations, others = excused;
    printf("# %s: %ld allocations in %d passes, %ld of libraries that cannot help it\n", subject->backend->name, own,
           passes, others);
    assert_int_equal(own, 0);
    assert_int_equal(device_allocations(), device_before);
    if (!on_device)
        assert_in_range(others, 0, a_pass * passes);
}

static void check_run(const struct subject *subject, int slices, int threads)
{
    struct run run;
    struct error why;
    must(subject->backend->set_threads(threads, &why), &why);
    run_init(&run, subject, slices);
    for (int i = 0; i < 2; i++) /* the libraries' initialisation */
        run_step(&run);
    watch_begin(subject);
    for (int i = 0; i < 5; i++)
        run_step(&run);
    watch_end(subject, 5 * slices, threads);
    run_free(&run);
}

static void test_one_slice(void **state)
{
    check_run(*state, 1, 1);
}

static void test_tree(void **state)
{
    check_run(*state, 3, 1);
}

static void test_two_threads(void **state)
{
    check_run(*state, 1, 2);
}

/* A net's evaluation: forward and loss. */
static void test_evaluation(void **state)
{
    struct rig rig;
    struct error why;
    struct loss_sums sums;
    const int32_t some[BATCH] = {1, 2, 3, 4};
    must(((const struct subject *)*state)->backend->set_threads(1, &why), &why);
    rig_open_model(&rig, *state, model_find("tutorial", &why), 3, 10, BATCH, false);
    rig_forward(&rig);
    watch_begin(*state);
    for (int i = 0; i < 3; i++) {
        rig_forward(&rig);
        must(rig.backend->loss(&rig.plan, some, BATCH, &sums, &why), &why);
    }
    watch_end(*state, 3, 1);
    rig_close(&rig);
}

static void test_uncounted(void **state)
{
    (void)state;
    print_message("a sanitizer has its own malloc\n");
    skip();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest uncounted[] = {cmocka_unit_test(test_uncounted)};
    const struct backend_test tests[] = {
        {"a step of one slice allocates nothing", test_one_slice, NULL, true},
        {"a step of three slices in a tree allocates nothing", test_tree, NULL, true},
        {"a step on two threads allocates nothing", test_two_threads, NULL, true},
        {"evaluation allocates nothing", test_evaluation, NULL, true},
    };
    if (COUNTING)
        return run_on_backends(argc, argv, tests, sizeof tests / sizeof *tests);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(uncounted, NULL, NULL);
}
