#include "optimize.h"

/* The number of stairs so far. Rounding can leave the quotient just below a whole number; the margin corrects that, and is
 * less than one sample for the first 1e12 samples. */
static double stairs_done(const struct schedule *schedule, uint64_t samples)
{
    const double margin = 1e-12;
    return (double)samples / (schedule->epochs * (double)schedule->epoch_samples) * (1 + margin);
}

float schedule_rate(const struct schedule *schedule, uint64_t samples)
{
    double rate = schedule->rate, stairs = stairs_done(schedule, samples);
    for (double stair = 1; stair <= stairs && rate > 0; stair++)
        rate *= schedule->factor;
    return (float)rate;
}
