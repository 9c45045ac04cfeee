/* What a core can do at most. */
#ifndef CORE_SPEED_H
#define CORE_SPEED_H

#include "error.h"

/* fp32 operations a second of one core's fused multiply-adds (each two operations), in registers: the best of several
 * short trials. */
double peak_measure(void);

/* *rate: bytes a second that one core reads and writes in data larger than its second-level cache and smaller than usual
 * third-level ones, as activations are: the best of several copies. */
int bandwidth_measure(double *rate, struct error *why);

#endif
