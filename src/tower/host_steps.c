/* The steps of a tower on the host: each is finished before the next is given. */
#include "finite.h"
#include "steps.h"

/* The next slice's images and labels. */
static int next_batch(struct tower *tower, int slice, struct batch *batch, struct error *why)
{
    const struct training_request *r = &tower->training.request;
    phase_enter(r->reducer->phases, PHASE_LOAD, slice);
    if (r->loader)
        return loader_next(r->loader, batch, why);
    *batch = *r->batch;
    return 0;
}

/* *sums: a parcel summed over all slices of all ranks. */
static int sum_gradients(struct tower *tower, const struct step *step, const float **sums, struct error *why)
{
    const struct training_request *r = &tower->training.request;
    for (int slice = 0; slice < r->slices; slice++) {
        struct batch batch;
        float *parcel = reducer_begin(r->reducer, slice);
        parcel_write_stop(parcel + tower->net->gradients, step->stop);
        if (next_batch(tower, slice, &batch, why))
            return -1;
        phase_enter(r->reducer->phases, PHASE_FORWARD, PHASE_WHOLE);
        if (tower_gradients(tower, &batch, r->reducer, parcel, why) || reducer_end(r->reducer, why))
            return -1;
    }
    return reducer_finish(r->reducer, sums, why);
}

int host_step(struct tower *tower, const struct step *step, struct error *why)
{
    struct step_result *result = &tower->training.result;
    size_t gradients = tower->net->gradients;
    const float *sums;
    if (sum_gradients(tower, step, &sums, why))
        return -1;
    phase_enter(tower->training.request.reducer->phases, PHASE_UPDATE, PHASE_WHOLE);
    tower->training.sums = sums;
    const float *tail = sums + gradients;
    *result = (struct step_result){.step = step->number, .loss = tail[PARCEL_LOSS], .correct = tail[PARCEL_CORRECT],
                                   .count = tail[PARCEL_COUNT], .stop = parcel_stops(tail)};
    result->fault = !parcel_is_sound(tail) || !floats_finite(sums, gradients);
    if (result->fault > 0)
        return 0;
    return tower_update(tower, sums, result->count, step, &result->penalty, why);
}
