/* Reads the newest checkpoint of a run: options, step, time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "store.h"

static int settings_read(struct history *history, struct h5 *h5, struct error *why)
{
    char (*names)[H5_NAME];
    int count, status = 0;
    if (h5_attributes(h5, "/provenance", &names, &count, why))
        return -1;
    history->settings = memory_new((size_t)count + 1, sizeof *history->settings, "the options of a run", why);
    status = history->settings ? 0 : -1;
    for (int i = 0; i < count && !status; i++) {
        struct history_setting *setting = &history->settings[history->setting_count];
        status = h5_get_as_text(h5, "/provenance", names[i], setting->value, sizeof setting->value, why);
        snprintf(setting->name, sizeof setting->name, "%.63s", names[i]);
        text_printable(setting->name);
        text_printable(setting->value);
        history->setting_count += !status;
    }
    free(names);
    return status;
}

static int newest_read(struct history *history, const char *file, struct error *why)
{
    int64_t step;
    double seconds;
    struct error ignored;
    struct h5 *h5 = h5_open(file, why);
    if (!h5)
        return -1;
    int status = h5_get_integer(h5, "/", "step", &step, why) || h5_get_real(h5, "/", "wall_seconds", &seconds, why) ||
                 settings_read(history, h5, why) ? -1 : 0;
    if (!status) {
        history->saved_step = (double)step;
        history->saved_seconds = seconds;
    }
    return h5_close(h5, status ? &ignored : why) || status ? -1 : 0;
}

void history_read_checkpoint(struct history *history)
{
    char file[4352];
    history->saved_step = history->saved_seconds = NAN;
    struct error skipped = {""}, why;
    if (checkpoint_newest(history->directory, file, sizeof file, &skipped, &why) ||
        (file[0] && newest_read(history, file, &why)))
        history->note = why;
    else if (skipped.text[0])
        history->note = skipped;
}
