/* Reads train.log. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "history.h"

/* Reads "2026-11-24 12:00:00.123456: text"; NULL: the line does not begin with a time. */
static char *line_time(char *line, double *time)
{
    struct tm t = {.tm_isdst = -1};
    double seconds;
    int length = 0;
    if (sscanf(line, "%d-%d-%d %d:%d:%lf: %n", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour, &t.tm_min, &seconds, &length) != 6 ||
        !length)
        return NULL;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    *time = (double)mktime(&t) + seconds;
    return line + length;
}

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

static void take_line(struct history_log *log, const char *text)
{
    double step, seconds, pause;
    bool is_end = begins_with(text, "stopped at step ") || begins_with(text, "done at step ");
    bool is_about_end = is_end || begins_with(text, "checkpoint in ") || strstr(text, " saved in ");
    if (log->is_last && !is_about_end) { /* the run went on */
        log->stops++;
        log->is_last = false;
    }
    if (sscanf(text, "checkpoint %lf saved in %lf s, paused %lf ms", &step, &seconds, &pause) == 3) {
        log->saves++;
        log->save_seconds += seconds;
        log->save_longest = fmax(log->save_longest, seconds);
        log->save_pause += pause / 1e3;
    }
    log->unsaved += begins_with(text, "no checkpoint at step ");
    log->left_out += begins_with(text, "the update of this step is left out");
    log->rollbacks += begins_with(text, "back to the parameters of step ");
    if (is_end) {
        const char *rest = strstr(text, ", checkpoint in ");
        int most = text_fit(text, sizeof log->end - 1), length = rest ? (int)(rest - text) : most;
        snprintf(log->end, sizeof log->end, "%.*s", length < most ? length : most, text);
        log->is_last = true;
    }
}

void history_read_log(struct history_log *log, char *text)
{
    *log = (struct history_log){.began = NAN, .ended = NAN};
    for (char *rest = text, *line; rest && (line = strsep(&rest, "\n"));) {
        double time;
        char *said = rest ? line_time(line, &time) : NULL; /* a line without a newline is still being written */
        if (!said)
            continue;
        log->began = isnan(log->began) ? time : log->began;
        log->ended = time;
        text_printable(said);
        take_line(log, said);
    }
}
