/* What a core can do at most. */
#ifndef PEAK_H
#define PEAK_H

/* fp32 operations a second of one core's fused multiply-adds (each two operations), in registers: the best of several
 * short trials. */
double peak_measure(void);

#endif
