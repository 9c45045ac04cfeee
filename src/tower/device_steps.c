/* The steps of a tower on a device. All work is enqueued; after the first steps it is captured as graphs and replayed.
 *
 *   pass      each slice: distort, forward, loss, backward; gradients for the host's reducer are sent during the backward pass
 *   exchange  by the reducer, by MPI or by NCCL
 *   update    then each stage's own layout of the new parameters
 *
 * If the host takes no part in the exchange, a step or DEVICE_AT_ONCE steps are one graph; otherwise a step is two graphs. */
#include <math.h>
#include <stdlib.h>

#include "clock.h"
#include "device_trace.h"
#include "steps.h"
#include "walk.h"

enum { WARM_UP = 2 };  /* steps before the capture: libraries load and choose algorithms in their first calls */
enum { ATTEMPTS = 2 }; /* to capture a part of a step */

static const struct device *device_of(const struct tower *tower)
{
    return tower->backend->device;
}

static size_t parcel_length(const struct tower *tower)
{
    return tower->net->gradients + PARCEL_SLOTS;
}

/* ---- start and end ---- */

/* Pins the reducer's host memory, where slices are written and sums are read. */
static int pin_reducer(struct tower *tower, struct error *why)
{
    struct training *t = &tower->training;
    size_t bytes;
    for (void *block; (block = reducer_memory(t->request.reducer, t->pinned, &bytes)); t->pinned++)
        if (device_of(tower)->pin(block, bytes, why))
            return -1;
    return 0;
}

int device_start(struct tower *tower, struct error *why)
{
    struct training *t = &tower->training;
    const struct dataset *dataset = t->request.dataset;
    struct device_data data = {.images = dataset->images, .labels = dataset->labels, .count = dataset->count,
                               .height = dataset->height, .width = dataset->width, .channels = dataset->channels,
                               .augmentations = *t->request.augmentations, .seed = t->request.seed};
    size_t samples = DEVICE_AT_ONCE * (size_t)tower->plan.batch, stages = (size_t)tower->plan.stage_count;
    if (shuffle_init(&t->shuffle, t->request.seed, (uint32_t)dataset->count, why) ||
        !(t->samples = memory_new(samples, sizeof *t->samples, "the passes' samples", why)) ||
        !(t->offsets = memory_new(stages, sizeof *t->offsets, "the offsets of the parcel's parts", why)) ||
        device_of(tower)->data(&tower->plan, &data, t->data, sizeof t->data, why))
        return -1;
    return exchange_is_on_host(t->request.exchange) ? pin_reducer(tower, why) : 0;
}

void device_end(struct tower *tower)
{
    struct training *t = &tower->training;
    struct error ignored;
    size_t bytes;
    while (t->pinned > 0)
        device_of(tower)->unpin(reducer_memory(t->request.reducer, --t->pinned, &bytes), &ignored);
    shuffle_free(&t->shuffle);
    device_trace_free(tower);
    free(t->samples);
    free(t->offsets);
}

bool device_runs_ahead(const struct tower *tower)
{
    enum exchange exchange = tower->training.request.exchange;
    return exchange == EXCHANGE_NONE || exchange == EXCHANGE_NCCL;
}

/* ---- the work to enqueue or capture ---- */

/* Sends the host what was completed since the last message, if it fills a message or is the last part. */
static int send_part(struct tower *tower, const struct stage *stage, float *parcel, size_t *sent, struct error *why)
{
    struct training *t = &tower->training;
    size_t offset = stage->complete;
    if (offset == *sent || (*sent - offset < t->request.reducer->bucket && offset > 0))
        return 0;
    const float *from = tower->gradients + offset;
    if (device_of(tower)->send(&tower->plan, parcel + offset, from, *sent - offset, t->tickets, why))
        return -1;
    t->offsets[t->tickets++] = offset;
    *sent = offset;
    return device_trace_mark(tower, "send", stage->name, true, why);
}

/* NCCL adds the parcel up in two parts: first its second half or more, during the backward pass of the other stages, then the
 * rest. The place of the cut depends on the net only, so it is the same on all ranks. */
static int reduce_part(struct tower *tower, const struct stage *stage, size_t *sent, struct error *why)
{
    size_t length = parcel_length(tower), offset = stage->complete;
    bool early = offset > 0 && *sent == length && length - offset >= length / 2;
    if (!early && stage > tower->plan.stages)
        return 0;
    if (!early && device_of(tower)->send_end(&tower->plan, why)) /* all ranks make the two sums in this order */
        return -1;
    if (device_of(tower)->allreduce(&tower->plan, tower->gradients + offset, *sent - offset, early, why))
        return -1;
    *sent = offset;
    return device_trace_mark(tower, "allreduce", early ? stage->name : NULL, early, why);
}

/* Starts the exchange of what a stage's backward pass has completed. */
static int pass_on(struct tower *tower, const struct stage *stage, float *parcel, size_t *sent, struct error *why)
{
    if (tower->training.request.exchange == EXCHANGE_NCCL)
        return reduce_part(tower, stage, sent, why);
    return parcel ? send_part(tower, stage, parcel, sent, why) : 0;
}

