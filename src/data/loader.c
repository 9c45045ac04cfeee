#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "data.h"
#include "thread.h"

/* Batch k of the stream uses slot k % slot_count. A worker may begin it after the caller has returned batch k - slot_count, so the
 * caller's batch and `depth` others exist at any time. */
struct slot {
    struct batch batch;
    float *images;
    int32_t *labels;
    bool ready;
};

struct worker {
    struct loader_state *loader;
    struct shuffle shuffle;
    pthread_t thread;
};

struct loader_state {
    struct loader_request request;
    pthread_mutex_t lock; /* protects everything below except the contents of slots */
    pthread_cond_t filled, emptied;
    bool stop;
    uint64_t begun;    /* batches that a worker has started to fill */
    uint64_t taken;    /* batches that the caller has received */
    uint64_t returned; /* batches that the caller no longer uses */
    int slot_count, started;
    struct slot *slots;
    struct worker *workers;
};

void loader_fill(const struct loader_request *request, struct shuffle *shuffle, uint64_t first, struct batch *batch,
                 float *images, int32_t *labels)
{
    const struct dataset *dataset = request->dataset;
    struct frame frame = dataset_frame(dataset, request->crop_height, request->crop_width);
    size_t image_size = (size_t)dataset->height * dataset->width * dataset->channels;
    size_t crop_size = (size_t)request->crop_height * request->crop_width * dataset->channels;
    for (int i = 0; i < request->batch; i++) {
        uint64_t position = first + (uint64_t)i;
        uint32_t sample = shuffle_at(shuffle, position);
        struct distortion distortion = distort_draw(request->augmentations, request->seed, position, &frame);
        distort_apply(dataset->images + sample * image_size, &frame, &distortion, images + i * crop_size);
        labels[i] = dataset->labels[sample];
    }
    *batch = (struct batch){first, request->batch, images, labels};
}

static void fill_slot(struct worker *worker, struct slot *slot, uint64_t k)
{
    const struct loader_request *request = &worker->loader->request;
    uint64_t step = k / (uint64_t)request->slices, slice = k % (uint64_t)request->slices;
    uint64_t first = request->position + step * (uint64_t)request->global_batch + (uint64_t)request->offset +
                     slice * (uint64_t)request->batch;
    loader_fill(request, &worker->shuffle, first, &slot->batch, slot->images, slot->labels);
}

static void fill_and_trace(struct worker *worker, struct slot *slot, uint64_t k)
{
    const struct loader_state *loader = worker->loader;
    struct trace *trace = loader->request.trace;
    struct trace_slice slice = {.category = "batch", .number = (int64_t)k, .begin = clock_seconds()};
    fill_slot(worker, slot, k);
    slice.end = clock_seconds();
    trace_slice(trace, trace_loader_track(trace, (int)(worker - loader->workers)), &slice);
}

static void *loader_work(void *argument)
{
    struct worker *worker = argument;
    struct loader_state *loader = worker->loader;
    pthread_mutex_lock(&loader->lock);
    for (;;) {
        while (!loader->stop && loader->begun == loader->returned + (uint64_t)loader->slot_count)
            pthread_cond_wait(&loader->emptied, &loader->lock);
        if (loader->stop)
            break;
        uint64_t k = loader->begun++;
        struct slot *slot = &loader->slots[k % (uint64_t)loader->slot_count];
        pthread_mutex_unlock(&loader->lock);
        fill_and_trace(worker, slot, k);
        pthread_mutex_lock(&loader->lock);
        slot->ready = true;
        pthread_cond_signal(&loader->filled);
    }
    pthread_mutex_unlock(&loader->lock);
    return NULL;
}

static int loader_check(const struct loader_request *request, struct error *why)
{
    const struct dataset *dataset = request->dataset;
    if (dataset->count < 1 || dataset->count > UINT32_MAX)
        return error_set(why, "%s: %lld images in /%s, but 1 to %u can be shuffled", dataset->file,
                         (long long)dataset->count, dataset->split, UINT32_MAX);
    if (request->crop_height < 1 || request->crop_width < 1 || request->crop_height > dataset->height ||
        request->crop_width > dataset->width)
        return error_set(why, "%s: images of %d x %d, from which no %d x %d can be cut", dataset->file,
                         dataset->height, dataset->width, request->crop_height, request->crop_width);
    if (request->batch < 1 || request->slices < 1 || request->offset < 0 ||
        (int64_t)request->offset + (int64_t)request->slices * request->batch > request->global_batch)
        return error_set(why, "%d slices of %d images at place %d do not lie in a global batch of %d",
                         request->slices, request->batch, request->offset, request->global_batch);
    if (request->threads < 1 || request->threads > 1024 || request->depth < 1 || request->depth > 1024)
        return error_set(why, "a loader has 1 to 1024 threads and 1 to 1024 batches ahead, not %d and %d",
                         request->threads, request->depth);
    return 0;
}

