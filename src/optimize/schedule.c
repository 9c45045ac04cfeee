#include "optimize.h"

float schedule_rate(const struct schedule *schedule, uint64_t samples)
{
    double rate = schedule->rate;
    double stairs = (double)samples / (schedule->epochs * (double)schedule->epoch_samples);
    for (double stair = 1; stair <= stairs && rate > 0; stair++)
        rate *= schedule->factor;
    return (float)rate;
}