static int enqueue_loss(struct tower *tower, struct error *why)
{
    double before = clock_seconds();
    if (device_of(tower)->loss(&tower->plan, tower->gradients + tower->net->gradients, why))
        return -1;
    return walk_time(tower, before, &tower->loss_seconds, "loss", NULL, why);
}

/* Forward, loss and backward. The gradients are sent to the host's `parcel`, unless it is NULL, or added up by NCCL. */
static int enqueue_pass(struct tower *tower, float *parcel, struct error *why)
{
    struct plan *plan = &tower->plan;
    size_t sent = parcel_length(tower);
    tower->training.tickets = 0;
    if (device_of(tower)->distort(plan, why) || device_trace_mark(tower, "distort", NULL, false, why) ||
        walk_forward(tower, tower->gradients, NULL, why) || enqueue_loss(tower, why))
        return -1;
    for (int i = plan->stage_count - 1; i >= 0; i--)
        if (walk_backward(tower, i, tower->gradients, why) || pass_on(tower, &plan->stages[i], parcel, &sent, why))
            return -1;
    return parcel ? device_of(tower)->send_end(plan, why) : 0;
}

static int enqueue_update(struct tower *tower, struct error *why)
{
    bool exchanged = tower->training.request.exchange != EXCHANGE_NONE;
    double before = clock_seconds();
    if (device_of(tower)->update(&tower->plan, tower->parameters, tower->gradients, tower->states, exchanged, why) ||
        walk_time(tower, before, &tower->update_seconds, "update", NULL, why))
        return -1;
    return walk_prepare(tower, why);
}

static int enqueue_whole(struct tower *tower, struct error *why)
{
    return enqueue_pass(tower, NULL, why) || enqueue_update(tower, why) ? -1 : 0;
}

static int enqueue(struct tower *tower, enum device_part part, float *parcel, struct error *why)
{
    int steps = part == DEVICE_STEPS ? DEVICE_AT_ONCE : 1, status = 0;
    if (part == DEVICE_GRADIENTS)
        return enqueue_pass(tower, parcel, why);
    if (part == DEVICE_UPDATE)
        return enqueue_update(tower, why);
    for (int i = 0; i < steps && !status; i++)
        status = enqueue_whole(tower, why);
    return status;
}

/* ---- graphs ---- */

/* Captures a part of a step. Of two failures it reports the first. */
static int record(struct tower *tower, enum device_part part, float *parcel, struct error *why)
{
    struct error second;
    if (device_of(tower)->capture(&tower->plan, why))
        return -1;
    int failed = enqueue(tower, part, parcel, why);
    int unended = device_of(tower)->captured(&tower->plan, part, failed ? &second : why);
    return failed || unended ? -1 : 0;
}

static void tell_failure(struct training *t, int attempt, const struct error *reason)
{
    t->notice = *reason;
    if (attempt < ATTEMPTS)
        error_in(&t->notice, "step captured without early launches (slower)");
    else
        error_in(&t->notice, "the step cannot be captured as a graph (slower)");
}

/* Collective. Either all ranks capture the part or none does, since NCCL cannot add up what one rank captured and another did not.
 * If both attempts fail on any rank, steps are run without graphs; a failed capture has run nothing. */
static int capture_part(struct tower *tower, enum device_part part, float *parcel, struct error *why)
{
    struct training *t = &tower->training;
    struct error reason;
    for (int attempt = 1; attempt <= ATTEMPTS; attempt++) {
        int status = record(tower, part, parcel, &reason);
        t->captured[part] = !world_agree(t->request.world, status, &reason);
        if (t->captured[part])
            return 0;
        if (device_of(tower)->uncapture(&tower->plan, part, why))
            return error_in(why, "capturing the step");
        tell_failure(t, attempt, &reason);
    }
    t->request.graph = false;
    return 0;
}

/* Runs a part of a step: as a graph after the first steps. */
static int run_part(struct tower *tower, enum device_part part, float *parcel, struct error *why)
{
    struct training *t = &tower->training;
    bool graph = t->request.graph && !t->traced;
    if (graph && t->done >= WARM_UP && !t->captured[part] && capture_part(tower, part, parcel, why))
        return -1;
    if (graph && t->captured[part])
        return device_of(tower)->replay(&tower->plan, part, why);
    return enqueue(tower, part, parcel, why);
}

/* ---- a pass ---- */

/* Copies to the device the passes of `count` steps over slice `slice` of this rank. */
static int begin(struct tower *tower, const struct step *steps, int count, int slice, struct error *why)
{
    struct device_pass passes[DEVICE_AT_ONCE];
    struct training *t = &tower->training;
    uint64_t batch = (uint64_t)tower->plan.batch, first = (uint64_t)(t->request.world->rank * t->request.slices + slice) * batch;
    uint32_t *samples = t->samples;
    for (int i = 0; i < count; i++) {
        passes[i] = (struct device_pass){.step = steps[i], .position = steps[i].position + first, .samples = samples};
        for (uint64_t k = 0; k < batch; k++)
            *samples++ = shuffle_at(&t->shuffle, passes[i].position + k);
    }
    return device_of(tower)->begin(&tower->plan, passes, count, why);
}

