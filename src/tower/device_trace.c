#include "device_trace.h"

#include <stdlib.h>

#include "clock.h"

/* A piece of work, which ends at a mark. */
struct device_piece {
    const char *what, *stage;
    bool beside;
};

/* Piece i ends at mark i; mark 0 is the beginning. */
struct device_timeline {
    int count;     /* of the present block's marks; 0: nothing is recorded */
    double begun;  /* mark 0 (clock_seconds) */
    struct device_piece pieces[DEVICE_MARKS];
    double seconds[DEVICE_MARKS];
};

int device_trace_begin(struct tower *tower, struct error *why)
{
    struct training *t = &tower->training;
    const struct device *device = tower->backend->device;
    if (!t->traced)
        return 0;
    if (!t->timeline)
        t->timeline = memory_new(1, sizeof *t->timeline, "the device's timeline", why);
    if (!t->timeline || device->wait(&tower->plan, why))
        return -1;
    t->timeline->begun = clock_seconds();
    t->timeline->count = 1;
    return device->mark(&tower->plan, 0, false, why);
}

int device_trace_mark(struct tower *tower, const char *what, const char *stage, bool beside, struct error *why)
{
    struct device_timeline *t = tower->training.timeline;
    if (!what || !t || t->count == 0 || t->count == DEVICE_MARKS)
        return 0;
    t->pieces[t->count] = (struct device_piece){what, stage, beside};
    return tower->backend->device->mark(&tower->plan, t->count++, beside, why);
}

/* Each piece begins where the one before it on its stream ended, but not before the work that it waits for was done. */
static void add_pieces(const struct device_timeline *t, struct trace *trace)
{
    double work = 0, beside = 0; /* when the last piece of each stream ended */
    for (int i = 1; i < t->count; i++) {
        const struct device_piece *piece = &t->pieces[i];
        double begin = piece->beside && beside > work ? beside : work;
        trace_slice(trace, piece->beside ? TRACE_BESIDE : TRACE_DEVICE, &(struct trace_slice){.category = piece->what,
                    .name = piece->stage, .number = -1, .begin = t->begun + begin, .end = t->begun + t->seconds[i]});
        *(piece->beside ? &beside : &work) = t->seconds[i];
    }
}

int device_trace_end(struct tower *tower, struct error *why)
{
    struct device_timeline *t = tower->training.timeline;
    if (!t || t->count == 0)
        return 0;
    int status = tower->backend->device->marks(&tower->plan, t->seconds, t->count, why);
    if (!status)
        add_pieces(t, phases_trace(tower->training.request.reducer->phases));
    t->count = 0;
    return status;
}

void device_trace_free(struct tower *tower)
{
    free(tower->training.timeline);
}
