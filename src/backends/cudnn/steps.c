/* Whole training steps: the images, the passes, the update, and the results. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "optimize.h"
#include "parcel.h"
#include "plan.h"

enum { SPARE = 96 << 20, SLOT_ALIGNMENT = 64 }; /* bytes. SPARE: left free for graphs, NCCL and the driver */

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
    if (!(t->next = device_new(sizeof *t->next, "the pass that comes", why)) ||
        !(t->present = device_new(sizeof *t->present, "what a pass is about", why)) ||
        !(t->records = device_new(STEPS_AT_ONCE * sizeof *t->records, "the steps' records", why)) ||
        !(t->results = device_new(REPORTS * STEPS_AT_ONCE * sizeof *t->results, "the steps' results", why)) ||
        CUDA(cudaHostAlloc((void **)&t->read, REPORTS * STEPS_AT_ONCE * sizeof *t->read, cudaHostAllocDefault), why) ||
        CUDA(cudaStreamCreateWithFlags(&t->loading, cudaStreamNonBlocking), why) ||
        CUDA(cudaEventCreateWithFlags(&t->loaded, cudaEventDisableTiming), why))
        return -1;
    for (int i = 0; i < TURNS; i++)
        if (CUDA(cudaEventCreateWithFlags(&t->passed[i], cudaEventDisableTiming), why))
            return -1;
    for (int i = 0; i < REPORTS; i++)
        if (CUDA(cudaEventCreateWithFlags(&t->reports[i].arrived, cudaEventDisableTiming), why))
            return -1;
    return 0;
}

static void free_events(struct steps *t)
{
    for (int i = 0; i < TURNS; i++)
        if (t->passed[i])
            cudaEventDestroy(t->passed[i]);
    for (int i = 0; i < REPORTS; i++)
        if (t->reports[i].arrived)
            cudaEventDestroy(t->reports[i].arrived);
    if (t->loaded)
        cudaEventDestroy(t->loaded);
}

void steps_free(struct plan *plan)
{
    struct steps *t = steps_of(plan);
    void *const device[] = {t->images, t->labels, t->slots, t->next, t->present, t->records, t->results};
    for (size_t i = 0; i < sizeof device / sizeof *device; i++)
        device_free(device[i]);
    if (t->staged)
        cudaFreeHost(t->staged);
    if (t->read)
        cudaFreeHost(t->read);
    if (t->loading)
        cudaStreamDestroy(t->loading);
    free_events(t);
}

/* ---- a slot: control and samples; with a window also images and labels ---- */

static size_t samples_at(void)
{
    return sizeof(struct pass_control);
}

static size_t images_at(const struct plan *plan)
{
    return samples_at() + (size_t)plan->batch * sizeof(uint32_t);
}

static size_t labels_at(const struct plan *plan)
{
    return images_at(plan) + (size_t)plan->batch * steps_of(plan)->record;
}

static void gather(const struct plan *plan, const uint32_t *samples, uint8_t *slot)
{
    const struct steps *t = steps_of(plan);
    uint32_t *own = (uint32_t *)(slot + samples_at());
    for (uint32_t i = 0; i < (uint32_t)plan->batch; i++) {
        memcpy(slot + images_at(plan) + i * t->record, t->data.images + samples[i] * t->record, t->record);
        slot[labels_at(plan) + i] = t->data.labels[samples[i]];
        own[i] = i;
    }
}

static void slot_fill(const struct plan *plan, const struct device_pass *pass, uint64_t number, uint8_t *slot)
{
    const struct steps *t = steps_of(plan);
    struct pass_control control = {.pass = number, .position = pass->position, .step = pass->step.number - 1, .seed = t->data.seed,
                                   .stop = pass->step.stop, .rate = pass->step.rate, .ema_decay = pass->step.ema_decay};
    memcpy(slot, &control, sizeof control);
    if (t->window)
        gather(plan, pass->samples, slot);
    else
        memcpy(slot + samples_at(), pass->samples, (size_t)plan->batch * sizeof *pass->samples);
}

