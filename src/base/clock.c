#include "clock.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void clock_text(double seconds, char text[CLOCK_TEXT])
{
    unsigned s = seconds < 1e9 ? (unsigned)(seconds + 0.5) : 1000000000;
    if (isnan(seconds))
        snprintf(text, CLOCK_TEXT, "-");
    else if (s < 3600)
        snprintf(text, CLOCK_TEXT, "%02u:%02u", s / 60, s % 60);
    else
        snprintf(text, CLOCK_TEXT, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
}