/* ---- a step whose exchange needs the host ---- */

/* With several slices, sends each as a whole and outside the graph, since its place in the reducer varies. */
static int send_whole(struct tower *tower, float *parcel, struct error *why)
{
    struct training *t = &tower->training;
    t->offsets[0] = 0;
    t->tickets = 1;
    if (device_of(tower)->send(&tower->plan, parcel, tower->gradients, parcel_length(tower), 0, why))
        return -1;
    return device_of(tower)->send_end(&tower->plan, why);
}

/* The device writes the parcel after it has copied the last sums, so the host need not wait for that copy. */
static int enqueue_slice(struct tower *tower, const struct step *step, int slice, struct error *why)
{
    float *parcel = reducer_begin(tower->training.request.reducer, slice);
    bool in_parts = tower->training.request.slices == 1;
    if (begin(tower, step, 1, slice, why) || run_part(tower, DEVICE_GRADIENTS, in_parts ? parcel : NULL, why))
        return -1;
    return in_parts ? 0 : send_whole(tower, parcel, why);
}

static int reduce_slice(struct tower *tower, struct error *why)
{
    const struct training *t = &tower->training;
    for (int ticket = 0; ticket < t->tickets; ticket++)
        if (device_of(tower)->sent(&tower->plan, ticket, why) || reducer_ready(t->request.reducer, t->offsets[ticket], why))
            return -1;
    return reducer_end(t->request.reducer, why);
}

static int exchange_on_host(struct tower *tower, const struct step *step, struct error *why)
{
    const struct training_request *r = &tower->training.request;
    const float *sums;
    for (int slice = 0; slice < r->slices; slice++)
        if (enqueue_slice(tower, step, slice, why) || reduce_slice(tower, why))
            return -1;
    if (reducer_finish(r->reducer, &sums, why))
        return -1;
    if (device_of(tower)->receive(&tower->plan, tower->gradients, sums, parcel_length(tower), why))
        return -1;
    return device_trace_mark(tower, "reduce", NULL, false, why);
}

/* MPI works on the device's memory. */
static int exchange_in_place(struct tower *tower, const struct step *step, struct error *why)
{
    if (begin(tower, step, 1, 0, why) || run_part(tower, DEVICE_GRADIENTS, NULL, why) ||
        device_of(tower)->wait(&tower->plan, why))
        return -1;
    if (reducer_sum(tower->training.request.reducer, tower->gradients, why))
        return -1;
    return device_trace_mark(tower, "reduce", NULL, false, why);
}

static int step_by_host(struct tower *tower, const struct step *step, struct error *why)
{
    bool in_place = tower->training.request.exchange == EXCHANGE_MPI_DEVICE;
    if (in_place ? exchange_in_place(tower, step, why) : exchange_on_host(tower, step, why))
        return -1;
    if (run_part(tower, DEVICE_UPDATE, NULL, why))
        return -1;
    tower->training.done++;
    return 0;
}

/* ---- steps without the host ---- */

/* As one graph if there are DEVICE_AT_ONCE steps, else one by one. */
static int steps_ahead(struct tower *tower, const struct step *steps, int count, struct error *why)
{
    struct training *t = &tower->training;
    bool together = t->request.graph && !t->traced && count == DEVICE_AT_ONCE;
    int at_once = together ? DEVICE_AT_ONCE : 1;
    if (begin(tower, steps, count, 0, why))
        return -1;
    for (int done = 0; done < count; done += at_once) {
        if (run_part(tower, together ? DEVICE_STEPS : DEVICE_STEP, NULL, why))
            return -1;
        t->done += (uint64_t)at_once;
    }
    return 0;
}

/* How many of the steps left to begin together. */
static int begin_together(const struct tower *tower, int left)
{
    int most = tower->training.done < WARM_UP ? WARM_UP : DEVICE_AT_ONCE;
    return left < most ? left : most;
}

/* ---- giving steps and reading results ---- */

int device_give(struct tower *tower, const struct step *steps, int count, struct error *why)
{
    bool ahead = device_runs_ahead(tower);
    phase_enter(tower->training.request.reducer->phases, PHASE_DEVICE, PHASE_WHOLE);
    if (device_trace_begin(tower, why))
        return -1;
    for (int done = 0, n; done < count; done += n) {
        n = ahead ? begin_together(tower, count - done) : 1;
        if (ahead ? steps_ahead(tower, steps + done, n, why) : step_by_host(tower, steps + done, why))
            return -1;
    }
    return device_of(tower)->results_begin(&tower->plan, steps[count - 1].number, count, why);
}

int device_results(struct tower *tower, struct step_result *results, int count, struct error *why)
{
    phase_enter(tower->training.request.reducer->phases, PHASE_DEVICE, PHASE_WHOLE);
    if (device_of(tower)->results_end(&tower->plan, results, why) || device_trace_end(tower, why))
        return -1;
    for (int i = 0; i < count; i++)
        if (!isfinite(results[i].loss))
            results[i].fault = 1;
    return 0;
}