/* ---- the images ---- */

/* Copies all of them, once. */
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

/* Allocates the slots for `turns` calls of `begin`, `bytes` each. */
static int take_slots(struct steps *t, int turns, size_t bytes, struct error *why)
{
    t->turns = turns;
    t->slot_bytes = (bytes + SLOT_ALIGNMENT - 1) / SLOT_ALIGNMENT * SLOT_ALIGNMENT;
    size_t all = (size_t)(turns * DEVICE_AT_ONCE) * t->slot_bytes;
    t->slots = device_new(all, t->window ? "the images of the next passes" : "what the next passes are about", why);
    return !t->slots || CUDA(cudaHostAlloc((void **)&t->staged, all, cudaHostAllocDefault), why) ? -1 : 0;
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
        return take_all(plan, why) || take_slots(t, TURNS, images_at(plan), why) ? -1 : 0;
    }
    snprintf(about, size, "brought to the device step by step: %.0f MB of its memory are free, all need %.0f with room to work",
             1e-6 * (double)unused, 1e-6 * (double)(wanted + SPARE));
    t->window = true;
    return take_slots(t, WINDOW_TURNS, labels_at(plan) + (size_t)plan->batch, why);
}

/* ---- passes ---- */

/* The slots of this call were last used `turns` calls ago, and must not change until those passes are done. Does not wait if
 * results have shown that they are. */
static int wait_for_slots(struct steps *t, cudaStream_t stream, struct error *why)
{
    uint64_t turns = (uint64_t)t->turns;
    if (t->begun > 0 && CUDA(cudaEventRecord(t->passed[(t->begun - 1) % turns], stream), why))
        return -1;
    if (t->begun < turns || t->begun - turns < t->finished)
        return 0;
    return CUDA(cudaEventSynchronize(t->passed[t->begun % turns]), why);
}

/* Loads the slots from `first` on to the device, beside the work there. */
static int slots_load(struct steps *t, size_t first, size_t count, struct error *why)
{
    size_t at = first * t->slot_bytes, bytes = count * t->slot_bytes;
    return count ? CUDA(cudaMemcpyAsync(t->slots + at, t->staged + at, bytes, cudaMemcpyHostToDevice, t->loading), why) : 0;
}

int cudnn_begin(struct plan *plan, const struct device_pass *passes, int count, struct error *why)
{
    struct steps *t = steps_of(plan);
    cudaStream_t stream = stream_of(plan);
    size_t slots = (size_t)(t->turns * DEVICE_AT_ONCE), first = t->passes % slots;
    size_t wanted = (size_t)count, straight = wanted < slots - first ? wanted : slots - first; /* before the ring's end */
    if (count < 1 || count > DEVICE_AT_ONCE)
        return error_set(why, "%d passes at once: the device takes 1 to %d", count, DEVICE_AT_ONCE);
    if (wait_for_slots(t, stream, why))
        return -1;
    for (int i = 0; i < count; i++, t->passes++)
        slot_fill(plan, &passes[i], t->passes, t->staged + t->passes % slots * t->slot_bytes);
    t->begun++;
    return slots_load(t, first, straight, why) || slots_load(t, 0, wanted - straight, why) ||
           CUDA(cudaEventRecord(t->loaded, t->loading), why) || CUDA(cudaStreamWaitEvent(stream, t->loaded, 0), why) ? -1 : 0;
}

int cudnn_distort(struct plan *plan, struct error *why)
{
    struct cudnn_plan_state *s = plan->state;
    const struct steps *t = &s->steps;
    struct distort_arguments arguments = {
        .ring = {.slots = t->slots, .slot_bytes = t->slot_bytes, .mask = (uint64_t)(t->turns * DEVICE_AT_ONCE - 1),
                 .next = t->next, .present = t->present},
        .images = t->window ? t->slots + images_at(plan) : t->images,
        .labels = t->window ? t->slots + labels_at(plan) : t->labels,
        .window = t->window,
        .augmentations = t->data.augmentations,
        .frame = {t->data.height, t->data.width, t->data.channels, s->net->input.height, s->net->input.width},
        .batch = plan->batch, .y_channels = s->operations[0].x_channels,
        .half = s->operations[0].x_half, .y = s->operations[0].x, .labels_out = s->labels,
    };
    s->images_ready = s->loss.wanted = true;
    return kernel_launch(&s->library, KERNEL_distort, (size_t)plan->batch, &arguments, why);
}

