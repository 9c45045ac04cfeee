/* What ranks send each other in a step. */
#ifndef PARCEL_H
#define PARCEL_H

/* The parcel: the flat gradient sums, then this tail, in one message. Sums plus a count are exact
 * for any split, and what one rank noticed (a fault, a signal) reaches all at the same step. */
enum parcel_slot {
    PARCEL_LOSS,    /* sum of cross-entropies */
    PARCEL_CORRECT, /* images classified right */
    PARCEL_COUNT,   /* images */
    PARCEL_FAULT,   /* > 0: a rank met a NaN or infinity */
    PARCEL_STOP,    /* > 0: a rank was asked to stop */
    PARCEL_SLOTS
};

#endif