/* code: what a pthread function returned, 0 or an error number. */
static int check_call(int code, const char *what, struct error *why)
{
    return code ? error_set(why, "%s: %s", what, strerror(code)) : 0;
}

static int make_slots(struct loader_state *loader, struct error *why)
{
    const struct loader_request *request = &loader->request;
    size_t crop_size = (size_t)request->crop_height * request->crop_width * request->dataset->channels;
    loader->slots = memory_new((size_t)request->depth + 1, sizeof *loader->slots, "the batches ahead", why);
    if (!loader->slots)
        return -1;
    loader->slot_count = request->depth + 1;
    for (int i = 0; i < loader->slot_count; i++) {
        struct slot *slot = &loader->slots[i];
        slot->images = memory_new((size_t)request->batch, crop_size * sizeof(float), "the batches ahead", why);
        if (!slot->images)
            return -1;
        slot->labels = memory_new((size_t)request->batch, sizeof *slot->labels, "the batches ahead", why);
        if (!slot->labels)
            return -1;
    }
    return 0;
}

static int start_workers(struct loader_state *loader, struct error *why)
{
    const struct loader_request *request = &loader->request;
    loader->workers = memory_new((size_t)request->threads, sizeof *loader->workers, "the loader's threads", why);
    if (!loader->workers)
        return -1;
    for (int i = 0; i < request->threads; i++) {
        struct worker *worker = &loader->workers[i];
        worker->loader = loader;
        if (shuffle_init(&worker->shuffle, request->seed, (uint32_t)request->dataset->count, why))
            return -1;
        int code = thread_start(&worker->thread, loader_work, worker);
        if (check_call(code, "a thread of the loader", why)) {
            shuffle_free(&worker->shuffle);
            return -1;
        }
        loader->started++;
    }
    return 0;
}

int loader_init(struct loader *loader, const struct loader_request *request, struct error *why)
{
    memset(loader, 0, sizeof *loader);
    if (loader_check(request, why))
        return -1;
    loader->state = memory_new(1, sizeof *loader->state, "the loader", why);
    if (!loader->state)
        return -1;
    *loader->state = (struct loader_state){.request = *request,
                                           .lock = PTHREAD_MUTEX_INITIALIZER,
                                           .filled = PTHREAD_COND_INITIALIZER,
                                           .emptied = PTHREAD_COND_INITIALIZER};
    if (make_slots(loader->state, why) || start_workers(loader->state, why)) {
        loader_free(loader);
        return -1;
    }
    return 0;
}

int loader_next(struct loader *loader, struct batch *batch, struct error *why)
{
    struct loader_state *state = loader->state;
    if (check_call(pthread_mutex_lock(&state->lock), "the loader's lock", why))
        return -1;
    if (state->taken > state->returned) {
        state->slots[state->returned++ % (uint64_t)state->slot_count].ready = false;
        pthread_cond_signal(&state->emptied);
    }
    struct slot *slot = &state->slots[state->taken % (uint64_t)state->slot_count];
    if (!slot->ready) {
        double before = clock_seconds();
        while (!slot->ready)
            pthread_cond_wait(&state->filled, &state->lock);
        loader->wait_seconds += clock_seconds() - before;
    }
    state->taken++;
    pthread_mutex_unlock(&state->lock);
    *batch = slot->batch;
    return 0;
}

static void stop_workers(struct loader_state *loader)
{
    pthread_mutex_lock(&loader->lock);
    loader->stop = true;
    pthread_cond_broadcast(&loader->emptied);
    pthread_mutex_unlock(&loader->lock);
    for (int i = 0; i < loader->started; i++) {
        pthread_join(loader->workers[i].thread, NULL);
        shuffle_free(&loader->workers[i].shuffle);
    }
}

void loader_free(struct loader *loader)
{
    struct loader_state *state = loader->state;
    if (!state)
        return;
    if (state->started)
        stop_workers(state);
    for (int i = 0; i < state->slot_count; i++) {
        free(state->slots[i].images);
        free(state->slots[i].labels);
    }
    free(state->slots);
    free(state->workers);
    pthread_cond_destroy(&state->emptied);
    pthread_cond_destroy(&state->filled);
    pthread_mutex_destroy(&state->lock);
    free(state);
    memset(loader, 0, sizeof *loader);
}
