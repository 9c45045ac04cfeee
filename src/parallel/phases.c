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

/* Adds the phase that ends now. */
static void phase_clock_add(struct phase_clock *clock, enum phase_kind ends)
{
    if (clock->since <= 0)
        return;
    double now = clock_seconds();
    clock->seconds[ends] += now - clock->since;
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
    phase_clock_add(&phases->clock, before.kind);
    return before;
}

void phases_step(struct phases *phases, uint64_t step, bool slow)
{
    stall_step(&phases->stall, step, slow);
}
