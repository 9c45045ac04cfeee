/* Whole training steps: the images, what the device is told of a pass, the update, and what comes back. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parallel.h"
#include "plan.h"

enum { SPARE = 96 << 20 }; /* bytes that stay free beside the images: for graphs, NCCL, the driver */

static struct steps *steps_of(const struct plan *plan)
{
    return &state_of(plan)->steps;
}

static cudaStream_t stream_of(const struct plan *plan)
{
    return state_of(plan)->library.stream;
}

int steps_init(struct plan *plan, struct error *why)
{
    struct steps *t = steps_of(plan);
    t->told_bytes = sizeof(struct pass_control) + (size_t)plan->batch * sizeof(uint32_t);
    if (!(t->told = device_new(t->told_bytes, "what a pass is about", why)) ||
        !(t->ring = device_new(DEVICE_AHEAD * sizeof *t->ring, "the steps' results", why)) ||
        !(t->results = memory_new(DEVICE_AHEAD, sizeof *t->results, "the steps' results", why)) ||
        CUDA(cudaHostAlloc((void **)&t->staged, PASSES_AHEAD * t->told_bytes, cudaHostAllocDefault), why))
        return -1;
    for (int i = 0; i < PASSES_AHEAD; i++)
        if (CUDA(cudaEventCreateWithFlags(&t->taken[i], cudaEventDisableTiming), why))
            return -1;
    return 0;
}

void steps_free(struct plan *plan)
{
    struct steps *t = steps_of(plan);
    void *const device[] = {t->images, t->labels, t->told, t->ring};
    for (size_t i = 0; i < sizeof device / sizeof *device; i++)
        device_free(device[i]);
    free(t->results);
    if (t->staged)
        cudaFreeHost(t->staged);
    for (int i = 0; i < PASSES_AHEAD; i++)
        if (t->taken[i])
            cudaEventDestroy(t->taken[i]);
}

/* ---- the images ---- */

/* All of them, once. */
static int take_all(struct plan *plan, struct error *why)
{
    struct steps *t = steps_of(plan);
    size_t count = (size_t)t->data.count;
    if (!(t->images = device_new(count * t->record, "the training images", why)) ||
        !(t->labels = device_new(count, "the training labels", why)))
        return -1;
    return CUDA(cudaMemcpy(t->images, t->data.images, count * t->record, cudaMemcpyHostToDevice), why) ||
           CUDA(cudaMemcpy(t->labels, t->data.labels, count, cudaMemcpyHostToDevice), why) ||
           CUDA(cudaDeviceSynchronize(), why) ? -1 : 0;
}

/* Those of the next passes: behind what is told of a pass come its images and labels. */
static int take_window(struct plan *plan, struct error *why)
{
    struct steps *t = steps_of(plan);
    size_t images = (size_t)plan->batch * (t->record + 1), told = (t->told_bytes + images + 63) / 64 * 64; /* all turns aligned */
    device_free(t->told);
    t->told = NULL;
    if (CUDA(cudaFreeHost(t->staged), why))
        return -1;
    t->staged = NULL;
    t->window = true;
    if (!(t->told = device_new(told, "the images of a pass", why)) ||
        CUDA(cudaHostAlloc((void **)&t->staged, PASSES_AHEAD * told, cudaHostAllocDefault), why))
        return -1;
    t->told_bytes = told;
    return 0;
}

int cudnn_data(struct plan *plan, const struct device_data *data, char *about, size_t size, struct error *why)
{
    struct steps *t = steps_of(plan);
    size_t unused, all, wanted = (size_t)data->count * ((size_t)data->height * (size_t)data->width * (size_t)data->channels + 1);
    t->data = *data;
    t->record = (size_t)data->height * (size_t)data->width * (size_t)data->channels;
    if (CUDA(cudaMemGetInfo(&unused, &all), why))
        return -1;
    if (wanted + SPARE <= unused) {
        snprintf(about, size, "on the device, %.0f MB", 1e-6 * (double)wanted);
        return take_all(plan, why);
    }
    snprintf(about, size, "brought to the device step by step: %.0f MB of its memory are free, all need %.0f with room to work",
             1e-6 * (double)unused, 1e-6 * (double)(wanted + SPARE));
    return take_window(plan, why);
}

/* ---- a pass ---- */

static size_t samples_at(void)
{
    return sizeof(struct pass_control);
}

/* Where a window's images lie in what is told. */
static size_t images_at(const struct plan *plan)
{
    return samples_at() + (size_t)plan->batch * sizeof(uint32_t);
}

static size_t labels_at(const struct plan *plan)
{
    return images_at(plan) + (size_t)plan->batch * steps_of(plan)->record;
}

