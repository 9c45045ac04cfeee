#include <stdio.h>

#include "clock.h"
#include "pack.h"

static const double draw_interval = 0.1; /* seconds */

void progress_draw(struct progress *progress, int64_t done, int64_t total)
{
    double now = clock_seconds();
    if (!progress->shown || now - progress->drawn_at < draw_interval)
        return;
    if (progress->started == 0) {
        progress->started = now;
        progress->first = done;
    }
    progress->drawn_at = now;
    char bar[32] = "", of[32] = "", rate[64] = "";
    double scale = progress->scale, seconds = now - progress->started;
    int digits = scale > 1 ? 1 : 0;
    if (total > 0) {
        int filled = (int)(done < total ? 20 * done / total : 20);
        snprintf(bar, sizeof bar, "[%-20.*s] ", filled, "####################");
        snprintf(of, sizeof of, " of %.*f", digits, (double)total / scale);
    }
    if (seconds > 0)
        snprintf(rate, sizeof rate, ", %.*f %s/s", digits, (double)(done - progress->first) / scale / seconds,
                 progress->unit);
    fprintf(stderr, "\r%s %s%.*f%s %s%s\033[K", progress->what, bar, digits, (double)done / scale, of, progress->unit,
            rate);
}

void progress_clear(struct progress *progress)
{
    if (progress->drawn_at > 0)
        fputs("\r\033[K", stderr);
    progress->drawn_at = 0;
}
