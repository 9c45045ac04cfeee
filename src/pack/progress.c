#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "parts.h"
#include "terminal.h"

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
    char bar[32] = "", of[32] = "", count[96], rate[64] = "";
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
    snprintf(count, sizeof count, "%.*f%s %s", digits, (double)done / scale, of, progress->unit);
    /* what a narrow terminal has no room for is left out, whole */
    size_t room = (size_t)terminal_width(STDERR_FILENO) - 1, needed = strlen(progress->what) + 1 + strlen(count);
    bool rated = needed + strlen(rate) <= room, barred = rated && needed + strlen(rate) + strlen(bar) <= room;
    fprintf(stderr, "\r%s %s%s%s\033[K", progress->what, barred ? bar : "", count, rated ? rate : "");
}

void progress_clear(struct progress *progress)
{
    if (progress->drawn_at > 0)
        fputs("\r\033[K", stderr);
    progress->drawn_at = 0;
}
