#include "phases.h"

#include "clock.h"

const char *phase_name(enum phase_kind kind)
{
    static const char *const names[PHASE_KINDS] = {
        [PHASE_START] = "start",   [PHASE_LOAD] = "load",     [PHASE_FORWARD] = "forward", [PHASE_BACKWARD] = "backward",
        [PHASE_DEVICE] = "device", [PHASE_REDUCE] = "reduce", [PHASE_UPDATE] = "update",   [PHASE_REPORT] = "report",
        [PHASE_SAVE] = "save",     [PHASE_PARITY] = "parity", [PHASE_EVALUATE] = "evaluate",
        [PHASE_END] = "end",
    };
    return names[kind];
}

static void trace_phase(struct phases *phases, struct phase ends, double now)
{
    struct trace_slice slice = {.category = phase_name(ends.kind), .number = ends.part, .begin = phases->clock.since, .end = now};
    bool of_layers = ends.kind == PHASE_FORWARD || ends.kind == PHASE_BACKWARD;
    if (of_layers && ends.part >= 0 && ends.part < phases->part_count)
        slice.name = phases->part_names[ends.part];
    trace_slice(&phases->trace, TRACE_MAIN, &slice);
}

/* Adds the phase that ends now to the clock and to the timeline. */
static void end_phase(struct phases *phases, struct phase ends)
{
    struct phase_clock *clock = &phases->clock;
    if (clock->since <= 0)
        return;
    double now = clock_seconds();
    clock->seconds[ends.kind] += now - clock->since;
    if (trace_is_on(&phases->trace))
        trace_phase(phases, ends, now);
    clock->since = now;
}

int phases_open(struct phases *phases, const struct world *world, double stall_seconds, struct error *why)
{
    phases->now = (struct phase){PHASE_START, PHASE_WHOLE};
    phases->clock = (struct phase_clock){.since = clock_seconds()};
    return stall_open(&phases->stall, world, stall_seconds, why);
}

void phases_close(struct phases *phases)
{
    stall_close(&phases->stall);
}

struct phase phase_enter(struct phases *phases, enum phase_kind kind, int part)
{
    struct phase begins = {kind, part};
    if (!phases)
        return begins;
    struct phase before = phases->now;
    phases->now = begins;
    stall_phase(&phases->stall, kind);
    end_phase(phases, before);
    return before;
}

struct trace *phases_trace(struct phases *phases)
{
    return phases ? &phases->trace : NULL;
}

void phases_step(struct phases *phases, uint64_t step, bool slow)
{
    stall_step(&phases->stall, step, slow);
}
