/* Whole steps on a device of its own: everything is enqueued, and once it is known to work, captured as graphs and replayed.
 *
 *   pass      of each slice: distort, forward, loss, backward; what the host reducer is to add is sent beside the backward pass
 *   exchange  the reducer's, MPI's or NCCL's
 *   update    and the stages' own layouts of the new parameters
 *
 * Without an exchange on the host all of it is one graph, of one step or of DEVICE_AT_ONCE; else a step is two graphs. */
#include <stdlib.h>
#include <string.h>

#include "walk.h"

enum { WARM_UP = 2 };  /* steps before the capture: libraries load and choose at their first calls */
enum { ATTEMPTS = 2 }; /* to capture a part of a step */

static struct plan *plan_of(const struct device_tower *d)
{
    return &d->request.tower->plan;
}

static size_t parcel_length(const struct device_tower *d)
{
    return d->request.tower->net->gradients + PARCEL_SLOTS;
}

/* The reducer's memory, on the host, where slices are written and sums are read. */
static int pin_reducer(struct device_tower *d, struct error *why)
{
    size_t bytes;
    for (void *block; (block = reducer_memory(d->request.reducer, d->pinned, &bytes)); d->pinned++)
        if (d->device->pin(block, bytes, why))
            return -1;
    return 0;
}

int device_tower_init(struct device_tower *d, const struct device_request *request, struct error *why)
{
    memset(d, 0, sizeof *d);
    d->request = *request;
    d->device = request->tower->backend->device;
    const struct dataset *dataset = request->dataset;
    struct device_data data = {.images = dataset->images, .labels = dataset->labels, .count = dataset->count,
                               .height = dataset->height, .width = dataset->width, .channels = dataset->channels,
                               .seed = request->seed, .augmentations = *request->augmentations};
    if (shuffle_init(&d->shuffle, request->seed, (uint32_t)dataset->count, why) ||
        !(d->samples = memory_new(DEVICE_AT_ONCE * (size_t)plan_of(d)->batch, sizeof *d->samples, "the passes' samples", why)) ||
        d->device->data(plan_of(d), &data, d->data, sizeof d->data, why))
        return -1;
    return exchange_is_on_host(request->exchange) ? pin_reducer(d, why) : 0;
}

int device_tower_join(struct device_tower *d, const void *identity, struct error *why)
{
    return d->device->allreduce_join(plan_of(d), identity, d->request.world->rank, d->request.world->size, why);
}

void device_tower_free(struct device_tower *d)
{
    struct error ignored;
    size_t bytes;
    while (d->pinned > 0)
        d->device->unpin(reducer_memory(d->request.reducer, --d->pinned, &bytes), &ignored);
    shuffle_free(&d->shuffle);
    free(d->samples);
    memset(d, 0, sizeof *d);
}

/* ---- what is enqueued, or captured ---- */

/* To the host what is complete since it was sent last, where that is a message's worth or the last. */
static int send_part(struct device_tower *d, const struct stage *stage, float *parcel, size_t *sent, struct error *why)
{
    size_t offset = stage->complete;
    if (offset == *sent || (*sent - offset < d->request.reducer->bucket && offset > 0))
        return 0;
    const float *from = d->request.tower->gradients + offset;
    if (d->device->send(plan_of(d), parcel + offset, from, *sent - offset, d->tickets, why))
        return -1;
    d->offsets[d->tickets++] = offset;
    *sent = offset;
    return 0;
}

/* By NCCL the parcel is added up in two parts: the second half of it or more, up to its end, beside the backward pass of the other
 * stages; then the rest. The net alone decides where it is cut, so all ranks cut it there. */
static int reduce_part(struct device_tower *d, const struct stage *stage, size_t *sent, struct error *why)
{
    size_t length = parcel_length(d), offset = stage->complete;
    bool early = offset > 0 && *sent == length && length - offset >= length / 2;
    if (!early && stage > plan_of(d)->stages)
        return 0;
    if (!early && d->device->send_end(plan_of(d), why)) /* one sum behind the other: ranks must not begin with different ones */
        return -1;
    float *values = d->request.tower->gradients + offset;
    if (d->device->allreduce(plan_of(d), values, *sent - offset, early, why))
        return -1;
    *sent = offset;
    return 0;
}

