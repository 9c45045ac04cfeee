/* What one core can do at most. */
#ifndef CORE_SPEED_H
#define CORE_SPEED_H

#include "error.h"

/* fp32 operations per second of one core: fused multiply-adds in registers, two operations each. The best of several short
 * trials. */
double peak_measure(void);

/* *rate: bytes per second that one core reads and writes. The data are larger than a second-level cache and smaller than a usual
 * third-level cache, as activations are. The best of several copies. */
int bandwidth_measure(double *rate, struct error *why);

#endif
