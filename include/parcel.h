/* The parcel: what the ranks add up in each step. First the flat gradient sums, then this tail.
 *
 * The loss is a sum with its count, not a mean, so the batch may be divided in any way. A fault or signal on one rank reaches all
 * ranks in the same step. Only the functions below, for the CPU and for kernels, write and interpret the tail. */
#ifndef PARCEL_H
#define PARCEL_H

#include <math.h>
#include <stdbool.h>

enum parcel_slot {
    PARCEL_LOSS,    /* sum of cross-entropies */
    PARCEL_CORRECT, /* images classified correctly */
    PARCEL_COUNT,   /* images */
    PARCEL_FAULT,   /* > 0: the loss of a rank is NaN or infinite */
    PARCEL_STOP,    /* > 0: a rank requests a stop */
    PARCEL_SLOTS
};

#ifdef __CUDACC__
#define PARCEL_FUNCTION static __host__ __device__ inline
#else
#define PARCEL_FUNCTION static inline
#endif

/* Writes the results of one slice. */
PARCEL_FUNCTION void parcel_write(float *tail, double loss, double correct, int count)
{
    tail[PARCEL_LOSS] = (float)loss;
    tail[PARCEL_CORRECT] = (float)correct;
    tail[PARCEL_COUNT] = (float)count;
    tail[PARCEL_FAULT] = isfinite(loss) ? 0 : 1;
}

/* stop: > 0 if this rank requests a stop. */
PARCEL_FUNCTION void parcel_write_stop(float *tail, float stop)
{
    tail[PARCEL_STOP] = stop;
}

/* For the sums: whether no rank had a fault, and the loss is finite. The gradients may still be NaN or infinite. */
PARCEL_FUNCTION bool parcel_is_sound(const float *tail)
{
    return !(tail[PARCEL_FAULT] > 0) && isfinite(tail[PARCEL_LOSS]);
}

/* For the sums: whether any rank requests a stop. */
PARCEL_FUNCTION bool parcel_stops(const float *tail)
{
    return tail[PARCEL_STOP] > 0;
}

#endif
