#ifndef CLOCK_H
#define CLOCK_H

/* Seconds from a monotonic clock. */
double clock_seconds(void);

/* A duration in seconds as text: "00:45", "12:05", "3:20:00"; "-" if it is not a number. */
enum { CLOCK_TEXT = 32 };
void clock_text(double seconds, char text[CLOCK_TEXT]);

#endif
