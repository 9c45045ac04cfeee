/* The parcel: what the ranks add up in one message a step. First the flat gradient sums, then this tail.
 *
 * Sums and a count are exact however the batch is divided. What one rank noticed, a fault or a signal, reaches all ranks at the
 * same step. The functions below, for the CPU and for kernels, are the only ones that write the tail and judge it. */
#ifndef PARCEL_H
#define PARCEL_H

#include <math.h>
#include <stdbool.h>

enum parcel_slot {
    PARCEL_LOSS,    /* sum of cross-entropies */
    PARCEL_CORRECT, /* images classified right */
    PARCEL_COUNT,   /* images */
    PARCEL_FAULT,   /* > 0: a rank met a NaN or infinity */
    PARCEL_STOP,    /* > 0: a rank was asked to stop */
    PARCEL_SLOTS
};

#ifdef __CUDACC__
#define PARCEL_FUNCTION static __host__ __device__ inline
#else
#define PARCEL_FUNCTION static inline
#endif

/* What this rank's slice came to. */
PARCEL_FUNCTION void parcel_write(float *tail, double loss, double correct, int count)
{
    tail[PARCEL_LOSS] = (float)loss;
    tail[PARCEL_CORRECT] = (float)correct;
    tail[PARCEL_COUNT] = (float)count;
    tail[PARCEL_FAULT] = isfinite(loss) ? 0 : 1;
}

/* stop: > 0 where this rank asks all to stop. */
PARCEL_FUNCTION void parcel_write_stop(float *tail, float stop)
{
    tail[PARCEL_STOP] = stop;
}

/* Of the sums: whether no rank met a fault, and the loss is finite. The gradients may still hold what is not. */
PARCEL_FUNCTION bool parcel_is_sound(const float *tail)
{
    return !(tail[PARCEL_FAULT] > 0) && isfinite(tail[PARCEL_LOSS]);
}

/* Of the sums: whether any rank asks to stop. */
PARCEL_FUNCTION bool parcel_stops(const float *tail)
{
    return tail[PARCEL_STOP] > 0;
}

#endif