/* What a stage's backward pass completed, to those who add it up. */
static int pass_on(struct device_tower *d, const struct stage *stage, float *parcel, size_t *sent, struct error *why)
{
    if (d->request.exchange == EXCHANGE_NCCL)
        return reduce_part(d, stage, sent, why);
    return parcel ? send_part(d, stage, parcel, sent, why) : 0;
}

/* Forward, loss and backward; the gradients to the host's parcel, where there is one, or added up by NCCL. */
static int enqueue_pass(struct device_tower *d, float *parcel, struct error *why)
{
    struct tower *tower = d->request.tower;
    struct plan *plan = plan_of(d);
    size_t sent = parcel_length(d);
    d->tickets = 0;
    if (d->device->distort(plan, why) || walk_forward(tower, tower->gradients, why) ||
        d->device->loss(plan, tower->gradients + tower->net->gradients, why))
        return -1;
    for (int i = plan->stage_count - 1; i >= 0; i--)
        if (walk_backward(tower, i, tower->gradients, why) ||
            pass_on(d, &plan->stages[i], parcel, &sent, why))
            return -1;
    return parcel ? d->device->send_end(plan, why) : 0;
}

static int enqueue_update(struct device_tower *d, struct error *why)
{
    struct tower *tower = d->request.tower;
    bool exchanged = d->request.exchange != EXCHANGE_NONE;
    return d->device->update(plan_of(d), tower->parameters, tower->gradients, d->request.shadows, exchanged, why) ||
           walk_prepare(tower, why) ? -1 : 0;
}

bool device_tower_runs_ahead(const struct device_tower *d)
{
    return d->request.exchange == EXCHANGE_NONE || d->request.exchange == EXCHANGE_NCCL;
}

static int enqueue_whole(struct device_tower *d, struct error *why)
{
    return enqueue_pass(d, NULL, why) || enqueue_update(d, why) ? -1 : 0;
}

static int enqueue(struct device_tower *d, enum device_part part, float *parcel, struct error *why)
{
    int steps = part == DEVICE_STEPS ? DEVICE_AT_ONCE : 1, status = 0;
    if (part == DEVICE_GRADIENTS)
        return enqueue_pass(d, parcel, why);
    if (part == DEVICE_UPDATE)
        return enqueue_update(d, why);
    for (int i = 0; i < steps && !status; i++)
        status = enqueue_whole(d, why);
    return status;
}

/* ---- graphs ---- */

/* Of two failures it reports the first. */
static int record(struct device_tower *d, enum device_part part, float *parcel, struct error *why)
{
    struct error second;
    if (d->device->capture(plan_of(d), why))
        return -1;
    int failed = enqueue(d, part, parcel, why);
    int unended = d->device->captured(plan_of(d), part, failed ? &second : why);
    return failed || unended ? -1 : 0;
}

static void tell_failure(struct device_tower *d, int attempt, const struct error *reason)
{
    d->notice = *reason;
    if (attempt < ATTEMPTS)
        error_in(&d->notice, "step captured without early launches (slower)");
    else
        error_in(&d->notice, "the step cannot be captured as a graph (slower)");
}

/* On all ranks or on none: NCCL does not add up what one rank captured and another did not. Where it fails twice, on whatever
 * rank, the steps go on without graphs: nothing was done yet. */
static int capture_part(struct device_tower *d, enum device_part part, float *parcel, struct error *why)
{
    struct error reason;
    for (int attempt = 1; attempt <= ATTEMPTS; attempt++) {
        d->captured[part] = !world_agree(d->request.world, record(d, part, parcel, &reason), &reason);
        if (d->captured[part])
            return 0;
        if (d->device->uncapture(plan_of(d), part, why))
            return error_in(why, "capturing the step");
        tell_failure(d, attempt, &reason);
    }
    d->request.graph = false;
    return 0;
}

/* By a graph once the first steps are done. */
static int run_part(struct device_tower *d, enum device_part part, float *parcel, struct error *why)
{
    bool wanted = d->request.graph && d->given >= WARM_UP && !d->captured[part];
    if (wanted && capture_part(d, part, parcel, why))
        return -1;
    return d->request.graph && d->captured[part] ? d->device->replay(plan_of(d), part, why) : enqueue(d, part, parcel, why);
}

/* ---- a pass ---- */