/* ---- the update ---- */

int cudnn_update(struct plan *plan, float *parameters, const float *gradients, float *const *states, bool exchanged,
                 struct error *why)
{
    struct cudnn_plan_state *s = plan->state;
    size_t count = s->net->trained;
    if (exchanged && finish_sums(plan, parameters, gradients, why))
        return -1;
    struct update_arguments update = {
        .parameters = parameters, .gradients = gradients, .shadows = states[OPTIMIZER_EMA],
        .tail = gradients + s->net->gradients,
        .faults = s->faults, .fault_count = s->fault_count,
        .control = s->steps.present, .ring = s->steps.records, .ring_length = STEPS_AT_ONCE,
        .count = count,
    };
    update_slices(&update, plan, TENSOR_TRAINED);
    s->copies_ready = true;
    return kernel_launch(&s->library, KERNEL_update, update_blocks(count), &update, why) ||
           update_states(plan, &update, why) ? -1 : 0;
}

/* ---- results ---- */

int cudnn_results_begin(struct plan *plan, uint64_t last, int count, struct error *why)
{
    struct cudnn_plan_state *s = plan->state;
    struct steps *t = &s->steps;
    uint64_t turn = t->asked % REPORTS;
    size_t at = turn * STEPS_AT_ONCE, bytes = (size_t)count * sizeof *t->results;
    if (count < 1 || count > STEPS_AT_ONCE || (uint64_t)count > last)
        return error_set(why, "the results of %d steps up to step %llu: %d are kept", count, (unsigned long long)last,
                         STEPS_AT_ONCE);
    if (t->asked - t->answered == REPORTS)
        return error_set(why, "results are asked for a third time before any was read");
    struct results_report *report = &t->reports[turn];
    *report = (struct results_report){.first = last - (uint64_t)count + 1, .count = count, .begun = t->begun,
                                      .arrived = report->arrived};
    t->asked++;
    struct results_arguments arguments = {.ring = t->records, .results = t->results + at, .first = report->first,
                                          .ring_length = STEPS_AT_ONCE, .count = count};
    return kernel_launch(&s->library, KERNEL_results, (size_t)count, &arguments, why) || cudnn_library_fork(&s->library, why) ||
           CUDA(cudaMemcpyAsync(t->read + at, t->results + at, bytes, cudaMemcpyDeviceToHost, s->library.beside), why) ||
           CUDA(cudaEventRecord(report->arrived, s->library.beside), why) ? -1 : 0;
}

int cudnn_results_end(struct plan *plan, struct step_result *results, struct error *why)
{
    struct steps *t = steps_of(plan);
    uint64_t turn = t->answered % REPORTS;
    const struct results_report *report = &t->reports[turn];
    if (t->answered == t->asked)
        return error_set(why, "no results were asked for");
    if (CUDA(cudaEventSynchronize(report->arrived), why))
        return -1;
    t->answered++;
    t->finished = report->begun;
    for (int i = 0; i < report->count; i++) {
        const struct step_result *r = &t->read[turn * STEPS_AT_ONCE + (uint64_t)i];
        if (r->step != report->first + (uint64_t)i)
            return error_set(why, "the device tells of step %llu where step %llu was expected", (unsigned long long)r->step,
                             (unsigned long long)report->first + (unsigned long long)i);
        results[i] = *r;
    }
    return 0;
}

int cudnn_wait(struct plan *plan, struct error *why)
{
    return CUDA(cudaStreamSynchronize(stream_of(plan)), why);
}
