#ifndef CLOCK_H
#define CLOCK_H

/* Seconds from a monotonic clock. */
double clock_seconds(void);

#endif