/* Slice `slice` of this rank's part of each step's global batch, one step after another. */
static int begin(struct device_tower *d, const struct device_pass *steps, int count, int slice, struct error *why)
{
    struct device_pass passes[DEVICE_AT_ONCE];
    int batch = plan_of(d)->batch;
    uint32_t *samples = d->samples;
    for (int i = 0; i < count; i++) {
        passes[i] = steps[i];
        passes[i].position += (uint64_t)(d->request.world->rank * d->request.slices + slice) * (uint64_t)batch;
        passes[i].samples = samples;
        for (int k = 0; k < batch; k++)
            *samples++ = shuffle_at(&d->shuffle, passes[i].position + (uint64_t)k);
    }
    return d->device->begin(plan_of(d), passes, count, why);
}

/* ---- a step that meets the host ---- */

/* Of several slices each is sent as a whole, where the reducer has room for it. */
static int send_whole(struct device_tower *d, float *parcel, struct error *why)
{
    d->offsets[0] = 0;
    d->tickets = 1;
    return d->device->send(plan_of(d), parcel, d->request.tower->gradients, parcel_length(d), 0, why) ||
           d->device->send_end(plan_of(d), why) ? -1 : 0;
}

/* The device writes the parcel behind its copy of the last sums, so nobody has to wait for that copy first. */
static int enqueue_slice(struct device_tower *d, const struct device_pass *step, int slice, struct error *why)
{
    float *parcel = reducer_begin(d->request.reducer, slice);
    bool parts = d->request.slices == 1;
    return begin(d, step, 1, slice, why) || run_part(d, DEVICE_GRADIENTS, parts ? parcel : NULL, why) ||
           (!parts && send_whole(d, parcel, why)) ? -1 : 0;
}

static int reduce_slice(struct device_tower *d, struct error *why)
{
    struct reducer *reducer = d->request.reducer;
    for (int ticket = 0; ticket < d->tickets; ticket++)
        if (d->device->sent(plan_of(d), ticket, why) || reducer_ready(reducer, d->offsets[ticket], why))
            return -1;
    return reducer_end(reducer, why);
}

static int exchange_on_host(struct device_tower *d, const struct device_pass *step, struct error *why)
{
    const float *sums;
    for (int slice = 0; slice < d->request.slices; slice++)
        if (enqueue_slice(d, step, slice, why) || reduce_slice(d, why))
            return -1;
    return reducer_finish(d->request.reducer, &sums, why) ||
           d->device->receive(plan_of(d), d->request.tower->gradients, sums, parcel_length(d), why) ? -1 : 0;
}

/* The device's own memory is MPI's buffer. */
static int exchange_in_place(struct device_tower *d, const struct device_pass *step, struct error *why)
{
    return begin(d, step, 1, 0, why) || run_part(d, DEVICE_GRADIENTS, NULL, why) || d->device->wait(plan_of(d), why) ||
           reducer_sum(d->request.reducer, d->request.tower->gradients, why) ? -1 : 0;
}

static int step_by_host(struct device_tower *d, const struct device_pass *step, struct error *why)
{
    int status = d->request.exchange == EXCHANGE_MPI_DEVICE ? exchange_in_place(d, step, why) : exchange_on_host(d, step, why);
    if (status || run_part(d, DEVICE_UPDATE, NULL, why))
        return -1;
    d->given++;
    return 0;
}

/* ---- steps ---- */

/* By one graph where they are DEVICE_AT_ONCE, else one by one. */
static int steps_ahead(struct device_tower *d, const struct device_pass *steps, int count, struct error *why)
{
    bool together = d->request.graph && count == DEVICE_AT_ONCE;
    if (begin(d, steps, count, 0, why))
        return -1;
    for (int done = 0; done < count; done += together ? DEVICE_AT_ONCE : 1) {
        if (run_part(d, together ? DEVICE_STEPS : DEVICE_STEP, NULL, why))
            return -1;
        d->given += together ? DEVICE_AT_ONCE : 1;
    }
    return 0;
}

/* Steps that begin together, of those that are left. */
static int at_once(const struct device_tower *d, int left)
{
    int most = d->given < WARM_UP ? WARM_UP : DEVICE_AT_ONCE;
    return left < most ? left : most;
}

int device_tower_steps(struct device_tower *d, const struct device_pass *steps, int count, struct error *why)
{
    for (int done = 0, n; done < count; done += n) {
        n = device_tower_runs_ahead(d) ? at_once(d, count - done) : 1;
        if (device_tower_runs_ahead(d) ? steps_ahead(d, steps + done, n, why) : step_by_host(d, steps + done, why))
            return -1;
    }
    return 0;
}