static void gather(const struct plan *plan, const uint32_t *samples, uint8_t *place)
{
    const struct steps *t = steps_of(plan);
    uint32_t *own = (uint32_t *)(place + samples_at());
    for (uint32_t i = 0; i < (uint32_t)plan->batch; i++) {
        memcpy(place + images_at(plan) + i * t->record, t->data.images + samples[i] * t->record, t->record);
        place[labels_at(plan) + i] = t->data.labels[samples[i]];
        own[i] = i;
    }
}

int cudnn_begin(struct plan *plan, const struct device_pass *pass, struct error *why)
{
    struct steps *t = steps_of(plan);
    uint64_t turn = t->begun % PASSES_AHEAD;
    uint8_t *place = t->staged + turn * t->told_bytes;
    if (t->begun >= PASSES_AHEAD && CUDA(cudaEventSynchronize(t->taken[turn]), why))
        return -1;
    struct pass_control control = {.position = pass->position, .step = pass->step, .seed = t->data.seed, .stop = pass->stop,
                                   .rate = pass->rate, .ema_decay = pass->ema_decay};
    memcpy(place, &control, sizeof control);
    if (pass->samples && t->window)
        gather(plan, pass->samples, place);
    else if (pass->samples)
        memcpy(place + samples_at(), pass->samples, (size_t)plan->batch * sizeof *pass->samples);
    t->begun++;
    return CUDA(cudaMemcpyAsync(t->told, place, t->told_bytes, cudaMemcpyHostToDevice, stream_of(plan)), why) ||
           CUDA(cudaEventRecord(t->taken[turn], stream_of(plan)), why) ? -1 : 0;
}

int cudnn_distort(struct plan *plan, struct error *why)
{
    struct plan_state *s = plan->state;
    const struct steps *t = &s->steps;
    struct distort_arguments arguments = {
        .images = t->window ? t->told + images_at(plan) : t->images,
        .labels = t->window ? t->told + labels_at(plan) : t->labels,
        .samples = (const uint32_t *)(t->told + samples_at()),
        .control = (const struct pass_control *)t->told,
        .batch = plan->batch, .height = t->data.height, .width = t->data.width, .channels = t->data.channels,
        .crop_height = s->net->input.height, .crop_width = s->net->input.width, .y_channels = s->operations[0].x_channels,
        .half = s->operations[0].x_half, .y = s->operations[0].x, .labels_out = s->labels,
    };
    s->images_ready = s->loss.wanted = true;
    return kernel_launch(&s->library, KERNEL_distort, (size_t)plan->batch, &arguments, why);
}

/* ---- the update ---- */

int cudnn_update(struct plan *plan, float *parameters, const float *gradients, float *shadows, bool exchanged,
                 struct error *why)
{
    struct plan_state *s = plan->state;
    size_t count = s->net->parameters;
    if (exchanged && finish_sums(plan, parameters, gradients, why))
        return -1;
    struct update_arguments update = {
        .parameters = parameters, .gradients = gradients, .shadows = shadows, .tail = gradients + count,
        .faults = s->faults, .fault_count = s->fault_count,
        .control = (const struct pass_control *)s->steps.told, .ring = s->steps.ring, .ring_length = DEVICE_AHEAD,
        .count = count,
    };
    update_slices(&update, plan);
    s->copies_ready = true;
    return kernel_launch(&s->library, KERNEL_update, update_blocks(count), &update, why);
}

int cudnn_results(struct plan *plan, uint64_t last, int count, struct device_result *results, struct error *why)
{
    const struct steps *t = steps_of(plan);
    if (count < 0 || count > DEVICE_AHEAD || (uint64_t)count > last)
        return error_set(why, "the results of %d steps up to step %llu: %d are kept", count, (unsigned long long)last,
                         DEVICE_AHEAD);
    if (CUDA(cudaStreamSynchronize(stream_of(plan)), why))
        return -1;
    if (count > 0 && CUDA(cudaMemcpy(t->results, t->ring, DEVICE_AHEAD * sizeof *t->ring, cudaMemcpyDeviceToHost), why))
        return -1;
    for (int i = 0; i < count; i++) {
        uint64_t step = last - (uint64_t)(count - 1 - i);
        const struct step_record *record = &t->results[step % DEVICE_AHEAD];
        if (record->step != step)
            return error_set(why, "the device tells of step %llu where step %llu was expected",
                             (unsigned long long)record->step, (unsigned long long)step);
        double penalty = record_penalty(record);
        results[i] = (struct device_result){.step = step, .loss = record->loss, .correct = record->correct,
                                            .count = record->count, .fault = record->fault,
                                            .stop = record->stop, .penalty = penalty};
    }
    return 0;
}
