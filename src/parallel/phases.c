#include "phases.h"

int phases_open(struct phases *phases, const struct world *world, double stall_seconds, struct error *why)
{
    phases->now = (struct phase){PHASE_START, PHASE_WHOLE};
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
    return before;
}

void phases_step(struct phases *phases, uint64_t step, bool slow)
{
    stall_step(&phases->stall, step, slow);
}
